"""Builds that die, and rows that are lost, on every backend."""

import uuid
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tasks.artifacts import Index
from tasks.core.errors import InputError
from tasks.retrieval import backend as index_backend
from tasks.retrieval import filling
from tasks.retrieval.backend import Backend, Row, WriteFailed, backend_of
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.index import build, index_report, latest, versions
from tasks.run import IndexSpec
from tests.corpora import document
from tests.tasks.retrieval.building import (
    NOON,
    TEXTS,
    Counting,
    best,
    held,
    told,
    town_corpus,
)
from tests.tasks.retrieval.town import LONG


def stray() -> Row:
    """A row that no build has written."""
    (piece,) = filling.chunk(document("stray", "Stray."), 32, lambda text: len(text.split()))
    return Row(str(uuid.uuid4()), piece)


def losing(spec: IndexSpec, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Row], bool]) -> None:
    """A backend that says nothing of the rows it loses."""
    make = index_backend.BACKENDS[spec.backend]

    def spoilt(name: str) -> Backend:
        backend = make(name)
        real = backend.write

        def write(collection: str, rows: Sequence[Row], vectors: Vectors) -> None:
            kept = [at for at, row in enumerate(rows) if not lose(row)]
            real(collection, [rows[at] for at in kept], vectors[kept])

        object.__setattr__(backend, "write", write)
        return backend

    monkeypatch.setitem(index_backend.BACKENDS, spec.backend, spoilt)


def test_interrupted_first_build_leaves_no_index(spec: IndexSpec, name: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(town_corpus(TEXTS), spec, name, load=Counting(until=0))
    assert versions(name, spec.backend) == ()


@pytest.mark.parametrize("fresh", [True, False])
def test_build_that_died_is_taken_up_where_it_stopped(
    spec: IndexSpec, name: str, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 4)
    present = None if fresh else build(town_corpus(TEXTS), spec, name)
    wanted = town_corpus({"museum": LONG, **TEXTS})
    died = Counting(until=8)
    with pytest.raises(KeyboardInterrupt):
        build(wanted, spec, name, load=died)
    if present:
        assert latest(present) == present
    resumed = Counting()
    index = build(wanted, spec, name, load=resumed)
    assert len(died.texts) == 8
    assert len(resumed.texts) == index.chunks - 8 - (0 if fresh else 4)
    assert not {*died.texts} & {*resumed.texts}
    assert len(held(index)) == index.chunks


def test_refresh_that_died_serves_the_old_text_until_the_new_is_whole(
    first: Index, spec: IndexSpec, name: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(town_corpus(TEXTS | {"bread": NOON}), spec, name, load=Counting(until=0))
    assert latest(first) == first
    assert "at three" in best(latest(first), "When is the oven fired?").text


def test_what_an_unfinished_build_left_is_cleared_by_another(
    first: Index, spec: IndexSpec, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 1)
    other = spec.model_copy(update={"chunk_tokens": 16})
    with pytest.raises(KeyboardInterrupt):
        build(town_corpus(TEXTS), other, name, load=Counting(until=1))
    backend = backend_of(first)
    assert len(backend.collections(name)) == 2
    build(town_corpus(TEXTS | {"bread": NOON}), spec, name)
    assert len(backend.collections(name)) == 1


@pytest.mark.parametrize("changed", [False, True])
def test_rows_lost_or_added_behind_its_back_are_mended_and_reported(
    first: Index, spec: IndexSpec, name: str, changed: bool
) -> None:
    backend, collection = backend_of(first), first.address.partition("@")[0]
    rows = backend.entries(collection)
    lost = [row for row, one in rows.items() if one.document in ("lamp", "yard")]
    known = backend.vectors(collection, [rows[lost[0]].sha])
    backend.write(collection, [stray()], np.stack([*known.values()]))
    backend.delete(collection, lost)
    stir(first)
    texts = TEXTS | {"bread": NOON} if changed else TEXTS
    encoder = Counting()
    mended = build(town_corpus(texts), spec, name, load=encoder)
    assert told(mended, "drift_missing", "drift_extra") == {"drift_missing": 2, "drift_extra": 1}
    assert {document for document, _, _ in held(mended)} == set(TEXTS)
    assert len(encoder.texts) == (3 if changed else 2)
    assert index_report(mended).kept == (3 if changed else 4)


def stir(index: Index) -> None:
    """Make the drift visible where old versions stay as they were: there it is of the next one."""
    backend = backend_of(index)
    if "@" in index.address:
        record = backend.records(index.name)[index.address]
        address = backend.commit(index.address.partition("@")[0], record)
        backend.swap(index.name, address)
        backend.drop(index.address)


def test_build_fails_where_rows_do_not_arrive_and_the_next_one_mends_it(
    first: Index, spec: IndexSpec, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = spec.model_copy(update={"chunk_tokens": 16})
    with monkeypatch.context() as patch:
        losing(spec, patch, lambda row: row.chunk.document == "ferry")
        with pytest.raises(WriteFailed, match="were not written") as failed:
            build(town_corpus(TEXTS), other, name)
        assert all(uuid.UUID(row) for row in failed.value.ids)
    assert latest(first) == first
    mended = build(town_corpus(TEXTS), other, name)
    assert {document for document, _, _ in held(mended)} == set(TEXTS)


def test_collection_of_another_vector_length_is_named(spec: IndexSpec, name: str) -> None:
    index = build(town_corpus(TEXTS), spec, name)
    collection = index.address.partition("@")[0]
    backend = backend_of(index)
    with pytest.raises((InputError, WriteFailed), match="384"):
        backend.write(collection, [stray()], np.ones((1, 8), np.float32))
    assert len(held(index)) == 4
