"""The command line as ``python -m trilha``: that of the Python which is named."""

from __future__ import annotations

from trilha.cli import main

main()
