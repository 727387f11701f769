"""Runs texts traced, in this process, and gives their events; for the tests of the capture and the replay."""

import ast
import asyncio
import builtins
import contextlib
import gc
import io

from trilha.capture.script.cells import Space
from trilha.capture.script.chosen import Choice
from trilha.capture.script.hooking import hook_name
from trilha.capture.script.rewriting import silence
from trilha.capture.script.traced import traced
from trilha.capture.script.trail import Trail
from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Change, Evaluation, Gap, Kind, Role
from trilha.trace.replay import replay

_left = []
"""Texts that may have left generators: those are closed before another log begins, which has all hooks."""


class Traced:
    """What a text did.

    Attributes:
        events: that the replay states.
        components: by number.
        output: what the text printed.
        error: what it raised, if anything.
        names: its global names afterwards.
    """

    def __init__(self, text, make=Trail, words=(), marked=True, values=False, loops=""):
        if _left:
            _left.clear()
            gc.collect()
        if "yield" in text or "async" in text:
            _left.append(text)
        self.chunks = []
        trail = make(self.chunks.append)
        trail.install()
        tree = parsed(text)
        choice = Choice(words, values=values, loops=loops)
        trail.rounds = choice.rounds
        chosen = choice.of(["__main__", "script"], "script.py", tree)
        tree, count, heads = traced(tree, trail.base, trail.first, chosen)
        sites = chosen.sites(count) if chosen is not None and chosen.partly else None
        trail.module("script.py", text.encode(), count, heads, sites, marked=marked)
        if not marked:
            setattr(builtins, hook_name("outside"), lambda head, value=None: value)
        self.names = {"__name__": "__main__"}
        self.error = None
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                with silence():
                    code = compile(tree, "script.py", "exec")
                exec(code, self.names)
            except Exception as error:
                self.error = error
        trail.stop()
        self.output = out.getvalue()
        self._replay()

    def _replay(self):
        self.events, self.components = [], {}
        replay(self.chunks, self.events.append, lambda one: self.components.__setitem__(one.number, one))

    @property
    def evaluations(self):
        return {event.number: event for event in self.events if isinstance(event, Evaluation)}

    @property
    def gaps(self):
        return [event.why for event in self.events if isinstance(event, Gap)]

    @property
    def changes(self):
        return [(event.how, event.key) for event in self.events if isinstance(event, Change)]

    def kind(self, evaluation):
        return self.components[evaluation.component].kind

    def last(self, name):
        """The last evaluation that bound a name."""
        bound = [
            one for one in self.evaluations.values() if one.name == name and self.kind(one) is Kind.ASSIGN
        ]
        return bound[-1]

    def lines_of(self, name):
        """The lines that the last value of a name comes from, by all that it is computed from."""
        known = self.evaluations
        waiting, seen = [self.last(name)], set()
        while waiting:
            one = waiting.pop()
            if one.number in seen:
                continue
            seen.add(one.number)
            for source in one.sources:
                # A container is not what a part of it is made of.
                if source.evaluation in known and source.role not in (
                    Role.COLLECTION,
                    Role.FUNCTION,
                    Role.ITERABLE,
                ):
                    waiting.append(known[source.evaluation])
        return sorted({self.components[known[number].component].line for number in seen})


class TracedCells(Traced):
    """What texts did that were run one after the other with the same names.

    Attributes:
        errors: what each raised, if anything.
        names: their names afterwards.
    """

    def __init__(self, texts, make=Trail, between=None, loops="", values=False):
        """Run them; `between` gets the space, its names and the number of each that was run."""
        if _left:
            _left.clear()
            gc.collect()
        _left.append(texts)
        self.chunks, self.errors, self.names = [], [], {"__name__": "__main__"}
        trail = make(self.chunks.append)
        trail.install()
        choice = Choice([], values=values, loops=loops)
        trail.rounds = choice.rounds
        space, loop = Space(trail, self.names), asyncio.new_event_loop()
        out = io.StringIO()
        for at, text in enumerate(texts, 1):
            tree, path = ast.parse(text), f"In [{at}]"
            chosen = choice.of([path], path, tree)
            cell = space.cell(tree, text.encode(), path, chosen=chosen)
            cell.begin()
            error = None
            with contextlib.redirect_stdout(out):
                try:
                    for one in tree.body:  # As IPython does.
                        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                        waits = eval(compile(ast.Module([one], []), path, "exec", flags), self.names)
                        if waits is not None:
                            loop.run_until_complete(waits)
                except Exception as raised:
                    error = raised
            cell.end(error)
            self.errors.append(error)
            if between is not None:
                between(space, self.names, at)
        loop.close()
        trail.stop()
        self.output = out.getvalue()
        self._replay()
