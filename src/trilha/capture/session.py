"""The beginning and the end of a run in this process.

`start` makes a recorder, states what is known at once (who, where, with what), and has everything else
follow: files by the audit hook, packages by the background thread, libraries when they are imported. `finish`
states how it ended. Both are safe to call at any time and in any process. `join` is for a process that a
recorded one started: it adds to the run of that one.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from trilha.capture import (
    cluster,
    context,
    environment,
    extensions,
    files,
    forking,
    imports,
    joining,
    leaving,
    machine,
)
from trilha.capture.context import Quiet
from trilha.capture.interrupts import of_a_signal_handler, pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.outcome import outcome
from trilha.capture.places import command_text, path_text, working_folder
from trilha.capture.recorder import Recorder, durability_of, say
from trilha.errors import JournalError, UsageError
from trilha.prov import Kind

__all__ = ["default_store", "finish", "invite", "join", "start"]

_STORE = ".trilha"
_WORKER_HASH_S = 0.5
"""For so long, at the end of a worker, files are hashed that have not been. PyTorch waits 5 s for one."""


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
    context.process.invited = False
    with Quiet():
        commit = _asked_commit(script)
        recorder = _recorder(
            os.path.abspath(store) if store else default_store(), label, in_program=in_program
        )
        if recorder is None:
            commit()
            return None
        try:
            _state_run(recorder, at, argv, script, attributes)
        except Exception:
            recorder.failed()
        try:
            _state_commit(recorder, commit())
        except Exception:
            recorder.failed()
    _take_over(recorder)
    return recorder


def join(*, in_program: bool = True) -> Recorder | None:
    """Join the run of the process that started this one, as the environment says.

    Args:
        in_program: the program called us; else it has not begun.

    Returns:
        The recorder; None where no run invites, or where it cannot be joined (with one warning).
    """
    context.process.invited = False
    if context.process.recorder is not None:
        return context.process.recorder
    asked = joining.invitation() if joining.invites() else None
    if asked is None:
        return None
    with Quiet():
        within = f"urn:uuid:{asked.run}#{asked.activity}"
        how = {"run": asked.run, "parent": asked.journal, "within": within, "in_program": in_program}
        recorder = _recorder(default_store(), "run", **how)
        if recorder is None:
            return None
        try:
            if _is_elsewhere(recorder, asked.journal):
                _state_place(recorder)
            joining.state_process(recorder, asked)
        except Exception:
            recorder.failed()
    _take_over(recorder)
    return recorder


def _is_elsewhere(recorder: Recorder, journal: str) -> bool:
    """Whether nobody has said where this process is, as that of `journal` was on another machine."""
    from trilha.capture.journal import read

    try:
        head = read(os.path.join(recorder.journals, f"{journal}.journal")).head
    except (OSError, JournalError):
        pass_on()
        return True
    return head.machine != recorder.machine


def _recorder(folder: str, label: str, **how: Any) -> Recorder | None:
    """A recorder as the environment wants it; None, and one warning, where none can be made."""
    durability, way = os.environ.get("TRILHA_DURABILITY", ""), os.environ.get("TRILHA_JOURNAL", "")
    try:
        durability_of(durability)
    except UsageError as error:
        say(f"TRILHA_DURABILITY: {error}; this run is recorded with the default")
        durability = ""
    if way not in ("", "mapped", "grouped"):
        say(f'TRILHA_JOURNAL: {way!r}: expected "mapped" or "grouped"; this run is recorded with the default')
        way = ""
    try:
        return Recorder(folder, label, durability=durability, way=way, **how)
    except Exception as error:
        pass_on()
        why = getattr(error, "strerror", None) or str(error)
        say(
            f"{folder}: this run is not recorded ({why}); the program goes on."
            " Choose another folder by TRILHA_STORE"
        )
        return None


def _take_over(recorder: Recorder) -> None:
    global _registered
    context.process.recorder = recorder
    decorated = sys.modules.get("trilha.capture.script.decorated")
    if decorated is not None:
        decorated.begin(recorder)
    context.process.invited = False
    invite(recorder)
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
    if not recorder.is_first:
        _finish_with_multiprocessing()
    files.watch(recorder.files.modules)
    leaving.begin(recorder, _at_once)
    imports.watch(recorder)
    extensions.complain(recorder)
    recorder.packages.later()


_registered = False
_invitation: dict[str, tuple[str, str | None]] = {}
"""What `invite` set in the environment, and what was there before, by name of the variable."""


def invite(recorder: Recorder) -> None:
    """Have the processes that this one starts join the run."""
    if not joining.invites():
        return
    for name, value in joining.variables(recorder).items():
        before = os.environ.get(name)
        if before != value:
            ours, first = _invitation.get(name, (None, None))
            _invitation[name] = value, first if before is not None and before == ours else before
            os.environ[name] = value


def _uninvite() -> None:
    """Leave the environment as it was, where it still is as we made it."""
    while _invitation:
        name, (ours, before) = _invitation.popitem()
        if os.environ.get(name) != ours:
            continue
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _state_place(recorder: Recorder) -> None:
    """State who runs this, and on which machine."""
    recorder.agent(
        *(recorder.person, "prov:type", literal_name("prov:Person"), "prov:label", recorder.login),
        *("trilha:host", machine.host()),
    )
    facts = ["prov:type", literal_name("trilha:Machine"), "prov:label", machine.host()]
    for name, value in machine.machine_facts().items():
        for one in value if isinstance(value, list) else [value]:
            facts += [f"trilha:{name}", one]
    recorder.entity(recorder.machine, *facts)


def _state_run(
    recorder: Recorder, at: int, argv: list[str] | None, script: str, attributes: tuple[Any, ...]
) -> None:
    run = recorder.run.identifier
    words = argv if argv is not None else [sys.executable, *sys.argv]
    _state_place(recorder)
    about: list[Any] = ["prov:type", literal_name("trilha:Run"), "prov:label", recorder.run.label]
    about += ["trilha:command", command_text(words), "trilha:cwd", path_text(working_folder())]
    about += ["trilha:pid", os.getpid()]
    about += ["prov:location", literal_name(recorder.machine)]
    for name, value in cluster.job_facts().items():
        about += [f"trilha:{name}", value]
    about += cluster.state_campaign(recorder)
    about += environment.facts()
    recorder.activity(run, at, None, *about, *attributes)
    plan = recorder.files.script(script, at) if script else None
    recorder.associated(run, plan)
    recorder.packages.interpreter()


def _asked_commit(script: str) -> Callable[[], dict[str, Any] | None]:
    """Git at work beside us on the commit of the script's folder, or of the working folder."""
    try:
        return machine.ask_commit(os.path.dirname(os.path.abspath(script)) if script else working_folder())
    except Exception:
        pass_on()
        return lambda: None  # the working folder is gone


