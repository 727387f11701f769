"""The command line: one module a command; each parses, asks `trilha.query`, and prints."""

from __future__ import annotations

from trilha.cli.main import main

__all__ = ["main"]
