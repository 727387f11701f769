"""How things are told in a line."""


def test_arguments_have_the_names_that_the_program_gave_them(run, writing):
    w = writing("one")
    w.begin("one")
    call = w.step("load", None, "trilha:arg.i%5B0%5D", 3, "trilha:arg.größe", 1)
    w.makes(call, w.met_file("/data/out.bin", "out"))
    w.end()
    w.close()
    status, told, _ = run("lineage", "out.bin")
    assert status == 0
    assert "i[0]=3, größe=1" in told


def test_what_a_thing_is_is_not_said_again_where_its_name_says_so(run, writing):
    w = writing("one")
    w.begin("one")
    step = w.step("train")
    for label in ("data loader", "pictures"):
        loader = w.entity(label, "trilha:length", 48, type="trilha:DataLoader")
        w.uses(step, loader)
    w.makes(step, w.met_file("/data/out.bin", "out"))
    w.end()
    w.close()
    told = run("lineage", "out.bin")[1]
    assert "pictures  data loader" in told
    assert "data loader  data loader" not in told
    assert told.count("data loader") == 2
