"""Workers of a cluster that was there before the program join its run.

Workers that the program's own Ray starts inherit its environment, by which they join. Those of another Ray
know nothing of the run; they are asked by Ray's own hook, ``worker_process_setup_hook`` of the runtime
environment, which is set for the job of this program and calls the program's own first. A worker without
Trilha goes on as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import joining
from trilha.capture.context import INVITATION, process
from trilha.capture.handed import hide_frame
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["HOOK", "begin", "invited"]

HOOK: Final = "worker_process_setup_hook"
_SET: Final = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"
"""Ray's own variable, which is set where whoever submitted the job has chosen the hook."""
_NAME: Final = "trilha_joins"


def begin(recorder: Recorder, patches: Patches) -> None:
    """Have the workers of each cluster that this program connects to join the run of `recorder`."""
    module = sys.modules["ray._private.worker"]
    connect = module.connect

    def connect_and_invite(node: Any, *rest: Any, **named: Any) -> Any:
        try:
            if process.recorder is recorder:
                _invite(recorder, module, node, named)
        except Exception:
            recorder.failed()
        try:
            return connect(node, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise

    patches.wrap(recorder, module, "connect", connect_and_invite)


def _invite(recorder: Recorder, module: Any, node: Any, named: dict[str, Any]) -> None:
    """Add the hook to the job of a driver that connects to a cluster which another program started."""
    job = named.get("job_config")
    if named.get("mode") != module.SCRIPT_MODE or node.head or not joining.invites():
        return
    if job is None:
        job = named["job_config"] = sys.modules["ray.job_config"].JobConfig()
    environment = dict(job.runtime_env or {})
    if _SET in (environment.get("env_vars") or {}):
        recorder.complain(
            f"Ray's job has a {HOOK} already, so what its workers do is not recorded;"
            " give it to ray.init by trilha.ray.recorded(runtime_env=...) instead"
        )
        return
    job.set_runtime_env(invited(recorder, environment))


def invited(recorder: Recorder, environment: dict[str, Any]) -> dict[str, Any]:
    """A runtime environment like `environment`, whose new workers join the run of `recorder`, too."""
    before = environment.get(HOOK)
    if getattr(before, "__name__", "") == _NAME:
        return environment
    return {**environment, HOOK: _hook(recorder, before)}


def _hook(recorder: Recorder, before: Callable[[], object] | str | None) -> Callable[[], None]:
    """What a new worker is to call to join the run, after the program's own hook; it travels as a whole."""
    told = joining.variables(recorder)
    words = {name: told[name] for name in (INVITATION, "TRILHA_STORE")}

    def trilha_joins() -> None:
        import importlib
        import os

        if isinstance(before, str):
            module, _, name = before.rpartition(".")
            getattr(importlib.import_module(module), name)()
        elif before is not None:
            before()
        try:
            from trilha.capture import session
        except ImportError:
            return
        os.environ.update(words)
        session.join()

    trilha_joins.__module__ = "__main__"  # so that Ray sends its code and not its name
    return trilha_joins
