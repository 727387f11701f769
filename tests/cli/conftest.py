"""The command line in the tests' own process."""

import pytest

from trilha.cli.main import _status


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command line in `tmp_path`; gives exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments):
        status = _status(list(arguments))
        return (status, *capsys.readouterr())

    return call
