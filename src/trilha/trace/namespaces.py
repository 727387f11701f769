"""Names and attributes that are bound by way of a dict, or by text: `globals()`, `vars(x)`, `exec`, `eval`.

The dict of a module's names, or of an object's attributes, is another way to the same names. Text that runs
is not traced itself: what it binds comes from the names that it uses, and what these name may be changed.
A module that is loaded anew has the names that it had (`importlib.reload`).

Source: Python Library Reference, "Built-in Functions".
"""

from __future__ import annotations

from typing import Any, Final

from trilha.capture.script.sites import RUN_BY_SHELL
from trilha.trace import log as words
from trilha.trace.evaluations import How, Role, Source
from trilha.trace.frames import Frames
from trilha.trace.heap import CLASS, FUNCTION, MODULE, Ref, Thing, Value, number_of, thing_of
from trilha.trace.waiting import Call

__all__ = ["RUNS", "Namespaces"]

RUNS: Final = frozenset(["exec", "eval", *RUN_BY_SHELL])
"""Functions that run text."""


class Namespaces(Frames):
    """What is known of namespaces; a part of `trilha.trace.replay.Replay`."""

    _reloads = False

    def note_joined(self, what: int) -> None:
        """A record of a module's names, or another one that joins the trace to something else."""
        if what == words.RELOADS:
            self._reloads = True
        elif what == words.REBINDS:
            path, *names = self._log.text().decode("utf-8", "surrogatepass").split("\0")
            for one in self._modules:
                for name in names if one[2].path == path else ():
                    one[3].pop(name, None)
        else:
            super().note_joined(what)

    def namespace_of(self, place: int, path: str) -> dict[str, Any]:
        """The names of the module for which a number stands: those it had, where it is loaded anew."""
        reloads, self._reloads = self._reloads, False
        had = [one[3] for one in self._modules if one[2].path == path] if reloads else []
        return had[-1] if had else super().namespace_of(place, path)

    def _names_at(self, at: int) -> dict[str, Value]:
        module = self._module_of(at)
        return module[3] if module is not None else {}

    def names_of(self, path: str) -> dict[str, Value] | None:
        """The names of the module whose file has this path, without suffix; None if none is known of it."""
        ends = (f"/{path.lstrip('/')}.py", f"/{path.lstrip('/')}/__init__.py")
        found = {id(one[3]): one[3] for one in self._modules if f"/{one[2].path}".endswith(ends)}
        return next(iter(found.values())) if len(found) == 1 else self._outside.get(path)

    def module_of(self, path: str) -> Value:
        """A module as the container of its names."""
        names = self.names_of(path)
        if names is None:
            held = self.part_of(path)
            if thing_of(held) is not None:
                return held
            names = self._outside[path] = {}
        thing = self._new_thing(MODULE)
        thing.over = ("names", names)
        return Ref(0, thing)

    def part_of(self, path: str) -> Value:
        """What a module has, or an object that it has, by its path and the names; None if not known."""
        above, _, name = path.rpartition("/")
        if not above:
            return None
        names = self.names_of(above)
        if names is not None and name in names:
            return names[name]
        thing = thing_of(self.part_of(above))
        return thing.member(f".{name}") if thing is not None else None

    def namespace(self, at: int, name: str, call: Call, made: Thing | None) -> bool:
        """Whether a call gave a namespace; it is one from here on."""
        if made is None or call.method is not None:
            return False
        if name == "globals":
            made.over = ("names", self._names_at(at))
            return True
        if name == "vars" and call.arguments:
            thing = thing_of(call.arguments[0][1])
            made.over = ("attributes", thing) if thing is not None else made.over
            return True
        return False

    def put_name(self, by: int, thing: Thing, key: str | None, value: Value) -> None:
        """Bind what a store into a namespace binds, if the thing is one."""
        over = thing.over
        if not isinstance(over, tuple) or over[0] not in ("names", "attributes"):
            return
        if key is not None and key[:1] == "." and over[0] == "attributes":
            return
        name = str(key)[1:-1] if key is not None and key[:1] in "'\"" else None
        name = str(key)[1:] if key is not None and key[:1] == "." else name
        if over[0] == "names":
            if name is None:
                over[1].clear()
            else:
                over[1][name] = value
        elif name is None:
            over[1].parts.clear()
            self.change(by, over[1], How.PUT, None, value)
        else:
            over[1].put(f".{name}", value)
            self.change(by, over[1], How.PUT, f".{name}", value)

    def ran(self, at: int, value: Value) -> tuple[Any, tuple[Value, ...]]:
        """What is given to ``exec`` or ``eval``, with the names that it binds and uses; None if not known."""
        self._expect(words.RAN, at)
        number = self._log.number
        names = []
        count = number()
        if count:
            names.append([self._named() for _ in range(count - 1)])
            names.append([self._named() for _ in range(number() - 1)])
        self._advance()
        return names or None, (value,)

    def _named(self) -> str:
        return str(self._key_words())[1:-1]

    def run_text(self, at: int, name: str, call: Call, names: Any) -> list[Source]:
        """State what text that ran did; gives what it came from besides the text."""
        self.era[0] += 1
        given = [thing_of(one) for _, one in call.arguments[1:]]
        spaces = [one for one in given if one is not None]
        for space in spaces:
            space.forget()
            self.change(call.number, space, How.PUT, None, call.number)
        if spaces:
            return []
        known = self._names_at(at)
        if names is None:
            self.gap(at, f"names bound by {name} are unknown: what it ran is not text")
            known.clear()
            return []
        self.gap(at, f"what {name} runs is followed only by the names that it binds and uses")
        bound, used = names
        sources = []
        for one in used:
            value = known.get(one)
            thing = thing_of(value)
            if number_of(value):
                sources.append(Source(number_of(value), Role.OPERAND, one))
            if thing is not None and thing.kind not in (FUNCTION, CLASS):
                thing.forget()
                self.change(call.number, thing, How.PUT, None, call.number)
        for one in bound:
            known[one] = call.number
        return sources
