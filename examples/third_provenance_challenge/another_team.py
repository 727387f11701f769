"""The challenge's queries over the graphs that another team exported: VisTrails, in OPM XML 1.01.

    python another_team.py workflow_opm.xml

VisTrails tells of a table as one artifact, and of no rows. Its checks are parts of its steps and have no
process of their own: only one that fails is named, in the error of its step. Its times are whole seconds, all
the same. What a graph does not tell is answered by None.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from trilha.formats import opmxml
from trilha.prov.opm import Graph, Node

STEPS = "acct2"
"""The account that tells of the innermost steps."""
TABLES = ("P2FrameMeta", "P2ImageMeta", "P2Detection")


class Trace:
    """A run of the workflow as VisTrails tells it.

    Args:
        graph: as it was exported, or as it came back from PROV.
    """

    def __init__(self, graph: Graph) -> None:
        graph = graph.view(STEPS)
        self.processes = {one: _value(node) for one, node in graph.processes.items()}
        self.artifacts = {one: _value(node) for one, node in graph.artifacts.items()}
        self.used = [(one.effect, one.cause) for one in graph.edges("used")]
        self.maker = {one.effect: one.cause for one in graph.edges("wasGeneratedBy")}

    def name(self, process: str) -> str:
        """The module that a process is a run of."""
        return str(self.processes[process].get("moduleName"))

    def upstream(self, artifact: str) -> list[str]:
        """The artifacts and processes that led to an artifact, the nearest first.

        The graph has no derivations: what a process used is taken to have gone into all that it made.
        """
        found = [artifact]
        for one in found:
            causes = [cause for effect, cause in self.used if effect == one]
            causes += [self.maker[one]] if one in self.maker else []
            found += [cause for cause in causes if cause not in found]
        return found[1:]

    def tables(self) -> dict[str, str]:
        """The artifact of each table that was loaded, in their order."""
        found = {}
        for artifact, value in self.artifacts.items():
            for parameter in value:
                if parameter.get("val") in TABLES and artifact in self.maker:
                    found[str(parameter.get("val"))] = artifact
        return found

    def file(self, artifact: str) -> str:
        """The path of the file that an artifact is; empty if it is none."""
        for parameter in self.artifacts.get(artifact, ()):
            if str(parameter.get("type")).endswith(":File"):
                return str(parameter.get("val"))
        return ""


def _value(node: Node) -> ET.Element:
    """The XML that a node has for a value."""
    (value,) = [one.value for one in node.annotations if one.kind == "value"]
    return ET.fromstring(str(getattr(value, "value", value)))  # noqa: S314 -- our reader took it for safe


def core1(trace: Trace, table: str) -> list[str]:
    """The CSV files with data that contributed to a table. Of which of its rows, the graph does not tell."""
    files = map(trace.file, trace.upstream(trace.tables()[table]))
    return [path for path in files if path.endswith(".csv") and not path.endswith("csv_ready.csv")]


def core2(trace: Trace, table: str) -> bool | None:
    """Whether the range check was performed for a table: only of one that failed the graph tells."""
    halted = halt(trace)
    check = {"step": "IsMatchTableColumnRanges", "table": table}
    return True if halted == check else None


def core3(trace: Trace, table: str) -> list[str]:
    """Which steps were necessary for a table to contain what was loaded into it."""
    steps = [one for one in trace.upstream(trace.tables()[table]) if one in trace.processes]
    return [trace.name(one) for one in steps if trace.name(one) not in ("InputPort", "Split", "String")]


def halt(trace: Trace) -> dict[str, str] | None:
    """The check that halted the run (6), and its table; None if it was not halted."""
    for process, value in trace.processes.items():
        error = str(value.get("error"))
        if error.endswith(" failed") and value.get("completed") == "-1":
            seen = {cause for effect, cause in trace.used if effect == process}
            table = next((name for name, one in trace.tables().items() if one in seen), "")
            return {"step": error.removesuffix(" failed"), "table": table}
    return None


def optional1(trace: Trace) -> list[str]:
    """Which tables had been loaded, when the run was halted or had ended."""
    loaded = trace.tables().items()
    return [name for name, one in loaded if trace.processes[trace.maker[one]].get("completed") == "1"]


def optional7(trace: Trace) -> list[str]:
    """Which steps were completed (7 and 8), in the order in which they are listed."""
    return [trace.name(one) for one, value in trace.processes.items() if value.get("completed") == "1"]


def optional10(trace: Trace) -> dict[str, str]:
    """What the user put in: the settings of modules."""
    found = {}
    for artifact, value in trace.artifacts.items():
        if value.tag.endswith("function") and value.get("id") != "-1":
            found[artifact] = str(value[0].get("val"))
    return found


def optional11(trace: Trace) -> dict[str, list[str]]:
    """Which steps took what the user put in, or a string put together of it, and what that was."""
    given = optional10(trace)
    found: dict[str, list[str]] = {}
    for process, artifact in trace.used:
        if artifact in given:
            found.setdefault(trace.name(process), []).append(given[artifact])
    return found


def main(*paths: str) -> None:
    """Answer the queries that the graphs can answer."""
    for path in paths:
        trace = Trace(opmxml.graph(Path(path).read_bytes()))
        print(f"{path}: halted {halt(trace)}, loaded {optional1(trace)}")
        for table in trace.tables():
            print(f"  {table} from {core1(trace, table)} by {core3(trace, table)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
