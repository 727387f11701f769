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
