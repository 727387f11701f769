"""Which versions of variables the cells of a notebook make and use."""

from trilha.prov import Kind

BEGIN = "import trilha; recording = trilha.autolog('notes')"


def edges(graph):
    """Usages and generations of variables: cell, name, and for a usage whether it is only possible."""
    used = [
        (graph.label(one[2]), graph.label(one[3]), bool(one.value("https://w3id.org/trilha/ns#possible")))
        for one in graph.of(Kind.USAGE)
        if is_variable(graph, one[3])
    ]
    made = [
        (graph.label(one[3]), graph.label(one[2]))
        for one in graph.of(Kind.GENERATION)
        if is_variable(graph, one[2])
    ]
    return used, made


def is_variable(graph, entity):
    return "https://w3id.org/trilha/ns#Variable" in graph.about[entity]["type"]


def flows(graph):
    """From cell to cell: who made what which other used, by name."""
    maker = {one[2]: graph.label(one[3]) for one in graph.of(Kind.GENERATION)}
    return {
        (maker.get(one[3]), graph.label(one[3]), graph.label(one[2]))
        for one in graph.of(Kind.USAGE)
        if is_variable(graph, one[3])
    }


def test_a_name_goes_from_the_execution_that_bound_it_to_those_that_look_it_up(cells):
    graph = cells(BEGIN, "x = 1", "y = x + 1", "x = 10", "z = x + y\nx")
    assert flows(graph) == {
        ("cell 2", "x", "cell 3"),
        ("cell 4", "x", "cell 5"),
        ("cell 3", "y", "cell 5"),
    }
    used, made = edges(graph)
    assert not any(possible for _, _, possible in used)
    assert sorted(made) == [
        *(("cell 1", "recording"), ("cell 1", "trilha"), ("cell 2", "x"), ("cell 3", "y"), ("cell 4", "x")),
        ("cell 5", "z"),
    ]
    values = [graph.about[one]["value"] for one in graph.all("x", "Variable")]
    assert values == [[1], [10]]


def test_a_change_of_an_object_is_a_new_version_of_all_names_that_it_has(cells):
    graph = cells(
        BEGIN,
        "import numpy as np\nthings = [1, 2]\nsame = things\narray = np.zeros(3)",
        "things.append(3)",
        "array[0] = 1",
        "total = sum(same) + array[0]",
    )
    assert ("cell 3", "same", "cell 5") in flows(graph)
    assert ("cell 4", "array", "cell 5") in flows(graph)
    assert ("cell 2", "things", "cell 3") in flows(graph)
    assert ("things", "things") in graph.derivations()
    assert ("array", "array") in graph.derivations()


def test_modules_of_others_and_functions_are_not_followed_into_but_classes_of_the_notebook_are(cells):
    graph = cells(
        BEGIN,
        "import types, math\ndef f(): pass\nclass C: pass",
        "math.new = 1\nf.new = 1\nC.new = 1",
        "math, f, C",
    )
    assert {("cell 2", name, "cell 4") for name in ("math", "f")} <= flows(graph)
    assert ("cell 3", "C", "cell 4") in flows(graph)
    assert "unknown_changes" not in graph.one("cell 3")


def test_what_functions_of_the_notebook_look_up_is_possible(cells):
    graph = cells(
        BEGIN,
        "factor = 2\nother = 1",
        "def scale(x):\n    return inner(x)\ndef inner(x):\n    return x * factor",
        "result = scale(3)",
        "class Model:\n    def fit(self):\n        return other",
        "model = Model()",
        "model.fit()",
    )
    used, _ = edges(graph)
    assert [one for one in used if one[0] in ("cell 3", "cell 5")] == []
    assert [one for one in used if one[0] == "cell 4"] == [
        *(("cell 4", "factor", True), ("cell 4", "inner", True), ("cell 4", "scale", False)),
    ]
    assert ("cell 7", "other", True) in used
    assert ("cell 7", "model", False) in used


def test_what_a_function_binds_and_what_exec_does_is_seen(cells):
    graph = cells(
        BEGIN,
        "count = 0\ndef up():\n    global count, new\n    count = count + 1\n    new = 'n'",
        "up()",
        "exec('hidden = count')",
        "hidden",
    )
    _, made = edges(graph)
    assert ("cell 3", "count") in made
    assert ("cell 3", "new") in made
    assert ("cell 4", "hidden") in made
    assert graph.one("cell 4")["unknown_reads"] == ["exec"]


