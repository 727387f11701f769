"""The process that `launch` made runs the script: the run begins, and nothing tells the script of it.

What Python does for a script is done here for one that came as code: ``sys`` and ``__main__`` are made what
they would be. Afterwards the end is noted.
"""

from __future__ import annotations

import atexit
import gc
import marshal
import os
import sys
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from typing import Any, Final

from trilha.capture import outcome
from trilha.capture.aside import step_aside
from trilha.capture.cluster import CAMPAIGN
from trilha.capture.context import INVITATION, Quiet, process
from trilha.capture.joining import CHILDREN, TRACE
from trilha.capture.script.rewriting import NO_FILE, Function
from trilha.capture.target import (
    DESCRIPTORS,
    TEMPORARY,
    Launch,
    absolute,
    is_container,
    place_of,
    say,
)

__all__ = ["begin", "start"]

_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_HOOKS: Final = (
    NO_FILE,
    *(os.path.join(_PACKAGE, "capture", name) for name in ("script", "launch", "imports.py", "integrations")),
)
"""What the names of the files begin with that call, or are called by, the script without its knowing."""


def begin(note: bytes, before: frozenset[str]) -> None:
    """Begin the run, and make the process what it would be without us, ahead of the script's first line.

    Args:
        note: what the process before this one knew: the launch, the plain command and the functions that
            tell of their calls.
        before: names of the modules that were imported before we were.
    """
    words, plain, functions, trace = marshal.loads(note)  # noqa: S302 -- compiled into this very code
    try:
        launch = Launch(*words)
        _forget_launcher(plain)
        if not start(launch):
            os.execv(sys.executable, plain)
        calls = _install(functions)
        trail = None
        if launch.grain == "variable":
            trail = _trace(launch, *trace)
        elif launch.grain == "call":
            _import(launch)
        _become(launch, before)
        _settle_objects()
        if process.recorder is not None:
            calls.rehearse(process.recorder)
        if trail is not None:
            trail.rehearse()
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        say(f"{words[0]}: this run is not recorded ({what}); the script runs all the same")
        os.execv(sys.executable, plain)


