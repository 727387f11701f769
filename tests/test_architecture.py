"""The house keeps its shape: arrows point one way, rooms stay small, importing Trilha stays light.

Source: "One direction" in docs/explanation/architecture.md. The imports are read with `ast`, those inside
functions and under TYPE_CHECKING included, so that an arrow that points back is found before it is followed.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "trilha"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAY_USE = {
    "errors": set(),
    "prov": {"errors"},
    "formats": {"errors", "prov"},
    # The journal asks the machine one thing: whether the process that wrote it still runs. And whoever
    # swallows an error asks whether it is one of the program's.
    "capture.journal": {"errors", "prov", "capture.machine", "capture.interrupts"},
    "capture.script": {"errors", "prov", "capture", "capture.journal"},
    "capture.integrations": {"errors", "prov", "capture", "capture.journal"},
    # What starts a recording loads the rest of capture.
    "capture": {"errors", "prov", "capture.journal", "capture.script", "capture.integrations"},
    "store": {"errors", "prov", "capture.journal"},
    "query": {"errors", "prov", "store", "trace"},
    # What a script did, read back from its journal, asked and stated as PROV.
    # Called as `trilha.trace(...)`, it is the decorator that capture has.
    "trace": {
        *("errors", "prov", "capture.journal", "capture.script.sites", "capture.script.decorated", "store"),
    },
    # Runs that other systems recorded become journals, in capture's words of learning.
    "importing": {
        *("errors", "prov", "formats", "capture.journal"),
        *("capture.learning.dataflow", "capture.learning.terms"),
    },
    # What stands at the end of the line may use everything before it.
    "artifact": {"errors", "prov", "formats", "store", "query"},
    # Says more of what is recorded: finds the thing, and writes a journal beside the run's.
    "annotating": {
        *("errors", "prov", "capture.journal", "capture.machine", "capture.annotating", "store", "query"),
    },
    # Asks while the program records: the one room that knows both.
    "asking": {"errors", "prov", "formats", "capture", "store", "query"},
    "ui": {"errors", "prov", "formats", "store", "query", "artifact"},
    "service": {"errors", "prov", "formats", "store", "query", "artifact", "ui"},
    "cli": {
        *("", "errors", "prov", "formats", "capture", "store", "query", "trace"),
        *("importing", "asking", "annotating", "artifact", "ui", "service"),
    },
    "__main__": {"cli"},
    # What a program says itself of its learning.
    "learning": {"capture"},
    # Data sets over files.
    "data": {"capture"},
    "database": {"capture"},
    "torch": {"capture"},
    "keras": {"capture", "capture.integrations"},
    "lightning": {"capture"},
    "transformers": {"capture"},
    "dask": {"capture", "capture.integrations"},
    "ray": {"capture", "capture.integrations"},
    "parsl": {"capture"},
    # The public names: some of them loaded only when asked for. The magic of notebooks is a command.
    "": {
        *("errors", "prov", "capture", "capture.script.decorated", "store", "formats", "asking"),
        *("cli.notebook", "trace"),
    },
}
"""Room -> the rooms that it may import; the empty name is the package's own `__init__`."""

HEAVY = {
    *("torch", "tensorflow", "keras", "numpy", "pandas", "sklearn", "prov"),  # frameworks
    *("starlette", "uvicorn", "http.server", "jinja2", "asyncio"),  # web
    *("sqlite3", "sqlalchemy", "psycopg"),  # databases
    *("click", "rich", "trilha.store", "trilha.query", "trilha.formats", "trilha.cli"),
    *("importlib.metadata", "email", "multiprocessing", "unittest"),
}

FORBIDDEN = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "tools", "stuff"}