def test_an_error_leaves_what_was_done_until_then(cells):
    graph = cells(BEGIN, "a = 1\nb = 2", "c = a\nd = b / 0\ne = a", "f(a", "e")
    used, made = edges(graph)
    assert used == [("cell 3", "a", False), ("cell 3", "b", True)]
    assert [name for cell, name in made if cell == "cell 3"] == ["c"]


def test_a_deleted_name_has_an_end_and_its_successor_is_another(cells):
    graph = cells(BEGIN, "x = 1", "del x", "x = 2", "y = x")
    assert [(graph.label(one[2]), graph.label(one[3])) for one in graph.of(Kind.INVALIDATION)] == [
        ("x", "cell 3")
    ]
    assert ("cell 4", "x", "cell 5") in flows(graph)


def test_results_are_followed_where_they_are_used(cells):
    graph = cells(BEGIN, "6 * 7", "answer = _ + 1", "again = _2", "8")
    assert {("cell 2", "_", "cell 3"), ("cell 2", "_2", "cell 4")} <= flows(graph)
    assert len(graph.all("_", "Variable")) == 2  # The one that was used, and what made that stale.
    assert graph.all("_5") == []


def test_what_was_there_before_or_changes_between_cells_has_no_maker(cells):
    graph = cells(
        "early = 1",
        BEGIN,
        "late = [early]",
        "late.append(2)",
        "total = sum(late)",
        directly=3,
    )
    # The text that was run without a cell took no number.
    assert flows(graph) == {(None, "early", "cell 3"), (None, "late", "cell 4")}
    assert ("late", "late") in graph.derivations()


def test_binding_the_same_value_again_is_a_binding(cells):
    graph = cells(BEGIN, "x = 1", "x = 1", "if True:\n    x = 1", "y = x")
    assert ("cell 3", "x", "cell 5") in flows(graph)


def test_nested_cells_and_magics_are_followed(cells):
    graph = cells(BEGIN, "x = 1", "%%capture\ny = x", "%time z = y", "w = z")
    assert ("cell", "y", "cell 4") in flows(graph)
    assert ("cell 2", "x", "cell") in flows(graph)
    assert ("cell 4", "z", "cell 5") in flows(graph)


def test_objects_that_lie_and_objects_that_cannot_be_followed_are_harmless(cells):
    graph = cells(
        BEGIN,
        "class Odd:\n    __slots__ = ()\n    def __eq__(self, other): 1 / 0\n    __hash__ = None\n"
        "    def __repr__(self): 1 / 0\n    def __bool__(self): 1 / 0\nodd = Odd()\nsteps = iter([1, 2])",
        "same = odd\nnext(steps)",
        "globals()['odd name'] = 1\nglobals()[3] = 4",
        "x = 1",
    )
    assert ("cell 2", "odd", "cell 3") in flows(graph)
    assert set(graph.one("cell 3")["unknown_changes"]) == {"odd", "steps"}
    assert graph.dropped == 0


def test_texts_are_not_told_but_their_length(cells):
    graph = cells(BEGIN, "name = ''.join(['se', 'cret'])", "same = name")
    about = graph.one("name", "Variable")
    assert about["length"] == [6]
    assert "value" not in about


def test_objects_are_not_kept_alive(cells):
    cells(
        BEGIN,
        "import gc, weakref\nclass Big: pass\nbig = Big()\nnote = weakref.ref(big)",
        "isinstance(big, Big)",
        "del big\nnumber = gc.collect()",
        "print(note())",
    )
    assert cells.output.stdout.splitlines()[-1] == "None"


def test_variables_hold_the_things_that_are_known(cells):
    graph = cells(
        BEGIN,
        "@trilha.step\ndef load():\n    return [3, 4]\nnumbers = load()",
        "with open('out', 'w') as file:\n    file.write(str(sum(numbers)))",
    )
    made = [(graph.label(one[2]), graph.label(one[3])) for one in graph.of(Kind.DERIVATION)]
    assert any(name == "numbers" for name, _ in made)
