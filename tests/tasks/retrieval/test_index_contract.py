"""What building an index does on every backend, written against the interface alone."""

import pytest

from tasks.artifacts import Document, Index, Search
from tasks.core.errors import InputError
from tasks.retrieval import filling
from tasks.retrieval.index import build, exists, index_report, latest, manifest_of, versions
from tasks.retrieval.search import open_index
from tasks.run import IndexSpec
from tests.corpora import corpus_of, document, stored
from tests.tasks.retrieval.building import (
    NOON,
    TEXTS,
    Counting,
    best,
    everything,
    held,
    refuse,
    told,
    town_corpus,
)
from tests.tasks.retrieval.town import LONG


def test_everything_is_in_a_new_index(spec: IndexSpec, name: str) -> None:
    index = build(town_corpus(TEXTS | {"museum": LONG}), spec, name)
    found = everything(index)
    assert {one.document for one in found} == {*TEXTS, "museum"}
    assert [one.position for one in found if one.document == "museum"] == list(
        range(index.chunks - 4)
    )
    assert told(index) == {
        "added": 5, "chunks_written": index.chunks, "embedded": index.chunks
    }  # fmt: skip
    assert index_report(index).bytes == index.bytes > 0
    assert latest(index) == index
    assert exists(index)


def test_unchanged_corpus_costs_neither_an_encoder_nor_a_version(
    first: Index, spec: IndexSpec, name: str
) -> None:
    assert build(town_corpus(TEXTS), spec, name, load=refuse) == first
    assert len(versions(name, spec.backend)) == 1


def test_one_changed_document_embeds_only_its_chunks(
    first: Index, spec: IndexSpec, name: str
) -> None:
    encoder = Counting()
    second = build(town_corpus(TEXTS | {"bread": NOON}), spec, name, load=encoder)
    assert encoder.texts == [f"Town\n{NOON}"]
    assert second.sha != first.sha
    assert told(second) == {
        "changed": 1, "kept": 3, "chunks_written": 1, "chunks_deleted": 1, "chunks_kept": 3,
        "embedded": 1,
    }  # fmt: skip
    assert best(second, "When is the oven fired?").text == f"Town\n{NOON}"
    assert len(held(second)) == 4
    assert latest(first) == second


def test_removed_document_is_gone_and_no_encoder_is_loaded(
    first: Index, spec: IndexSpec, name: str
) -> None:
    rest = {document: text for document, text in TEXTS.items() if document != "ferry"}
    second = build(town_corpus(rest), spec, name, load=refuse)
    assert told(second) == {"removed": 1, "kept": 3, "chunks_deleted": 1, "chunks_kept": 3}
    assert {one[0] for one in held(second)} == {"lamp", "bread", "yard"}


def test_renamed_document_is_a_move_that_embeds_nothing(
    first: Index, spec: IndexSpec, name: str
) -> None:
    renamed = {{"yard": "boatyard"}.get(document, document): t for document, t in TEXTS.items()}
    encoder = Counting()
    second = build(town_corpus(renamed), spec, name, load=encoder)
    assert encoder.texts == []
    assert told(second) == {
        "moved": 1, "kept": 3, "chunks_written": 1, "chunks_deleted": 1, "chunks_kept": 3
    }  # fmt: skip
    assert best(second, "Who mends boats?").source == "boatyard.md"
    assert {one[0] for one in held(second)} == {"lamp", "ferry", "bread", "boatyard"}


def test_new_metadata_is_written_without_embedding(
    first: Index, spec: IndexSpec, name: str
) -> None:
    encoder = Counting()
    second = build(town_corpus(TEXTS, date="2026-01-02", tags=["old"]), spec, name, load=encoder)
    assert encoder.texts == []
    assert told(second, "changed", "chunks_written") == {"changed": 4, "chunks_written": 4}
    searcher = open_index(second)
    for where in ({"date": "2026-01-02"}, {"tags": "old"}):
        assert len(searcher.search(["boats"], Search(k=9), where=where)[0]) == 4
    assert searcher.search(["boats"], Search(k=9), where={"tags": "ol"}) == ((),)


def test_equal_texts_are_embedded_once(
    spec: IndexSpec, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 3)
    encoder = Counting()
    index = build(town_corpus({f"copy-{n}": NOON for n in range(10)}), spec, name, load=encoder)
    assert encoder.texts == [f"Town\n{NOON}"]
    assert len(held(index)) == 10


def test_refreshed_index_holds_what_a_new_one_would(
    first: Index, spec: IndexSpec, name: str, second_name: str
) -> None:
    wanted = {"museum": LONG, **TEXTS, "bread": NOON}
    del wanted["lamp"]
    refreshed = build(town_corpus(wanted), spec, name)
    fresh = build(town_corpus(wanted), spec, second_name)
    assert held(refreshed) == held(fresh)
    one, other = (manifest_of(index).splitlines() for index in (refreshed, fresh))
    assert sorted(one) == sorted(other)
    for query in ("Who mends boats?", "Which room shows knot number 7?"):
        mine, its = best(refreshed, query), best(fresh, query)
        assert (mine.document, mine.position) == (its.document, its.position)
        assert mine.score == pytest.approx(its.score, abs=0.01)


def test_chunks_longer_than_the_encoder_reads_are_an_input_error(
    first: Index, spec: IndexSpec, name: str
) -> None:
    longer = spec.model_copy(update={"chunk_tokens": 400})
    with pytest.raises(InputError, match=r"index\.chunk_tokens.*400.*at most 254"):
        build(town_corpus(TEXTS), longer, name)
    assert latest(first) == first


def test_corpus_without_text_is_an_input_error_and_leaves_the_present_index(
    first: Index, spec: IndexSpec, name: str
) -> None:
    with pytest.raises(InputError, match="documents without text"):
        build(corpus_of({"a": "\x00 "}, title=""), spec, name)
    assert latest(first) == first
    assert len(held(first)) == 4


def test_strange_characters_in_every_field_are_indexed_and_kept(spec: IndexSpec, name: str) -> None:
    odd = "a'b\"c\\%_*\x07\u2028é"
    strange = Document(
        id=odd, title=odd, text=f"Bells {odd}\x00\ud800 ring.", source=odd, sha="1", tags=(odd,)
    )
    corpus = stored([strange])
    index = build(corpus, spec, name)
    found = best(index, "bells")
    assert "ring." in found.text
    assert (found.document, found.title, found.source) == (odd, odd, odd)
    for where in ({"document": odd}, {"source": odd}, {"tags": odd}):
        assert open_index(index).search(["bells"], Search(k=1), where=where)[0] == (found,)
    assert build(corpus, spec, name, load=refuse) == index
    second = stored([strange, strange.model_copy(update={"id": "b"})])
    assert told(build(second, spec, name), "kept", "added") == {"kept": 1, "added": 1}


@pytest.mark.parametrize("field", ["id", "title", "source", "tags"])
def test_name_that_is_no_unicode_is_an_input_error(
    first: Index, spec: IndexSpec, name: str, field: str
) -> None:
    broken = {field: ("ring\udce9",) if field == "tags" else "ring\udce9"}
    corpus = stored([document("a", "Bells.", **broken)])
    with pytest.raises(InputError, match=r"ring\\\\udce9.*Rename"):
        build(corpus, spec, name)
    assert latest(first) == first
