"""The Weaviate backend against a real server."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from infra.weaviate.server import Server
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval import weaviate_writing
from tasks.retrieval.backend import Query, Row, WriteFailed, collection_name, entry, prefix, row_id
from tasks.retrieval.chunking import Chunk
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.weaviate_backend import Weaviate
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.retrieval.weaviate_rows import data_object

pytestmark = pytest.mark.servers

DIMENSION = 16
TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil.",
    "ferry": "The ferry Teasel crosses every hour.",
    "café": "Zoë's café serves crème brûlée and 日本茶 on the quay, by Ærø's ferries.",
}


def rows_of(
    texts: dict[str, str], date: str | None = None, tags: tuple[str, ...] = ()
) -> list[Row]:
    """A row for each line of each text."""
    chunks = [
        Chunk(
            document=name, title=name.title(), source=f"{name}.md", position=at, text=line,
            sha=digest.of_text(line), document_sha=digest.of_text(text), date=date, tags=tags,
        )
        for name, text in texts.items()
        for at, line in enumerate(text.splitlines())
    ]  # fmt: skip
    return [Row(row_id(entry(chunk)), chunk) for chunk in chunks]


def numbered(count: int, start: int = 0) -> list[Row]:
    return rows_of({f"{n:05}": f"passage number {n}" for n in range(start, start + count)})


def unit(count: int, seed: int = 3, dimension: int = DIMENSION) -> Vectors:
    made = np.random.default_rng(seed).normal(size=(count, dimension))
    vectors: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def query(*texts: str, vectors: Vectors | None = None, k: int = 5, **where: str) -> Query:
    return Query(texts or ("-",) * (0 if vectors is None else len(vectors)), vectors, k, where)


@pytest.fixture
def name(weaviate_url: str) -> Iterator[str]:
    """An index name of the test's own; what was made under it is removed."""
    chosen = f"harbour {uuid.uuid4().hex[:8]}"
    yield chosen
    client = connect_weaviate()
    client.alias.delete(alias_name=prefix(chosen))
    for collection in Weaviate().collections(chosen):
        client.collections.delete(collection)


def made(name: str, rows: Sequence[Row], vectors: Vectors, settings: str = "0" * 12) -> str:
    backend, collection = Weaviate(), collection_name(name, settings)
    backend.create(collection, vectors.shape[1])
    backend.write(collection, rows, vectors)
    return backend.commit(collection, '{"rows": 1}')


def documents(ranked: list[list[object]]) -> list[list[str]]:
    return [[passage.document for passage in passages] for passages in ranked]  # type: ignore[attr-defined]


def test_what_was_written_is_there_with_its_vectors(name: str) -> None:
    rows, vectors = numbered(1200), unit(1200)
    address = made(name, rows, vectors)
    assert Weaviate().entries(address) == {row.id: entry(row.chunk) for row in rows}
    asked = [row.chunk.sha for row in rows[::7]]
    stored = Weaviate().vectors(address, [*asked, "of no row"])
    assert sorted(stored) == sorted(asked)
    for at in range(0, 1200, 7):
        np.testing.assert_allclose(stored[rows[at].chunk.sha], vectors[at], atol=1e-6)


def test_texts_that_many_rows_share_hide_no_other_vector(name: str) -> None:
    same = rows_of({f"copy {n:04}": "The same bell rings." for n in range(1100)})
    other = rows_of({"other": "Another bell rings."})
    two = unit(2)
    address = made(name, same + other, np.concatenate([np.repeat(two[:1], 1100, 0), two[1:]]))
    stored = Weaviate().vectors(address, [same[0].chunk.sha, other[0].chunk.sha])
    assert len(stored) == 2


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


def test_nearest_come_with_their_cosine_similarity_in_the_order_asked(name: str) -> None:
    rows, vectors = numbered(300), unit(300)
    address = made(name, rows, vectors)
    asked = unit(20, seed=5)
    for vector, found in zip(
        asked, Weaviate().near(address, query(vectors=asked, k=7)), strict=True
    ):
        similarity = vectors @ vector
        nearest = np.argsort(-similarity)[:7]
        assert [one.document for one in found] == [rows[at].chunk.document for at in nearest]
        assert [one.score for one in found] == pytest.approx(similarity[nearest], abs=2e-6)
        assert found[0].text == rows[nearest[0]].chunk.text
        assert found[0].source == rows[nearest[0]].chunk.source


