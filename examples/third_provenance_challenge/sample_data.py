"""Write sample data in the formats of the Third Provenance Challenge.

The challenge's own data is not at hand. The formats, the names of files and columns and the identifiers of
the detections that its queries ask for are the challenge's; the values are made up, by a generator of numbers
that starts from the name of the job.

    python sample_data.py SampleData            # a folder for each of the jobs J062941 to J062945
    python sample_data.py SampleData --job J062941 --spoil range

``--spoil`` makes a check of the workflow fail: ``ready`` leaves csv_ready.csv out, ``list`` one of its lines,
``missing`` one of the files, ``header`` gives a column another name, ``range`` a detection a declination that
is none, ``count`` one row more to a file than csv_ready.csv says, ``checksum`` another checksum.
"""

import argparse
import csv
import hashlib
import random
from pathlib import Path

from schema import MISSING, TABLES

JOBS = ("J062941", "J062942", "J062943", "J062944", "J062945")
KNOWN = (261887437030025144, 261887437030025141, 261887481030000003)
"""Detections that the challenge's first query, and the answers of two teams, name. Those of the other jobs
have other identifiers."""
SPOILT = ("ready", "list", "missing", "header", "range", "count", "checksum")
DETECTIONS = 12
IMAGES = 2


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--job", action="append", choices=JOBS)
    parser.add_argument("--spoil", choices=SPOILT)
    arguments = parser.parse_args()
    for job in arguments.job or JOBS:
        write(arguments.folder / job, job, arguments.spoil)


def write(folder: Path, job: str, spoil: str | None = None) -> None:
    """Write the files of one job.

    Args:
        folder: to write into; made if there is none.
        job: its identifier.
        spoil: which check is to fail; None for none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready = []
    for table, rows in made_up(job, spoil).items():
        name = f"P2_{job}_B001_P2fits0_20081115_{table}.csv"
        columns = list(TABLES[table].columns)
        with (folder / name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        if spoil == "header" and table == "P2ImageMeta":
            columns[5] = "bios"
        (folder / f"{name}.hdr").write_text(",".join(columns) + "\n")
        checksum = hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()
        if spoil == "checksum" and table == "P2Detection":
            checksum = hashlib.md5(b"another", usedforsecurity=False).hexdigest()
        count = len(rows) - (spoil == "count" and table == "P2ImageMeta")
        ready.append((name, count, table, checksum))
    if spoil == "missing":
        (folder / ready[-1][0]).unlink()
    if spoil == "list":
        del ready[1]
    if spoil != "ready":
        with (folder / "csv_ready.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(ready)


def made_up(job: str, spoil: str | None = None) -> dict[str, list[list[object]]]:
    """The rows of each table."""
    numbers = random.Random(job)
    day = int(job[1:])
    frame = day * 1000
    images = [frame + 10 * (n + 1) for n in range(IMAGES)]
    rows = {"P2FrameMeta": [_row("P2FrameMeta", numbers, frameID=frame, nP2Images=IMAGES)]}
    rows["P2ImageMeta"] = [
        _row("P2ImageMeta", numbers, imageID=image, frameID=frame, ccdID=n, nDetect=DETECTIONS // IMAGES)
        for n, image in enumerate(images)
    ]
    first = 261887437030025139 if job == JOBS[0] else day * 10**13
    names = [first + n for n in range(DETECTIONS)]
    if job == JOBS[0]:
        names[-1] = KNOWN[2]
    rows["P2Detection"] = [
        _row(
            "P2Detection",
            numbers,
            objID=day * 10**9 + n,
            detectID=name,
            imageID=images[n * IMAGES // DETECTIONS],
            ra=round(numbers.uniform(0, 360), 6),
            dec=round(numbers.uniform(-90, 90), 6),
            raErr=MISSING if n == 1 else 0.1,
            decErr=0.1,
            assocDate=28881231,
            **dict.fromkeys(TABLES["P2Detection"].computed, MISSING),
        )
        for n, name in enumerate(names)
    ]
    if spoil == "range":
        place = TABLES["P2Detection"].columns.index("dec")
        rows["P2Detection"][3][place] = 123.4
    return rows


def _row(table: str, numbers: random.Random, **known: object) -> list[object]:
    return [known.get(column, round(numbers.random(), 4)) for column in TABLES[table].columns]


if __name__ == "__main__":
    main()
