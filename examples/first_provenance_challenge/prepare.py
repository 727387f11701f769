"""Make small volumes: prepare.py FOLDER [MAXIMUM].

Four anatomy images and a reference, of 32 x 32 x 16 voxels: each is a bright ellipsoid with noise; those of
the anatomy are shifted and scaled against the reference. The same call makes the same bytes.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "tools"))
from volumes import write_volume

SHAPE, SIZES = (32, 32, 16), (1.0, 1.0, 1.25)


def main(folder: str, maximum: int = 4095) -> None:
    """Write the volumes; `maximum` is the brightest voxel that a header allows."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(5):
        random = np.random.default_rng(number)
        centre = np.array(SHAPE) / 2 + (random.uniform(-2, 2, 3) if number else 0)
        radius = np.array(SHAPE) / 3 * (random.uniform(0.8, 1.1) if number else 1)
        grid = np.indices(SHAPE).reshape(3, -1)
        distance = (((grid - centre[:, None]) / radius[:, None]) ** 2).sum(axis=0)
        voxels = maximum * np.exp(-distance) * random.uniform(0.9, 1.0, grid.shape[1])
        name = f"anatomy{number}" if number else "reference"
        write_volume(str(Path(folder, f"{name}.img")), voxels.reshape(SHAPE), SIZES, maximum)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
