"""What a script is to do, said before it does it: its functions are steps of its plan."""

from trilha.prov import Kind

T = "https://w3id.org/trilha/ns#"
P = "http://www.w3.org/ns/prov#"


def test_every_function_is_a_member_of_the_script_called_or_not(twice, store):
    source = "def load(path, *, kind='a'): return [path]\ndef never(data): return data\nprint(load('x'))\n"
    status, *_ = twice.recorded(twice.write("program.py", source))
    assert not status
    plans = {
        record.value(P + "label"): record
        for record in store.records(Kind.ENTITY)
        if any(str(value).endswith("#Plan") for key, value in record.attributes if key == P + "type")
    }
    members = {(record[2], record[3]) for record in store.records(Kind.MEMBERSHIP)}
    script = next(plan for label, plan in plans.items() if label.endswith(".py"))
    for name, inputs in (("__main__.load", ["path", "kind"]), ("__main__.never", ["data"])):
        assert (script.id, plans[name].id) in members
        assert [value for key, value in plans[name].attributes if key == T + "input"] == inputs
    followed = {record[4] for record in store.records(Kind.ASSOCIATION)}
    assert plans["__main__.load"].id in followed
    assert plans["__main__.never"].id not in followed
