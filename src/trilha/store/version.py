"""The version of Trilha that makes a store."""

from __future__ import annotations

__all__ = ["own_version"]


def own_version() -> str:
    """The version of the installed distribution; ``0`` where Trilha runs without being installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("trilha")
    except PackageNotFoundError:
        return "0"