def _settle_objects() -> None:
    """Have all objects that there are be of the oldest generation of the collector of cyclic garbage, unseen.

    They stay until the process ends. The collector has rested while they were made. At the script's first
    statements it would look through all of them, which takes milliseconds and leaves nothing of ours in the
    processor's caches.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


def _forget_launcher(plain: list[str]) -> None:
    """Give back what this process was started with: the code in memory, an option, the command."""
    path = sys.argv[0]
    if path.startswith(DESCRIPTORS):
        os.close(int(path.removeprefix(DESCRIPTORS)))
    elif path.endswith(TEMPORARY):
        os.unlink(path)
    sys._xoptions.pop("trilha", None)
    sys.orig_argv[:] = plain
    # A run inside a run is one of its own.
    for name in (INVITATION, TRACE):
        os.environ.pop(name, None)


def start(launch: Launch) -> bool:
    """Begin the run; False, and the user was told, where nothing can be recorded."""
    import threading  # noqa: F401 -- whichever thread imports it first is the main one to it

    from trilha.capture import session

    if launch.children == "no":
        os.environ[CHILDREN] = "0"
    if launch.campaign:
        os.environ[CAMPAIGN] = launch.campaign
    script = launch.target if not launch.as_module and os.path.isfile(launch.target) else ""
    store, name = launch.store, _name(launch)
    return (
        session.start(name, store=store, argv=_command(launch), script=script, in_program=False) is not None
    )


def _install(functions: dict[str, tuple[Any, ...]]) -> Any:
    """Have functions of the script tell of their calls; gives the module that they tell."""
    from trilha.capture.script import calls

    calls.install({key: Function(*one) for key, one in functions.items()}, ended=_ended)
    if process.recorder is not None:
        calls.state_plans(process.recorder)
    atexit.register(_at_exit, calls)  # At exit the program may have taken from Python what imports.
    return calls


def _import(launch: Launch) -> None:
    """Have the functions of the modules that the script imports of its own tell of their calls."""
    from trilha.capture.script import imported

    path = absolute(launch.target)
    if process.recorder is not None and (
        launch.as_module or not os.path.isfile(path) or not is_container(path)
    ):
        imported.watch(process.recorder, place_of(launch), "" if launch.as_module else path)


def _trace(
    launch: Launch, count: int, why: str, heads: list[int], chosen: list[int] | None, met: list[str]
) -> Any:
    """Have what the script and its own modules do logged, as far as that was chosen; gives the log."""
    from trilha.capture import session
    from trilha.capture.script import tracked, workers
    from trilha.capture.script.chosen import Choice

    recorder = process.recorder
    if recorder is None:
        return None
    path, source = absolute(launch.target), b""
    if count:
        with Quiet(), open(path, "rb") as file:
            source = file.read()
    elif not why and not launch.as_module and not os.path.isdir(path):
        why = "compiled code and archives are not traced, only what they import"
    choice = Choice(launch.trace.splitlines(), met, values=bool(launch.values), loops=launch.loops)
    trail = tracked.begin(recorder, place_of(launch), choice, path)
    if count:
        trail.module(path, source, count, heads, chosen)
        tracked.tell_spared(trail, path)
    elif why:
        trail.gap(path, 0, f"this script is not traced: {why}")
    trail.flush()
    place, words = place_of(launch), launch.trace.splitlines()
    recorder.join.told = workers.told(path, place, words, values=bool(launch.values), loops=launch.loops)
    session.invite(recorder)
    return trail


def _become(launch: Launch, before: frozenset[str]) -> None:
    """Have ``sys`` and ``__main__`` as Python has them for the script."""
    path = absolute(launch.target)
    container = launch.as_module or is_container(launch.target)
    main_module = sys.modules["__main__"].__dict__
    if container:
        import runpy  # noqa: F401 -- now, from the standard library

        del main_module["__file__"], main_module["__cached__"]
        if launch.grain != "file":
            from trilha.capture.script import modules

            name = launch.target if launch.as_module else "__main__"
            modules.watch(name, calls=launch.grain == "call")
    else:
        main_module["__file__"] = path
        loader = SourcelessFileLoader if path.endswith(".pyc") else SourceFileLoader
        main_module["__loader__"] = loader("__main__", path)
    place = place_of(launch)
    sys.argv = ["-m" if launch.as_module else launch.target, *launch.arguments]
    step_aside(place, before)
    if not sys.flags.safe_path or (container and not launch.as_module):
        sys.path.insert(0, place)


def _at_exit(calls: Any) -> None:
    """State how many calls of which functions were not recorded, ahead of the run's end.

    Args:
        calls: the module `trilha.capture.script.calls`.
    """
    recorder = process.recorder
    try:
        if calls.unseen:
            outcome.note(calls.unseen.pop())
        if recorder is not None and recorder.is_first:
            words = [word for text in calls.unrecorded() for word in ("trilha:unrecorded_calls", text)]
            if words:
                recorder.activity(recorder.own[0], None, None, *words)
    except Exception:
        if recorder is not None:
            recorder.failed()


def _ended(error: BaseException | None) -> None:
    """The script ended, by `error` or as it should."""
    try:
        outcome.note(error)
        if error is not None and not isinstance(error, SystemExit):
            outcome.hide_frames(error, _HOOKS, _PACKAGE)
    except Exception:
        if process.recorder is not None:
            process.recorder.failed()


def _name(launch: Launch) -> str:
    """What to call the run: by the script; where a module starts that in several processes, too."""
    if launch.name:
        return launch.name
    if launch.as_module:
        from trilha.capture.script.modules import LAUNCHERS

        if launch.target in LAUNCHERS:
            scripts = (one for one in launch.arguments if one.endswith(".py") and not one.startswith("-"))
            return os.path.basename(next(scripts, launch.target)).removesuffix(".py")
        return launch.target
    return os.path.splitext(os.path.basename(os.path.abspath(launch.target)))[0]


def _command(launch: Launch) -> list[str]:
    """The plain command as the user knows it."""
    return ["python", *(["-m"] if launch.as_module else []), launch.target, *launch.arguments]
