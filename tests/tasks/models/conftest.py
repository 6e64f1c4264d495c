"""A server on loopback that hosted models are asked of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peer import Peer, answer, serving
from tests.tasks.models.hosting import point_at


@pytest.fixture
def peer(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """A server that answers in capitals until it is told otherwise."""
    with serving(answer()) as started:
        point_at(started.url, monkeypatch)
        yield started
