"""Volumes as the tools keep them: an Analyze 7.5 header (348 bytes) and voxels of 16 bits beside it."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

_DIMENSIONS, _PIXEL_SIZES, _RANGE, _DESCRIPTION = 40, 76, 140, 148
"""Offsets in the header, in bytes: dim (8 shorts), pixdim (8 floats), glmax and glmin (ints), descrip."""


class Header(NamedTuple):
    """What a header tells."""

    shape: tuple[int, int, int]
    sizes: tuple[float, float, float]
    maximum: int
    minimum: int

    def text(self) -> str:
        """The lines that AIR's scanheader prints."""
        lines = ["bits/pixel=16"]
        lines += [f"{axis}_dim={length}" for axis, length in zip("xyz", self.shape, strict=True)]
        lines += [f"{axis}_size={size:.6f}" for axis, size in zip("xyz", self.sizes, strict=True)]
        lines += [f"global maximum={self.maximum}", f"global minimum={self.minimum}"]
        return "\n".join(lines)


def read_header(path: str) -> Header:
    """The header in a file."""
    raw = Path(path).read_bytes()
    if len(raw) != 348 or struct.unpack_from("<i", raw)[0] != 348:
        raise SystemExit(f"{path}: expected a header of 348 bytes")
    shape = struct.unpack_from("<8h", raw, _DIMENSIONS)[1:4]
    sizes = struct.unpack_from("<8f", raw, _PIXEL_SIZES)[1:4]
    maximum, minimum = struct.unpack_from("<2i", raw, _RANGE)
    return Header(shape, sizes, maximum, minimum)


def read_volume(path: str) -> np.ndarray:
    """The voxels of an image (``.img``), whose header (``.hdr``) lies beside it."""
    header = read_header(str(Path(path).with_suffix(".hdr")))
    return np.fromfile(path, "<i2").reshape(header.shape).astype(float)


def write_volume(path: str, voxels: np.ndarray, sizes: tuple[float, float, float], maximum: int) -> None:
    """Write an image and its header."""
    raw = bytearray(348)
    struct.pack_into("<i", raw, 0, 348)
    struct.pack_into("<8h", raw, _DIMENSIONS, 4, *voxels.shape, 1, 0, 0, 0)
    struct.pack_into("<2h", raw, 70, 4, 16)  # data type (signed short), bits per pixel
    struct.pack_into("<8f", raw, _PIXEL_SIZES, 0, *sizes, 0, 0, 0, 0)
    struct.pack_into("<2i", raw, _RANGE, maximum, 0)
    struct.pack_into("80s", raw, _DESCRIPTION, Path(path).stem.encode())
    Path(path).with_suffix(".hdr").write_bytes(bytes(raw))
    np.clip(np.rint(voxels), 0, maximum).astype("<i2").tofile(path)