def _state_commit(recorder: Recorder, found: dict[str, Any] | None) -> None:
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


def finish(
    status: str = "finished", exit_status: int | None = None, exception: str = "", *, hurried: bool = False
) -> None:
    """End the run of this process, if there is one: write out what is known, then stop.

    Args:
        status: ``"finished"``, ``"failed"`` or ``"interrupted"``.
        exit_status: of the process, where it is known.
        exception: type and message of what ended it.
        hurried: somebody waits for the process to be gone, so that little more is hashed.
    """
    recorder = context.process.recorder
    if recorder is None:
        return
    at = time.time_ns()
    interrupted: BaseException | None = None
    works = iter(
        (
            _uninvite,
            *reversed(recorder.endings),
            lambda: imports.unwatch(recorder),
            lambda: _finish_soon(recorder) if hurried or not recorder.own else recorder.files.finish(),
            recorder.packages.finish,
            recorder.settle,
            recorder.objects.clear,
            forking.speak,
        )
    )
    with Quiet():
        while interrupted is None:
            try:
                context.process.recorder = None
                for work in works:
                    work()
                break
            except BaseException as error:
                if isinstance(error, Exception) and not of_a_signal_handler(error.__traceback__):
                    recorder.count_failure()
                    continue
                # Ctrl-C or a time-out while files are hashed: the end is stated all the same.
                interrupted = error
                recorder.worker.give_up()
        try:
            _state_end(recorder, at, status, exit_status, exception)
        except Exception as error:
            recorder.lost += 1
            if of_a_signal_handler(error.__traceback__):
                interrupted = error
    if interrupted is not None:
        raise interrupted


