"""``trilha run --trace`` and its like, as a user gives them."""

import json
import subprocess
import sys

import pytest

SCRIPT = """\
import tools

class Net:
    def __init__(self, weight):
        self.weight = weight

    def forward(self, x):
        scaled = tools.scale(x)
        return scaled * self.weight

def main():
    total = 0
    for row in [1, 2, 3]:
        total += Net(row).forward(row)
    return total

print(main())
"""
TOOLS = "def scale(x):\n    factor = 2\n    return x * factor\n\ndef unused():\n    pass\n"


@pytest.fixture
def trilha(tmp_path):
    (tmp_path / "net.py").write_text(SCRIPT)
    (tmp_path / "tools.py").write_text(TOOLS)

    def run(*words, status=0):
        command = [sys.executable, "-c", "from trilha.cli import main; main()", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout, done.stderr

    return run


def lines(out):
    return [int(line.split()[0]) for line in out.splitlines()[3:] if line[:2].strip().isdigit()]


@pytest.mark.parametrize("grain", ["call", "variable"])
def test_modules_of_the_scripts_own_are_files_that_the_run_read_at_any_grain(grain, trilha):
    assert trilha("run", "--grain", grain, "net.py") == ("28\n", "")
    read = {row.split()[0] for row in trilha("show", "last")[0].partition("\nRead\n")[2].splitlines()}
    assert {"net.py", "tools.py"} <= read


def test_only_what_was_chosen_is_traced(trilha):
    assert trilha("run", "--trace", "net:Net", "net.py") == ("28\n", "")
    out, _ = trilha("slice", "scaled")
    assert {7, 8} <= set(lines(out)) <= {4, 5, 7, 8}
    assert "tools.py" not in out
    assert "no variable" in trilha("slice", "total", status=1)[1]


@pytest.mark.parametrize(
    ("imports", "name"), [("from tools import scale", "scale"), ("import tools", "tools.scale")]
)
def test_what_an_import_ran_is_not_taken_for_what_calls_a_function_next(imports, name, trilha, tmp_path):
    (tmp_path / "short.py").write_text(f"{imports}\nv = 3\nq = {name}(v)\n")
    trilha("run", "--trace", "short", "--trace", "tools:scale", "short.py")
    out, _ = trilha("slice", "q")
    assert "tools.py  3 of 6 lines" in out
    assert "Not traced" not in out
    assert "2  v = 3" in out


def test_modules_are_chosen_too(trilha):
    assert trilha("run", "--trace", "tools", "--trace", "net.py:Net.forward", "net.py")[0] == "28\n"
    out, _ = trilha("slice", "factor")
    assert "tools.py  1 of 6 lines" in out


def test_what_is_never_met_is_told(trilha):
    out, errors = trilha("run", "--trace", "net:main", "--trace", "tools:scales", "net.py")
    assert out == "28\n"
    assert errors.count("\n") == 1
    assert "--trace tools:scales: no module or function of this name was loaded" in errors
    assert "--trace tools:scales: no module" in trilha("slice", "total")[0]


def test_values_are_kept_on_request(trilha):
    assert trilha("run", "--values", "net.py") == ("28\n", "")
    out, _ = trilha("slice", "total")
    assert [line.split("  ")[-1].strip() for line in out.splitlines() if "total +=" in line] == ["total = 28"]
    told = json.loads(trilha("slice", "scaled", "--json")[0])["evaluations"]
    assert {"name": "scaled", "value": "6"}.items() <= told[-1].items()
    trilha("run", "--trace", "net:Net", "--values", "net.py")
    assert "scaled = 6" in trilha("slice", "scaled")[0]


def test_it_is_the_grain_variable(trilha):
    assert (
        "--trace: not together with --grain call"
        in trilha("run", "--grain", "call", "--trace", "net", "net.py", status=2)[1]
    )
    assert trilha("run", "--grain", "variable", "--trace", "net", "net.py") == ("28\n", "")


def test_only_the_first_rounds_of_loops_are_traced(trilha):
    assert trilha("run", "--loops", "2", "net.py") == ("28\n", "")
    out, _ = trilha("slice", "main()")
    assert "only some rounds of this loop are traced" in out
    told = json.loads(trilha("slice", "scaled", "--json")[0])
    assert [one["text"] for one in told["evaluations"]].count("scaled") == 1


def test_some_rounds_of_each_are_traced(trilha):
    assert trilha("run", "--loops", "1/2", "net.py") == ("28\n", "")
    assert "only some rounds of this loop are traced" in trilha("slice", "main()")[0]


@pytest.mark.parametrize("loops", ["0", "x", "-1", "1/", "/2", "2/2", "3/2", "1/2/3", "²"])
def test_what_is_no_number_of_rounds_is_told(trilha, loops):
    error = trilha("run", "--loops", loops, "net.py", status=2)[1]
    assert f"--loops: {loops}: expected" in error
