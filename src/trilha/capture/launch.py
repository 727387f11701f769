"""Runs a script as Python itself would, recorded.

``trilha run`` replaces itself by ``python launch.py OPTIONS -- SCRIPT ARGUMENTS``: a fresh interpreter of the same process, in
which nothing but this package and what it needs of the standard library was imported before the script. The script is
``__main__``; exit status, signals and output are Python's own, and our frames are taken out of a traceback before it is printed.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The folder of this file is no place to import from: its modules have ordinary names.
    sys.path.pop(0)

import os

from types import CodeType, ModuleType, TracebackType
from typing import Any

__all__ = ["main"]


def main(words: list[str]) -> None:
    """Run the script that `words` name: options ``--key=value``, then ``--``, then the script (or ``-m`` and a module)
    and its arguments."""
    split = words.index("--")
    options = dict(word[2:].partition("=")[::2] for word in words[:split])
    target, *arguments = words[split + 1 :]
    as_module = target == "-m"
    if as_module:
        target, *arguments = arguments
    main_module = _become_main()
    sys.argv = [target, *arguments]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd() if as_module else os.path.dirname(os.path.realpath(target)))
    code = None if as_module else _code(target, options)
    _start(options, target, arguments, as_module)
    _execute(main_module, target, code, as_module)


def _become_main() -> ModuleType:
    """A new, empty ``__main__`` in place of ours, which stays alive."""
    main_module = ModuleType("__main__")
    main_module.__dict__["__builtins__"] = sys.modules["builtins"]
    _ours.append(sys.modules["__main__"])
    sys.modules["__main__"] = main_module
    return main_module


_ours: list[ModuleType] = []


def _code(path: str, options: dict[str, str]) -> CodeType | BaseException | None:
    """The script's code; the error of compiling it, to be raised when it is time; None if Python must find the code
    itself (a folder, an archive, compiled code)."""
    from trilha.capture.script.calls import compile_script

    if os.path.isdir(path) or path.endswith((".pyc", ".zip", ".pyz")):
        return None
    try:
        with open(path, "rb") as file:
            source = file.read()
        if source.startswith(b"PK\x03\x04"):
            return None
        if options.get("grain") == "file":
            return compile(source, os.path.abspath(path), "exec", dont_inherit=True)
        return compile_script(source, os.path.abspath(path))
    except (OSError, SyntaxError, ValueError) as error:
        error.__traceback__ = None
        return error


def _start(options: dict[str, str], target: str, arguments: list[str], as_module: bool) -> None:
    from trilha.capture import session

    name = options.get("name") or (target if as_module else os.path.splitext(os.path.basename(target))[0])
    command = ["python", "-m", target, *arguments] if as_module else ["python", target, *arguments]
    script = target if not as_module and os.path.isfile(target) else ""
    session.start(name, store=options.get("store", ""), argv=command, script=script, in_program=False)


def _execute(main_module: ModuleType, target: str, code: CodeType | BaseException | None, as_module: bool) -> None:
    from trilha.capture import outcome

    try:
        if as_module:
            _run_module(target)
        elif isinstance(code, BaseException):
            raise code
        elif code is None:
            import runpy

            runpy.run_path(target, run_name="__main__")
        else:
            _set_up(main_module, target)
            exec(code, main_module.__dict__)
    except BaseException as error:
        outcome.note(error)
        if not isinstance(error, SystemExit):
            _hide_our_frames()
        raise
    outcome.note(None)


def _set_up(main_module: ModuleType, path: str) -> None:
    """Give ``__main__`` the attributes that Python gives it for a script."""
    from importlib.machinery import SourceFileLoader

    path = os.path.abspath(path)
    attributes: dict[str, Any] = {"__file__": path, "__cached__": None, "__spec__": None, "__package__": None}
    attributes["__loader__"] = SourceFileLoader("__main__", path)
    main_module.__dict__.update(attributes)
    main_module.__dict__.setdefault("__annotations__", {})
    if sys.version_info >= (3, 14):
        main_module.__dict__.pop("__annotations__", None)


def _run_module(name: str) -> None:
    import runpy

    run: Any = getattr(runpy, "_run_module_as_main", None)
    if run is None:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        run(name)


def _hide_our_frames() -> None:
    """Have the exception that is on its way out printed as if Python had run the script."""
    show = sys.excepthook

    def without_ours(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.excepthook = show
        seen: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            one = waiting.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            one.__traceback__ = _trimmed(one.__traceback__)
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        sys.last_traceback = error.__traceback__
        show(kind, error, error.__traceback__)

    sys.excepthook = without_ours


_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def _trimmed(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this package, and of `runpy` where we called it."""
    kept: list[TracebackType] = []
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith(_PACKAGE):
            kept.append(trace)
        trace = trace.tb_next
    result: TracebackType | None = None
    for one in reversed(kept):
        result = TracebackType(result, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return result


if __name__ == "__main__":
    _root = os.path.dirname(os.path.dirname(_PACKAGE))
    try:
        import trilha.capture
    except ImportError:
        sys.path.insert(0, _root)
        import trilha.capture

        sys.path.remove(_root)
    from trilha.capture import launch

    launch.main(sys.argv[1:])
