"""Rows into Weaviate: refused, sent again, replaced, deleted."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from tasks.core.errors import InputError
from tasks.retrieval import weaviate_writing
from tasks.retrieval.backend import Row, WriteFailed, entry
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.weaviate_backend import Weaviate
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.retrieval.weaviate_rows import data_object
from tests.servers.rows import made, numbered, query, unit

pytestmark = pytest.mark.servers


def test_rows_are_replaced_by_their_id_and_deleted_by_it(name: str) -> None:
    rows, vectors = numbered(30), unit(30)
    address = made(name, rows, vectors)
    backend = Weaviate()
    backend.write(address, rows[:10], unit(10, seed=8))
    assert len(backend.entries(address)) == 30
    backend.delete(address, [*(row.id for row in rows[5:]), str(uuid.uuid4())])
    backend.delete(address, [])
    assert backend.entries(address) == {row.id: entry(row.chunk) for row in rows[:5]}
    (found,) = backend.near(address, query(vectors=vectors[20:21], k=30))
    assert {one.document for one in found} == {row.chunk.document for row in rows[:5]}


def test_deletes_more_rows_than_the_server_takes_in_one_request(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weaviate_writing, "PAGE", 50)
    rows = numbered(230)
    address = made(name, rows, unit(230))
    Weaviate().delete(address, [row.id for row in rows[:220]])
    assert set(Weaviate().entries(address)) == {row.id for row in rows[220:]}


def test_vectors_of_another_length_are_an_input_error_naming_both(name: str) -> None:
    address = made(name, numbered(3), unit(3))
    for vectors in (unit(2, dimension=24), unit(1, dimension=24)):
        with pytest.raises(InputError, match=r"24 numbers.*16, as those"):
            Weaviate().write(address, numbered(len(vectors), 100), vectors)
    with pytest.raises(InputError, match=r"24 numbers.*16, as those"):
        Weaviate().near(address, query(vectors=unit(1, dimension=24)))
    assert len(Weaviate().entries(address)) == 3


def test_refused_rows_are_named_after_several_tries_and_the_others_are_there(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = made(name, numbered(3), unit(3))
    rows, vectors = numbered(600, 100), unit(600)
    bad = {rows[20].id, rows[400].id}
    sendings: list[int] = []

    def spoilt(row: Row, vector: Vectors) -> Any:
        made = data_object(row, vector)
        return replace(
            made,
            properties=made.properties | {"position": "x"} if row.id in bad else made.properties,
        )

    def counted(collection: str, objects: list[Any]) -> dict[str, str]:
        sendings.append(len(objects))
        return refused(collection, objects)

    refused = weaviate_writing._refused
    monkeypatch.setattr(weaviate_writing, "_refused", counted)
    monkeypatch.setattr(weaviate_writing, "data_object", spoilt)
    monkeypatch.setattr(weaviate_writing, "PAUSES", (0, 0))
    with pytest.raises(WriteFailed, match="position") as failed:
        Weaviate().write(address, rows, vectors)
    assert failed.value.ids == tuple(sorted(bad))
    assert sorted(sendings) == [1, 1, 1, 1, 100, 250, 250]
    assert len(Weaviate().entries(address)) == 601


def test_rows_that_are_taken_at_the_second_try_are_no_failure(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = made(name, numbered(3), unit(3))
    sent: list[list[str]] = []

    def refused_first(collection: str, objects: list[Any]) -> dict[str, str]:
        sent.append([one.uuid for one in objects])
        kept = objects[3:] if len(sent) == 1 else objects
        return refused(collection, kept) | {one.uuid: "busy" for one in objects if one not in kept}

    refused = weaviate_writing._refused
    monkeypatch.setattr(weaviate_writing, "_refused", refused_first)
    monkeypatch.setattr(weaviate_writing, "PAUSES", (0, 0))
    rows = numbered(10, 100)
    Weaviate().write(address, rows, unit(10))
    assert sent[:2] == [[row.id for row in rows], [row.id for row in rows[:3]]]
    assert len(Weaviate().entries(address)) == 13


def test_read_only_collection_is_named_and_still_answers(name: str) -> None:
    address = made(name, numbered(20), unit(20))
    # What a server does with all of them when its disk is full.
    connect_weaviate().collections.use(address).config.update_shards("READONLY")
    with pytest.raises(InputError, match=r"read-only.*disk.*full"):
        Weaviate().write(address, numbered(20, 20), unit(20))
    with pytest.raises(InputError, match="read-only"):
        Weaviate().delete(address, [numbered(1)[0].id])
    (found,) = Weaviate().near(address, query(vectors=unit(1), k=50))
    assert len(found) == 20
