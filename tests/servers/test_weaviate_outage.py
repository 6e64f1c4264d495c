"""Weaviate killed and started again: what is kept, restored and said."""

import threading

import pytest

from infra.weaviate.server import Server
from tasks.core.errors import InputError
from tasks.retrieval import weaviate_writing
from tasks.retrieval.backend import collection_name, entry
from tasks.retrieval.weaviate_backend import Weaviate
from tests.servers.rows import DIMENSION, made, numbered, query, unit

pytestmark = pytest.mark.servers


def test_write_outlives_a_server_that_is_killed_and_comes_back(
    weaviate_outage: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weaviate_writing, "BATCH", 20)
    backend, collection = Weaviate(), collection_name(name, "0" * 12)
    backend.create(collection, DIMENSION)
    rows, vectors = numbered(4000), unit(4000)
    faults: list[Exception] = []

    def write() -> None:
        try:
            backend.write(collection, rows, vectors)
        except Exception as fault:
            faults.append(fault)

    writing = threading.Thread(target=write)
    writing.start()
    writing.join(1)
    weaviate_outage.kill()
    assert writing.is_alive(), "all was written before the server was killed"
    weaviate_outage.start()
    writing.join(120)
    assert all(isinstance(fault, InputError) for fault in faults), faults
    there = set(backend.entries(collection))
    missing = [at for at, row in enumerate(rows) if row.id not in there]
    assert bool(missing) == bool(faults)
    backend.write(collection, [rows[at] for at in missing], vectors[missing])
    backend.commit(collection, "record")
    assert set(backend.entries(collection)) == {row.id for row in rows}
    (near,), (matching,) = (
        backend.near(collection, query(vectors=unit(1), k=5000)),
        backend.matching(collection, query("passage", k=5000)),
    )
    assert (len(near), len(matching)) == (4000, 4000)


def test_written_rows_are_found_after_the_server_was_killed(
    weaviate_outage: Server, name: str
) -> None:
    backend, collection = Weaviate(), collection_name(name, "0" * 12)
    backend.create(collection, DIMENSION)
    backend.write(collection, numbered(400), unit(400))
    weaviate_outage.kill()
    weaviate_outage.start()
    (found,) = backend.near(collection, query(vectors=unit(1), k=500))
    assert len(found) == 400


def test_commit_restores_vectors_that_a_killed_server_lost(
    weaviate_outage: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, collection = Weaviate(), collection_name(name, "0" * 12)
    backend.create(collection, DIMENSION)
    rows, vectors = numbered(700), unit(700)
    backend.write(collection, rows[:100], vectors[:100])
    with monkeypatch.context() as patch:
        patch.setattr(weaviate_writing, "flush", lambda *_: None)
        patch.setattr(weaviate_writing, "BATCH", 600)
        backend.write(collection, rows[100:], vectors[100:])
        weaviate_outage.kill()
    weaviate_outage.start()
    (found,) = backend.near(collection, query(vectors=unit(1), k=700))
    assert len(found) < 700, "the server lost nothing: is this still needed?"
    assert len(backend.entries(collection)) == 700
    backend.commit(collection, "record")
    assert backend.entries(collection) == {row.id: entry(row.chunk) for row in rows}
    # each by its own vector: a search for all of them at once goes by links, and may miss some
    for row, found in zip(rows, backend.near(collection, query(vectors=vectors)), strict=True):
        assert row.chunk.text in {one.text for one in found}
    (word,) = backend.matching(collection, query("681"))
    assert word[0].document == "00681"


def test_server_that_went_away_is_named_and_the_current_index_answers_when_it_is_back(
    weaviate_outage: Server, name: str
) -> None:
    backend = Weaviate()
    address = made(name, numbered(50), unit(50))
    backend.swap(name, address)
    weaviate_outage.kill()
    with pytest.raises(InputError, match=rf"WEAVIATE_URL.*{weaviate_outage.url}.*run again"):
        backend.write(address, numbered(50, 50), unit(50))
    with pytest.raises(InputError, match="WEAVIATE_URL"):
        backend.records(name)
    for search in (
        lambda: backend.near(address, query(vectors=unit(1), k=5)),
        lambda: backend.matching(address, query("passage", k=5)),
        lambda: backend.passages(address, {("00001", 0)}),
    ):  # said by what looks whether a server is there, before the client tries for a minute
        with pytest.raises(InputError, match=r"WEAVIATE_URL.*Is it running"):
            search()
    weaviate_outage.start()
    assert backend.current(name) == address
    (found,) = backend.near(address, query(vectors=unit(1), k=50))
    assert len(found) == 50