def test_k_may_exceed_the_rows_and_what_the_server_gives(name: str) -> None:
    address = made(name, numbered(12), unit(12))
    (found,) = Weaviate().near(address, query(vectors=unit(1), k=50_000))
    assert len(found) == 12
    (found,) = Weaviate().matching(address, query("passage", k=50_000))
    assert len(found) == 12


@pytest.mark.parametrize(
    ("asked", "document"),
    [
        ("Zoë", "café"), ("zoe", "café"), ("cafe", "café"), ("CRÈME BRU\u0302LÉE", "café"),
        ("日本茶", "café"), ("茶", "café"), ("aero", "café"), ("lamps", "lamp"),
        ('"ferry', "ferry"), ("-ferry +NOT crosses", "ferry"), ("text:teasel*", "ferry"),
        ("teasel AND (", "ferry"), ("teasel'; DROP TABLE x", "ferry"),
    ],
)  # fmt: skip
def test_words_are_found_whatever_their_accents_and_operators(
    name: str, asked: str, document: str
) -> None:
    address = made(name, rows_of(TEXTS), unit(len(TEXTS)))
    ((best, *_),) = Weaviate().matching(address, query(asked))
    assert best.document == document
    assert best.text == TEXTS[document]
    assert best.score > 0


def test_texts_without_a_word_of_any_passage_match_nothing(name: str) -> None:
    address = made(name, rows_of(TEXTS), unit(len(TEXTS)))
    found = Weaviate().matching(address, query("xylophone", "?!", "the", "oil"))
    assert [len(passages) for passages in found] == [0, 0, 0, 1]


def test_rarer_words_count_more(name: str) -> None:
    address = made(
        name, rows_of({"a": "ferry ferry quay", "b": "ferry lamp", "c": "ferry"}), unit(3)
    )
    ((first, *_),) = Weaviate().matching(address, query("ferry lamp"))
    assert first.document == "b"


def test_filters_compare_whole_values_before_the_best_are_taken(name: str) -> None:
    old = rows_of(
        {"d/Old one.md": "the bell rings", "d/old": "the bell rings"}, "2024-01-31", ("a b", "c")
    )
    new = rows_of({f"new {n}": "the bell rings" for n in range(40)}, None, ("a",))
    vectors = unit(42)
    address = made(name, old + new, vectors)
    for where, expected in (
        ({"document": "d/Old one.md"}, {"d/Old one.md"}),
        ({"document": "d/old one.md"}, set()),
        ({"document": "d"}, set()),
        ({"source": "d/old.md"}, {"d/old"}),
        ({"title": "D/Old"}, {"d/old"}),
        ({"date": "2024-01-31"}, {"d/Old one.md", "d/old"}),
        ({"tags": "a b"}, {"d/Old one.md", "d/old"}),
        ({"tags": "c", "document": "d/old"}, {"d/old"}),
        ({"tags": "b"}, set()),
        ({"tags": "a", "source": "new 7.md"}, {"new 7"}),
        ({"document": "x' OR '1'='1"}, set()),
    ):
        (near,) = Weaviate().near(address, query(vectors=vectors[30:31], k=3, **where))
        (matching,) = Weaviate().matching(address, query("bell", k=3, **where))
        assert {one.document for one in near} == expected, where
        assert {one.document for one in matching} == expected, where


def test_passages_are_looked_up_by_document_and_position(name: str) -> None:
    texts = {f"book {n}": "\n".join(f"{n} page {at}" for at in range(60)) for n in range(4)}
    rows = rows_of(texts)
    address = made(name, rows, unit(len(rows)))
    keys = [(row.chunk.document, row.chunk.position) for row in rows[::2]]
    found = Weaviate().passages(address, [*keys, ("book 1", 99), ("no book", 0)])
    assert set(found) == set(keys)
    assert found["book 2", 30].text == "2 page 30"
    assert Weaviate().passages(address, []) == {}


