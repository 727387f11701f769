"""Notebooks for tests: cells run in a shell of IPython's own, and in a kernel as Jupyter has it."""

import os

import pytest
from tests.capture.conftest import program_environment
from tests.capture.graph import Graph
from tests.capture.launching import until_it_is_in

import trilha

SHELL = """
import sys, warnings
warnings.simplefilter("ignore")
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for number, cell in enumerate(CELLS):
    if number == DIRECTLY:
        exec(cell, shell.user_ns)
    else:
        name, cell = cell if isinstance(cell, tuple) else (f"id {number}", cell)
        shell.run_cell(cell, store_history=True, cell_id=name)
"""


@pytest.fixture
def cells(run_program, store, tmp_path):
    """Runs cells in a shell of IPython's; gives the graph of the one run.

    A cell is its text, or a pair: its id and its text.
    """

    def run(*sources, directly=-1):
        environment = {"IPYTHONDIR": str(tmp_path / "ipython")}
        program = SHELL.replace("CELLS", repr(sources)).replace("DIRECTLY", str(directly))
        run.output = run_program(program, environment=environment)
        [uuid] = {journal.head.run for journal in store.journals()}
        with trilha.open(store.folder) as opened:
            assert opened.document(uuid).validate().valid
        return Graph(store.folder)

    return run


class Kernel:
    """A kernel and its client, which waits for the end of each cell.

    Attributes:
        told: what the cells printed.
        process: the kernel's.
    """

    def __init__(self, manager, client):
        self._manager, self._client = manager, client
        self.told, self.process = "", manager.provisioner.process

    def run(self, source):
        """Run a cell; gives its status."""
        reply = self._client.execute_interactive(source, timeout=60, output_hook=self._hear)
        return reply["content"]["status"]

    def _hear(self, message):
        self.told += message["content"].get("text", "")

    def interrupt(self, source):
        """Run a cell, and interrupt it once it has printed something and sleeps."""
        # Without stop_on_error=False the kernel may refuse what comes right after an interrupted cell.
        self._client.execute(source, stop_on_error=False)
        while self._client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
            pass
        until_it_is_in("nanosleep", self.process.pid)
        self._manager.interrupt_kernel()
        self._client.get_shell_msg(timeout=60)

    def shutdown(self):
        """End the kernel as its user would."""
        self._client.shutdown()
        self.process.wait(timeout=60)


@pytest.fixture
def kernel(tmp_path, store, monkeypatch):
    """A kernel of Jupyter's."""
    import warnings

    for name in list(os.environ):
        if name.startswith("TRILHA"):
            monkeypatch.delenv(name)
    environment = program_environment(store.folder, {"IPYTHONDIR": str(tmp_path / "ipython")})
    environment["JUPYTER_PLATFORM_DIRS"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from jupyter_client.manager import KernelManager

        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(
            env=environment, cwd=str(tmp_path), extra_arguments=["--HistoryManager.enabled=False"]
        )
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            yield Kernel(manager, client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
