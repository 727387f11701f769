"""Bytes from files and into files. A file is replaced as a whole, so that no reader ever sees half of one."""

from __future__ import annotations

import io
import os
import secrets
import stat
from typing import IO, Any, cast

from trilha.errors import UsageError

__all__ = ["load", "store"]


def load(source: str | os.PathLike[str] | IO[Any]) -> bytes:
    """All bytes of a file. Text that an open text file gives is encoded as UTF-8.

    Raises:
        UsageError: the file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        try:
            with open(source, "rb") as file:
                return file.read()
        except OSError as error:
            raise UsageError(f"{os.fspath(source)}: cannot be read ({error.strerror})") from error
    content = source.read()
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content)


def store(data: bytes, target: str | os.PathLike[str] | IO[Any]) -> None:
    """Write `data` to a file: beside it first, then, once it is safe on the disk, in its place.

    Raises:
        UsageError: the file cannot be written; what was there before is still there.
    """
    if not isinstance(target, str | os.PathLike):
        text = isinstance(cast("object", target), io.TextIOBase)
        target.write(data.decode("utf-8") if text else data)
        return
    try:
        _replace(os.path.realpath(target), data)
    except OSError as error:
        raise UsageError(f"{os.fspath(target)}: cannot be written ({error.strerror})") from error


def _replace(path: str, data: bytes) -> None:
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):  # a device or a pipe has no whole to replace
        with open(path, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        try:
            os.unlink(beside)
        except OSError:
            pass
        raise
    _settle(folder)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _settle(folder: str) -> None:
    """Make the new name itself survive a power failure, where the file system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