def _id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _dotted(path: Path) -> str:
    """The module's name without the package's: `capture.journal.writer`, the empty name for `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(dotted: str) -> str:
    """The longest room that the module is in."""
    parts = dotted.split(".")
    return next((r for n in (2, 1) if (r := ".".join(parts[:n])) in MAY_USE), parts[0])


def _imports(path: Path, *, types: bool = True) -> Iterator[tuple[int, str]]:
    """Line and name (without `trilha.`) of every module of ours that this one imports, at any depth.

    Args:
        path: of the module.
        types: those too by which types are checked, and no more, and names in texts.
    """
    inside = ["trilha", *_dotted(path).split(".")] if path != PACKAGE / "__init__.py" else ["trilha"]
    package = inside if path.name == "__init__.py" else inside[:-1]
    tree = ast.parse(path.read_text("utf-8"))
    left_out = (
        set()
        if types
        else {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for statement in node.body
            for inner in ast.walk(statement)
        }
    )
    for node in ast.walk(tree):
        if node in left_out:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            names = [f"{origin}.{alias.name}" for alias in node.names]
        elif types and isinstance(node, ast.Constant) and isinstance(node.value, str):
            # import_module("trilha.store"), an entry point, a table of what is loaded late
            names = [node.value] if re.fullmatch(r"trilha(\.[a-z_]+)+", node.value) else []
        for name in names:
            if name == "trilha.__version__":  # every room may say which Trilha it is of
                continue
            if name == "trilha" or name.startswith("trilha."):
                yield node.lineno, _module(name)


def _module(name: str) -> str:
    """Cut the names that are no modules off: trilha.prov.Name is in `prov`."""
    parts = name.split(".")[1:]
    while parts:
        place = PACKAGE.joinpath(*parts)
        if place.is_dir() or place.with_suffix(".py").exists():
            break
        parts.pop()
    return ".".join(parts)


def _allowed(importer: str, imported: str) -> bool:
    room, other = _room(importer), _room(imported)
    if imported.startswith("capture.integrations.") and importer.startswith("capture.integrations."):
        return importer.split(".")[2] == imported.split(".")[2]
    return room == other or other in MAY_USE[room] or imported in MAY_USE[room]


def test_every_module_is_in_a_room() -> None:
    assert {_room(_dotted(path)) for path in MODULES} <= set(MAY_USE)


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_no_arrow_points_back(path: Path) -> None:
    importer = _dotted(path)
    back = [
        f"{_id(path)}:{line}: {importer or 'trilha'} must not know trilha.{name}"
        for line, name in _imports(path)
        if not _allowed(importer, name)
    ]
    assert not back, "\n".join(back)


KNOWN_CIRCLES = [
    # A document validates itself.
    {
        "prov.document",
        "prov.transforming",
        *(
            f"prov.constraints.{name}"
            for name in (
                *(
                    "chase",
                    "dictionaries",
                    "equivalence",
                    "folding",
                    "instance",
                    "merging",
                    "normal",
                    "ordering",
                ),
                *("overlap", "specialization", "typed", "validation"),
            )
        ),
        "prov.constraints",
    },
    # A command of its own for notebooks, which offers the others.
    {"", "cli.group", "cli.main", "cli.notebook"},
    # What a task calls is traced where it runs.
    {"capture.script.joined", "capture.script.tracked", "capture.script.workers"},
    *({f"capture.integrations.parsl.{name}" for name in ("followed", "kernel", "worker")},),
    # What the user hands over may be the public `run`.
    {"capture.annotating", "capture.api"},
    # A replay that meets a part goes on as the other kind.
    {"trace.partly", "trace.replay"},
]
"""Modules that need each other while they run; their imports inside functions close the circle."""


def test_no_more_modules_need_each_other() -> None:
    """With what is imported inside functions; without what only types are checked by."""
    graph = nx.DiGraph((_dotted(path), name) for path in MODULES for _, name in _imports(path, types=False))
    circles = [one for one in nx.strongly_connected_components(graph) if len(one) > 1]
    more = [sorted(one) for one in circles if not any(one <= known for known in KNOWN_CIRCLES)]
    assert not more, "\n".join(" ".join(one) for one in more)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("capture.recorder", "store.store", False),
        ("capture.recorder", "capture.journal.writer", True),
        ("prov.model", "errors", True),
        ("prov.model", "formats", False),
        ("formats.provn", "store", False),
        ("store.loading", "capture.journal", True),
        ("store.loading", "capture.recorder", False),
        ("query.lineage", "cli", False),
        ("importing.dlprov", "store", False),
        ("importing.dlprov", "capture.recorder", False),
        ("capture.integrations.torch", "capture.integrations.keras", False),
        ("capture.integrations.torch", "capture.steps", True),
        ("capture.script.calls", "capture.integrations", False),
        ("cli.run", "capture.launch", True),
    ],
)
def test_the_arrows_are_those_of_the_architecture(importer: str, imported: str, allowed: bool) -> None:
    assert _allowed(importer, imported) is allowed


def test_importing_trilha_imports_nothing_heavy() -> None:
    program = (
        "import sys; before = set(sys.modules); import trilha; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "trilha" in loaded
    assert not {name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(heavy + ".")}


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_a_module_has_at_most_600_lines(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= 600, f"{_id(path)} has {lines} lines: look for the two things it is"


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_a_name_says_what_is_inside(path: Path) -> None:
    assert not FORBIDDEN & set(_dotted(path).split(".")), f"{_id(path)}: name what it is about"


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_what_is_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    bare = [f"{_id(path)}:1: the module"] if not ast.get_docstring(tree) else []
    bare += [f"{_id(path)}:{node.lineno}: {node.name}" for node in _public(tree.body) if _is_bare(node)]
    assert not bare, "without a docstring:\n" + "\n".join(bare)


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _is_bare(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return not decorators & {"overload", "override", "setter", "deleter"} and not ast.get_docstring(node)


def _texts() -> Iterator[tuple[Path, str]]:
    """Every text file that is committed, by the folders that hold them (git may be missing)."""
    made = {"docs/_build", "examples/data", "examples/out"}
    tops = [p for p in ROOT.iterdir() if p.is_file() and p.name != ".git"]
    folders = ["src", "tests", "docs", "examples", "benchmarks", ".ci"]
    for path in [*tops, *(p for folder in folders for p in (ROOT / folder).rglob("*"))]:
        above = {parent.as_posix() for parent in path.relative_to(ROOT).parents}
        if path.is_file() and path.parent.name != "__pycache__" and not made & above:
            try:
                yield path, path.read_text("utf-8")
            except UnicodeDecodeError:
                continue


SWALLOWS = {"Exception", "OSError", "ValueError", "RuntimeError"}
BEFORE_OR_AFTER_THE_PROGRAM = {
    *("capture/children/sitecustomize.py", "capture/compiled.py"),
    *("capture/launch.py", "capture/launched.py", "capture/target.py"),
    # Read what is there already.
    *("capture/journal/keys.py", "capture/journal/reader.py", "capture/journal/scanning.py"),
    "capture/learning/dataflow.py",
    # Ends the run whatever happens, and looks itself; asks as others do.
    *("capture/session.py", "capture/interrupts.py"),
}


@pytest.mark.parametrize("path", sorted((PACKAGE / "capture").rglob("*.py")), ids=_id)
def test_whatever_swallows_an_error_asks_whether_it_is_one_of_the_programs(path: Path) -> None:
    """A time-out that a signal handler raises comes out of whatever runs: `trilha.capture.interrupts`."""
    if path.relative_to(PACKAGE).as_posix() in BEFORE_OR_AFTER_THE_PROGRAM:
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        place = f"{_id(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ExceptHandler) and _names_of(node.type) & SWALLOWS:
            asks = any(ast.unparse(one).endswith(("pass_on()", ".failed()")) for one in node.body[:2])
            raises = isinstance(last := node.body[-1], ast.Raise) and last.exc is None
            named = isinstance(last, ast.Raise) and ast.unparse(last) == f"raise {node.name}"
            assert asks or raises or named, f"{place}: call recorder.failed() or pass_on() first"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "contextlib.suppress":
            assert not _names_of(ast.Tuple(node.args)) & SWALLOWS, f"{place}: use Harmless"


def _names_of(kinds: ast.expr | None) -> set[str]:
    """The names of the kinds of errors that a handler names."""
    found = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds] if kinds is not None else []
    return {ast.unparse(kind) for kind in found}


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    # Written in two halves, so that this file does not hold what it looks for.
    hosts = ["pypi" + ".org", "python" + "hosted.org", "download." + "pytorch.org", "registry." + "npmjs"]
    places = ["/ro" + "ot/", "/wo" + "rk/", "/opt/" + "wheels", "file:///" + "opt"]
    here = [str(place) + "/" for place in (ROOT, Path.home()) if len(place.parts) > 2]
    marks = [*map(re.escape, hosts), *(rf"(?<![\w.]){re.escape(place)}" for place in (*places, *here))]
    wanted = re.compile("|".join(marks))
    found = [
        f"{_id(path)}:{number}: {match[0]}"
        for path, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := wanted.search(line))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=_id)
def test_the_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert not [target for target in targets if not (ROOT / target).exists()]
