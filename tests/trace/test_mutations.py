"""What is outside of a slice does not matter: programs of every day, changed at one place at a time.

Each file of `everyday` is such a program; its first line says which of its values are asked for. Where a
change of the program changes a value, its slice (with places and guards) has to have one of the lines that
were changed; but for changes by which the program went another way, since what would have decided otherwise
is in no dynamic slice (Korel and Laski, 1988). The slice as a program has to have the statement also then,
unless what runs now had not run at all.
"""

import os
from pathlib import Path

import pytest
from tests.cli.commands import trilha
from tests.trace.mutants import SCRIPT, mutants, path_of, patient, run

from trilha.trace.asked import meant
from trilha.trace.indexes import traces
from trilha.trace.programs import _END, _Needed
from trilha.trace.slicing import backward

SCRIPTS = sorted(Path(__file__).with_name("everyday").glob("*.txt"))
FLOOR = 0.75
"""Of the lines of a program's slices that could be changed, so many matter at least; of all of them, 0.94."""


class Everyday:
    """A program that was recorded, and what each change of it came to.

    Attributes:
        names: of the values that are asked for.
        values: these, as texts.
        trace: of the program.
        printed: by the program as it is, and as it was recorded.
        changed: the lines that some mutant changes.
        changes: each mutant that ran to its end, and the names of the values that are others with it.
        failing: mutants that failed.
    """

    def __init__(self, path, folder, environment):
        text = path.read_text("utf-8")
        self.names = text.partition("\n")[0].removeprefix("# asks:").split()
        self.code = compile(patient(text), SCRIPT, "exec")
        found, out, error = run(self.code)
        assert error is None
        self.values = {name: repr(found[name]) for name in self.names}
        (folder / SCRIPT).write_text(text, "utf-8")
        self.printed = out, trilha(folder, "run", "--grain", "variable", SCRIPT, **environment)
        (journals,) = os.listdir(folder / ".trilha" / "journals")
        (self.trace,) = traces(str(folder / ".trilha"), journals)
        self.changed, self.changes, self.failing = set(), [], []
        for mutant in mutants(text):
            self.changed |= mutant.lines
            got, _, error = run(mutant.code)
            if error is not None:
                self.failing.append(mutant)
            elif others := {name for name in self.names if repr(got.get(name)) != self.values[name]}:
                self.changes.append((mutant, others))

    def lines(self, name, **how):
        one = meant([self.trace], name)
        told = backward(self.trace, one.evaluations, until=one.until, **how)
        return {line for _, line in told.lines()}

    def program(self, name):
        """The module of which a slice as a program keeps some statements."""
        one = meant([self.trace], name)
        needed = _Needed(self.trace)
        needed.grow(set(one.evaluations), _END if one.until is None else one.until)
        (module,) = needed.modules.values()
        return module

    def went_elsewhere(self, mutant):
        """Whether a mutant went another way, but for what was changed itself."""
        ways = [path_of(self.code), path_of(mutant.code)]
        here, there = (
            [one for one in way if one[1] not in mutant.lines or one[2] == "exception"] for way in ways
        )
        return here != there

    def ran_more(self, mutant):
        """Whether a mutant ran what had not run, or no more raised what had been raised."""
        here, there = set(path_of(self.code)), set(path_of(mutant.code))
        return bool(there - here) or any(one[2] == "exception" for one in here - there)


@pytest.fixture(scope="module", params=SCRIPTS, ids=lambda one: one.stem)
def everyday(request, tmp_path_factory, recorder_folder):
    before = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(recorder_folder), *([before] if before else [])])
    return Everyday(request.param, tmp_path_factory.mktemp("everyday"), {"PYTHONPATH": paths})


def test_a_program_of_every_day_prints_the_same_recorded_and_not(everyday):
    plain, recorded = everyday.printed
    assert recorded == plain
    assert not everyday.trace.gaps


def test_no_line_outside_of_a_slice_changes_the_value(everyday):
    missed = []
    for name in everyday.names:
        lines = everyday.lines(name, places=True, guards=True)
        missed += [
            (name, min(mutant.lines), mutant.what)
            for mutant, others in everyday.changes
            if name in others and not mutant.lines & lines and not everyday.went_elsewhere(mutant)
        ]
    assert not missed


def test_no_statement_outside_of_a_slice_as_a_program_changes_the_value(everyday):
    missed = []
    for name in everyday.names:
        kept = {(one.lineno, one.col_offset) for one in everyday.program(name).kept}
        missed += [
            (name, min(mutant.lines), mutant.what)
            for mutant, others in everyday.changes
            if name in others and mutant.statement not in kept and not everyday.ran_more(mutant)
        ]
    assert not missed


def test_a_slice_as_a_program_gives_the_value_without_the_others(everyday):
    for name in everyday.names:
        found, _, error = run(compile(everyday.program(name).text(), SCRIPT, "exec"))
        assert repr(found.get(name)) == everyday.values[name], error


def test_most_lines_of_a_slice_matter(everyday):
    failing = {line for mutant in everyday.failing for line in mutant.lines}
    could, matter = 0, 0
    for name in everyday.names:
        lines = everyday.lines(name, places=True, guards=True) & everyday.changed
        changing = {line for mutant, others in everyday.changes if name in others for line in mutant.lines}
        could += len(lines)
        matter += len(lines & (changing | failing))
    print(f"{matter} of {could} lines matter")
    assert matter >= FLOOR * could
