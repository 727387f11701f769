"""The fMRI workflow of the First Provenance Challenge: workflow.py FOLDER [--jpeg].

FOLDER holds anatomy1 to anatomy4 and the reference, each an .img with its .hdr (see prepare.py); everything
else is written there. The command lines are those of the challenge. With --jpeg, the last stage is that of
its seventh query: pgmtoppm and pnmtojpeg instead of convert.

This script knows nothing of provenance.
"""

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent / "tools"


def call(*words):
    """Run a tool by its name, with the Python that runs this."""
    path = os.pathsep.join([str(TOOLS), os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    subprocess.run(words, check=True, env={**os.environ, "PATH": path})


def align(number):
    """Stage 1."""
    call("align_warp", f"anatomy{number}.img", "reference.img", f"warp{number}.warp", "-m", "12", "-q")


def reslice(number):
    """Stage 2."""
    call("reslice", f"warp{number}.warp", f"resliced{number}")


def average(numbers):
    """Stage 3."""
    call("softmean", "atlas.hdr", "y", "null", *(f"resliced{number}.img" for number in numbers))


def cut(axis):
    """Stage 4."""
    call("slicer", "atlas.hdr", f"-{axis}", ".5", f"atlas-{axis}.pgm")


def picture(axis):
    """Stage 5."""
    call("convert", f"atlas-{axis}.pgm", f"atlas-{axis}.gif")


def picture_in_two(axis):
    """Stage 5, as the seventh query has it."""
    call("pgmtoppm", "white", f"atlas-{axis}.pgm", f"atlas-{axis}.ppm")
    call("pnmtojpeg", f"atlas-{axis}.ppm", f"atlas-{axis}.jpg")


def main(folder, last_stage):
    """All five stages, in `folder`."""
    os.chdir(folder)
    for number in range(1, 5):
        align(number)
        reslice(number)
    average(range(1, 5))
    for axis in "xyz":
        cut(axis)
        last_stage(axis)


if __name__ == "__main__":
    main(sys.argv[1], picture_in_two if "--jpeg" in sys.argv[2:] else picture)
