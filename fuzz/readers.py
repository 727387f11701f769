"""Fuzz a reader, guided by coverage: ``python fuzz/readers.py provn --seconds 60``.

An input is any bytes. It is read or refused: with a `FormatError` whose message begins with file and place,
in bounded time and memory. What is read is written and read again, and says the same. Whatever else happens
is a find: it is kept in ``fuzz/finds/``, and the command ends with an exit status that is not 0. A find
that is mended goes, as small as it gets (``--minimise FILE``), to ``tests/corpus/<format>/``, from where a
test reads it for ever.

The engine is libFuzzer, by Atheris (``pip install atheris``). Seeds are the documents in ``tests/corpus/``,
and those of other tools where they lie beside the checkout; what was found to reach new code stays in
``fuzz/corpus/<format>/`` for the next time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

SUFFIXES = {
    "provn": [".provn"],
    "provjson": [".json"],
    "provxml": [".provx", ".xml"],
    "provjsonld": [".jsonld"],
    "turtle": [".ttl"],
    "trig": [".trig"],
    "nquads": [".nq"],
    "ntriples": [".nt"],
    "rdfxml": [".rdf"],
    "opmxml": [".opm.xml", ".opm"],
    "opmo": [".opmo.ttl"],
}
"""What seeds are called, by the module of their format."""
LONGEST = 4096
"""Bytes of an input. Longer seeds are left out."""
SLOWEST = 10
"""Seconds that one input may take."""
LARGEST = 2048
"""MB of memory that the process may take."""


def main() -> int:
    """Fuzz as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("format", help="a module of trilha.formats: " + ", ".join(SUFFIXES))
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: %(default)s)")
    parser.add_argument("--minimise", metavar="FILE", help="make this find as small as it gets, and end")
    parser.add_argument(
        "--across", metavar="FORMAT", nargs="*", default=[], help="take what is read through these, too"
    )
    parser.add_argument("--reader", action="store_true", help=argparse.SUPPRESS)
    given, engine = parser.parse_known_args()
    if given.reader:
        return run_reader(given.format, given.across, engine)
    finds = HERE / "finds"
    corpus = HERE / "corpus" / given.format
    for folder in (finds, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, given.format, "--across", *given.across, "--reader"]
    command += [f"-timeout={SLOWEST}"]
    command += [f"-rss_limit_mb={LARGEST}", f"-artifact_prefix={finds / given.format}-"]
    if given.minimise:
        least = f"-exact_artifact_path={finds / given.format}-small"
        command += ["-minimize_crash=1", f"-max_total_time={given.seconds}", least, given.minimise]
    else:
        command += [f"-max_total_time={given.seconds}", f"-max_len={LONGEST}", "-print_final_stats=1"]
        words = HERE / f"{given.format}.dict"
        command += [f"-dict={words}"] if words.exists() else []
        command += [str(corpus), *seeds(given.format)]
    return subprocess.run(command, check=False).returncode


def seeds(format: str) -> list[str]:
    """Folders of seeds: those of the tests, and one with the short documents of others."""
    folders = [ROOT / "tests" / "corpus" / format]
    there = HERE / "seeds" / format
    data = ROOT.parent / "shared" / "data" / "prov-interop"
    if data.is_dir() and not there.is_dir():
        there.mkdir(parents=True)
        for suffix in SUFFIXES.get(format, []):
            for number, path in enumerate(sorted(data.rglob("*" + suffix))):
                if path.stat().st_size <= LONGEST:
                    (there / f"{number}{suffix}").write_bytes(path.read_bytes())
        if not any(there.iterdir()):
            _translate(format, there, sorted(data.rglob("*.provn")))
    return [str(folder) for folder in (*folders, there) if folder.is_dir()]


def _translate(format: str, there: Path, paths: list[Path]) -> None:
    """Make seeds of a format of documents in PROV-N."""
    from trilha.errors import FormatError
    from trilha.formats import provn

    module = import_module(f"trilha.formats.{format}")
    for number, path in enumerate(paths):
        try:
            written = module.write(provn.read(path.read_bytes(), path.name))
        except FormatError:
            continue
        if len(written) <= LONGEST:
            (there / str(number)).write_bytes(written)


def run_reader(format: str, across: list[str], engine: list[str]) -> int:
    """Hand a reader to the engine, which calls it until it finds something."""
    try:
        import atheris
    except ImportError:
        print("the engine is not installed: pip install atheris", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["trilha.formats", "trilha.prov"]):
        module = import_module(f"trilha.formats.{format}")
        others = [import_module(f"trilha.formats.{other}") for other in across]
        import checking

        from trilha.errors import FormatError

    def one(data: bytes) -> None:
        checking.check(module, FormatError, data, others)

    atheris.Setup([sys.argv[0], *engine], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