def test_record_and_rows_stay_together_until_the_collection_is_dropped(name: str) -> None:
    backend, collection = Weaviate(), collection_name(name, "a" * 12)
    assert backend.collections(name) == ()
    backend.create(collection, DIMENSION)
    assert backend.collections(name) == (collection,)
    assert backend.records(name) == {}
    assert backend.entries(collection) == {}
    record = '{"report": "ä \\" ' + "x" * 20_000 + '"}'
    assert backend.commit(collection, "first") == collection
    assert backend.commit(collection, record) == collection
    assert backend.records(name) == {collection: record}
    backend.drop(collection)
    backend.drop(collection)
    assert backend.collections(name) == ()


def test_only_an_index_names_own_collections_are_seen(name: str) -> None:
    backend, longer, capital = Weaviate(), f"{name} b", name.upper()
    others = [collection_name(other, "0" * 12) for other in (longer, capital)]
    try:
        for collection in others:
            backend.create(collection, DIMENSION)
        assert backend.collections(name) == ()
        assert backend.collections(longer) == (others[0],)
    finally:
        for collection in others:
            backend.drop(collection)


def test_name_points_at_one_address_which_cannot_be_dropped(name: str) -> None:
    backend = Weaviate()
    first, second = (made(name, numbered(3), unit(3), digit * 12) for digit in "ab")
    assert backend.current(name) is None
    backend.swap(name, first)
    assert backend.current(name) == first
    backend.swap(name, second)
    assert backend.current(name) == second
    with pytest.raises(InputError, match="in use as"):
        backend.drop(second)
    assert len(backend.entries(second)) == 3
    backend.drop(first)
    assert backend.collections(name) == (second,)
    with pytest.raises(InputError, match="gone"):
        backend.swap(name, first)
    assert backend.current(name) == second


def test_size_grows_with_the_rows(name: str) -> None:
    few = made(name, numbered(10), unit(10), "a" * 12)
    many = made(name, numbered(1000), unit(1000), "b" * 12)
    assert Weaviate().size(few) >= 10 * 4 * DIMENSION
    assert 80 < Weaviate().size(many) / Weaviate().size(few) < 120


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


@pytest.mark.parametrize("act", ["near", "matching", "entries", "write", "delete", "commit"])
def test_collection_that_is_gone_is_an_input_error_and_not_made_up(name: str, act: str) -> None:
    backend, lost = Weaviate(), collection_name(name, "f" * 12)
    acts = {
        "near": lambda: backend.near(lost, query(vectors=unit(1))),
        "matching": lambda: backend.matching(lost, query("bell")),
        "entries": lambda: backend.entries(lost),
        "write": lambda: backend.write(lost, numbered(1), unit(1)),
        "delete": lambda: backend.delete(lost, [numbered(1)[0].id]),
        "commit": lambda: backend.commit(lost, "record"),
    }
    with pytest.raises(InputError, match="gone"):
        acts[act]()
    assert backend.collections(name) == ()


def test_searches_by_name_never_fail_nor_mix_while_it_is_swapped(name: str) -> None:
    backend = Weaviate()
    marks = "abc"
    addresses = [
        made(name, rows_of({f"{mark}{n}": f"bell {n}" for n in range(20)}), unit(20), mark * 12)
        for mark in marks
    ]
    backend.swap(name, addresses[0])
    ended, seen, faults = threading.Event(), set(), []

    def ask() -> None:
        while not ended.is_set():
            try:
                (found,) = backend.near(prefix(name), query(vectors=unit(1), k=5))
                versions = {one.document[0] for one in found}
                assert len(found) == 5
                assert len(versions) == 1
                seen.update(versions)
            except Exception as fault:
                faults.append(fault)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(12):
        backend.swap(name, addresses[turn % 3])
        ended.wait(0.05)
    ended.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert seen == set(marks)


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
    (found,) = backend.near(collection, query(vectors=unit(1), k=700))
    assert {one.text for one in found} == {row.chunk.text for row in rows}
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
    weaviate_outage.start()
    assert backend.current(name) == address
    (found,) = backend.near(address, query(vectors=unit(1), k=50))
    assert len(found) == 50


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