def _finish_soon(recorder: Recorder) -> None:
    """As for every process, but that somebody waits for it to end, unless the user gives it time."""
    recorder.files.finish()
    if not os.environ.get("TRILHA_HASH_SECONDS"):
        recorder.files.hash_until = min(recorder.files.hash_until, time.monotonic() + _WORKER_HASH_S)


def _state_end(recorder: Recorder, at: int, status: str, exit_status: int | None, exception: str) -> None:
    """State how the run ended, close the journal, and tell the user what is missing."""
    gone = recorder.file.gone()
    text = ["trilha:exception", exception[:10_000]] if exception else []
    for identifier in reversed(recorder.own):
        # How a process that joined ended is known only where an exception ended it.
        is_last = identifier == recorder.own[0]
        is_run = is_last and recorder.is_first
        about: list[Any] = ["trilha:status", status] if is_run or exception else []
        if exit_status is not None and is_run:
            about += ["trilha:exit_status", exit_status]
        if recorder.dropped and is_last:
            about += ["trilha:dropped", recorder.dropped]
            about += ["trilha:dropped_first", recorder.first_error] if recorder.first_error else []
        cells = int(Kind.ACTIVITY), identifier, None, at
        if not is_last:
            recorder.statement((*cells, (*about, *text)))
        elif not recorder.last_statement((*cells, (*about, *text))):
            recorder.last_statement((*cells, (*about, *text[:1], *(part[:500] for part in text[1:]))))
    recorder.close()
    if gone:
        say(f"{recorder.journals}: the journal was deleted while the program ran; this run is not recorded")
    elif recorder.dropped:
        first = f" (the first: {recorder.first_error})" if recorder.first_error else ""
        events = (
            "1 event of this run was"
            if recorder.dropped == 1
            else f"{recorder.dropped} events of this run were"
        )
        say(f"{events} not recorded{first}")


def _at_exit() -> None:
    """The interpreter ends: say how, as far as the launcher or the interpreter noted it."""
    try:
        finish(*outcome())
    except KeyboardInterrupt:
        pass  # the program had ended already
    except Exception:  # noqa: S110 -- built-in functions are gone, or raise: the end of the run is not known
        pass


def _at_once(code: int) -> None:
    """The program ends this process by `os._exit`."""
    recorder = context.process.recorder
    if recorder is not None and recorder.is_silent():
        return
    finish("failed" if code & 0xFF else "finished", code & 0xFF, hurried=True)


def _before_fork() -> None:
    recorder = context.process.recorder
    if recorder is not None:
        try:
            recorder.before_fork()
            threads = recorder.worker.lingering(), recorder.flusher.lingering()
            forking.hush([one for one in threads if one])
        except Exception:
            recorder.lost += 1


def _in_parent() -> None:
    if sys.version_info < (3, 13):
        forking.speak()  # Python 3.13 warns after this.
    recorder = context.process.recorder
    if recorder is not None:
        try:
            recorder.after_fork_in_parent()
        except Exception:
            recorder.lost += 1


def _in_child() -> None:
    context.own_threads.clear()
    forking.speak()
    recorder = context.process.recorder
    if recorder is not None:
        try:
            recorder.after_fork_in_child()
            if not joining.invites():
                context.process.recorder = None
                return
            joining.forked(recorder)
            imports.forked(recorder)
            _finish_with_multiprocessing()
        except Exception:
            recorder.lost += 1


def _finish_with_multiprocessing() -> None:
    """Have `finish` called in a child of `multiprocessing`, which ends without the interpreter's own end."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:

        def later(_: object = None) -> None:
            util.Finalize(None, _at_exit, exitpriority=-1000)

        later()
        # A forked child clears what it inherited of finalizers, its own among them, and then calls this.
        util.register_after_fork(finish, later)
