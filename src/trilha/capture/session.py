"""The beginning and the end of a run in this process.

`start` makes a recorder, states what is known at once (who, where, with what), and has everything else follow: files
by the audit hook, packages by the background thread, libraries when they are imported. `finish` states how it
ended. Both are safe to call at any time and in any process.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import Any

from trilha.capture import context, files, imports, machine
from trilha.capture.context import Quiet
from trilha.capture.journal.writer import literal_name
from trilha.capture.recorder import Recorder, say

__all__ = ["default_store", "finish", "start"]

_STORE = ".trilha"


def default_store() -> str:
    """The store's folder: the environment's TRILHA_STORE, else ``.trilha`` in the working folder."""
    return os.path.abspath(os.environ.get("TRILHA_STORE") or _STORE)


def start(
    label: str,
    *,
    store: str = "",
    argv: list[str] | None = None,
    script: str = "",
    in_program: bool = True,
    attributes: tuple[Any, ...] = (),
) -> Recorder | None:
    """Begin a run and make it the process's own.

    Args:
        label: the run's name.
        store: folder of the store; `default_store` if empty.
        argv: the command as the user gave it, for people; this process's own by default.
        script: path of the script that is run, if one is.
        in_program: the program called us, so that modules imported before are not told apart from ours.
        attributes: of the run's activity, keys and values in turn.

    Returns:
        The recorder; None, with one warning, where nothing can be recorded.
    """
    at = time.time_ns()
    folder = os.path.abspath(store) if store else default_store()
    with Quiet():
        try:
            joined = os.environ.get("TRILHA_RUN", "")
            recorder = Recorder(
                folder,
                label,
                run=joined.partition(" ")[0],
                durability=os.environ.get("TRILHA_DURABILITY", ""),
                way=os.environ.get("TRILHA_JOURNAL", ""),
                in_program=in_program,
            )
        except Exception as error:
            reason = getattr(error, "strerror", None) or str(error)
            say(f"{folder}: this run is not recorded ({reason}); the program goes on. Choose another folder by TRILHA_STORE")
            return None
        try:
            _state_run(recorder, at, argv, script, attributes)
        except Exception:
            recorder.failed()
    _take_over(recorder)
    return recorder


def _take_over(recorder: Recorder) -> None:
    global _registered
    context.process.recorder = recorder
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
    files.watch()
    imports.watch(recorder)
    recorder.packages.later()


_registered = False


def _state_run(recorder: Recorder, at: int, argv: list[str] | None, script: str, attributes: tuple[Any, ...]) -> None:
    run = recorder.run.identifier
    words = argv if argv is not None else [sys.executable, *sys.argv]
    recorder.agent(
        *(recorder.person, "prov:type", literal_name("prov:Person"), "prov:label", recorder.login),
        *("trilha:host", machine.host()),
    )
    facts = ["prov:type", literal_name("trilha:Machine"), "prov:label", machine.host()]
    for name, value in machine.machine_facts().items():
        for one in value if isinstance(value, list) else [value]:
            facts += [f"trilha:{name}", one]
    recorder.entity(recorder.machine, *facts)
    about: list[Any] = ["prov:type", literal_name("trilha:Run"), "prov:label", recorder.run.label]
    about += ["trilha:command", _command(words), "trilha:cwd", files.path_text(os.getcwd()), "trilha:pid", os.getpid()]
    about += ["prov:location", literal_name(recorder.machine)]
    recorder.activity(run, at, None, *about, *attributes)
    plan = recorder.files.script(script, at) if script else None
    recorder.associated(run, plan)
    recorder.packages.interpreter()
    _state_commit(recorder, os.path.dirname(os.path.abspath(script)) if script else os.getcwd())


def _command(words: list[str]) -> str:
    import shlex

    return files.path_text(shlex.join(words))


def _state_commit(recorder: Recorder, folder: str) -> None:
    found = machine.commit(folder)
    if found is None:
        return
    iri = f"commit:{found['sha']}"
    about: list[Any] = ["prov:type", literal_name("trilha:Commit"), "prov:label", found["sha"][:12]]
    about += ["trilha:branch", found.get("branch", "")]
    if found["origin"]:
        about += ["trilha:origin", found["origin"]]
    recorder.entity(iri, *about)
    run = recorder.run.identifier
    recorder.used(run, iri, None, "trilha:dirty", found["dirty"])
    if found["dirty"]:
        diff = next(recorder.numbers)
        recorder.entity(
            *(diff, "prov:type", literal_name("trilha:Diff"), "prov:label", "changes since the commit"),
            *("prov:value", found["diff"], "trilha:cut", found["diff_cut"]),
        )
        recorder.derived(diff, iri)
        recorder.used(run, diff, None)


def finish(status: str = "finished", exit_status: int | None = None, exception: str = "") -> None:
    """End the run of this process, if there is one: write out what is known, then stop.

    Args:
        status: ``"finished"``, ``"failed"`` or ``"interrupted"``.
        exit_status: of the process, where it is known.
        exception: type and message of what ended it.
    """
    recorder = context.process.recorder
    if recorder is None:
        return
    at = time.time_ns()
    context.process.recorder = None
    with Quiet():
        try:
            imports.unwatch(recorder)
            recorder.files.finish()
            recorder.packages.look()
            recorder.settle()
            recorder.objects.clear()
            about: list[Any] = ["trilha:status", status]
            if exit_status is not None:
                about += ["trilha:exit_status", exit_status]
            if exception:
                about += ["trilha:exception", exception[:10_000]]
            if recorder.dropped:
                about += ["trilha:dropped", recorder.dropped]
            if recorder.is_first:
                recorder.activity(recorder.run.identifier, None, at, *about)
            dropped = recorder.dropped
            recorder.close()
            if dropped:
                say(f"{dropped} events of this run were not recorded")
        except Exception:
            recorder.failed()


def _at_exit() -> None:
    """The interpreter ends: say how, as far as the launcher or the interpreter noted it."""
    from trilha.capture.outcome import outcome

    finish(*outcome())


def _before_fork() -> None:
    if context.process.recorder is not None:
        context.process.recorder.before_fork()


def _in_parent() -> None:
    if context.process.recorder is not None:
        context.process.recorder.after_fork_in_parent()


def _in_child() -> None:
    context.own_threads.clear()
    if context.process.recorder is not None:
        context.process.recorder.after_fork_in_child()
