"""The Weaviate backend against a real server: what it finds, and its collections and names."""

import threading

import numpy as np
import pytest

from tasks.core.errors import InputError
from tasks.retrieval.backend import collection_name, entry, prefix
from tasks.retrieval.weaviate_backend import Weaviate
from tests.servers.rows import DIMENSION, made, numbered, query, rows_of, unit

pytestmark = pytest.mark.servers

TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil.",
    "ferry": "The ferry Teasel crosses every hour.",
    "café": "Zoë's café serves crème brûlée and 日本茶 on the quay, by Ærø's ferries.",
}


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
