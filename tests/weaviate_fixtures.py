"""A real Weaviate server for the tests: the project's own, or the one that WEAVIATE_URL names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.weaviate.install import ServerError, find_go, install, installed
from infra.weaviate.server import Server, running
from tasks.retrieval.weaviate_client import connect_weaviate, disconnect_weaviate
from tasks.services import services

if TYPE_CHECKING:
    from weaviate import WeaviateClient

NAMED = tuple(name for name in os.environ if name.startswith("WEAVIATE_"))


@pytest.fixture(scope="session")
def weaviate_binary() -> Path:
    """The server's program, built if need be; skipped without Go, which in CI is a failure."""
    if not installed():
        try:
            find_go()
        except ServerError as fault:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(fault))
    return install()


@pytest.fixture(scope="session")
def weaviate_server(
    weaviate_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of the tests' own, on free ports, as long as the tests run."""
    with running(tmp_path_factory.mktemp("weaviate")) as server:
        yield server


@pytest.fixture
def weaviate_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The environment points to a running server, at this URL; it may hold others' collections."""
    if not os.environ.get("WEAVIATE_URL"):
        _point(request.getfixturevalue("weaviate_server"), monkeypatch)
    services.cache_clear()
    yield services().weaviate_url
    disconnect_weaviate()
    services.cache_clear()


@pytest.fixture
def weaviate_client(weaviate_url: str) -> "WeaviateClient":
    """A client connected to that server."""
    return connect_weaviate()


@pytest.fixture
def weaviate_outage(weaviate_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The tests' own server, to kill, pause and start at will; it runs again afterwards."""
    _point(weaviate_server, monkeypatch)
    services.cache_clear()
    yield weaviate_server
    disconnect_weaviate()
    services.cache_clear()
    weaviate_server.resume()
    weaviate_server.start()


def _point(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMED:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
