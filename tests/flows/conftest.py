"""What tests of flows share: a Prefect server, the command line, and stages to rewrite."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tasks
from flows import cli

if TYPE_CHECKING:
    from tests.flows.workshop import Workshop


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prefect server for the session; results are kept in a folder of its own."""
    from prefect.settings import PREFECT_API_URL, PREFECT_LOCAL_STORAGE_PATH, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    storage = tmp_path_factory.mktemp("prefect")
    with (
        temporary_settings({PREFECT_LOCAL_STORAGE_PATH: storage}),
        prefect_test_harness(server_startup_timeout=90),
    ):
        yield str(PREFECT_API_URL.value())


@pytest.fixture
def adapt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; gives exit code, stdout and stderr."""
    for name in cli.DEFAULTS:  # so that what `main` sets is undone afterwards
        monkeypatch.setenv(name, "true")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["adapt", *arguments])
        try:
            cli.main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code
        captured = capsys.readouterr()
        return code or 0, captured.out, captured.err

    return call


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Workshop"]:
    """An empty workshop; what was imported from it is forgotten afterwards."""
    from flows.steps import code_digest
    from tests.flows.workshop import Workshop

    folder = tmp_path / "workshop"
    folder.mkdir()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(folder)])
    before = set(sys.modules)
    yield Workshop(folder)
    for name in set(sys.modules) - before:
        if name.startswith("tasks.made"):
            del sys.modules[name]
            vars(tasks).pop(name.removeprefix("tasks."), None)
    code_digest.cache_clear()
