"""What building an index does on every backend, written against the interface alone."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts import Corpus, Document, Index, Passage, Question, Search
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval import backend as index_backend
from tasks.retrieval import filling
from tasks.retrieval.backend import Backend, Row, WriteFailed, backend_of, collection_name
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.retrieval.index import (
    BuildReport,
    build,
    exists,
    index_report,
    latest,
    manifest_of,
    prune,
    rollback,
    versions,
)
from tasks.retrieval.search import open_index
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.run import IndexSpec
from tasks.store import put_rows

TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil. Keeper Maud Quill trims the wick at dusk.",
    "ferry": "The ferry Teasel crosses every hour. A crossing costs two pence for a grown person.",
    "bread": "The baker fires his oven at three. Rye loaves are sold before breakfast.",
    "yard": "O'Hara's yard mends boats. Its slip takes hulls of up to forty feet.",
}  # fmt: skip
LONG = " ".join(f"Room {n} of the museum shows knot number {n} of the guild." for n in range(40))
NOON = "The baker now fires his oven at noon."
CANARIES = tuple(
    Question(id=document, question=question, answers=("x",), document=document)
    for document, question in (
        ("lamp", "Who trims the wick of the lamp?"),
        ("ferry", "What does a ferry crossing cost?"),
        ("bread", "When does the baker fire his oven?"),
        ("yard", "Who mends boats?"),
    )
)


class Counting:
    """The real encoder with a count of the texts that it was given; it may stop half-way."""

    def __init__(self, until: int = 10**9) -> None:
        self.texts: list[str] = []
        self.until = until

    def __call__(self, ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            if len(self.texts) >= self.until:
                raise KeyboardInterrupt
            self.texts += texts
            return real.encode(texts, kind)

        return replace(real, encode=encode)


def refuse(ref: str) -> Encoder:
    raise AssertionError(f"{ref} was loaded")


def noise(ref: str) -> Encoder:
    """An encoder that finds nothing: its vectors have nothing to do with the texts."""
    real, random = load_encoder(ref), np.random.default_rng(7)

    def encode(texts: Sequence[str], kind: Kind) -> Vectors:
        made = random.normal(size=(len(texts), real.dimension))
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    return replace(real, encode=encode)


@pytest.fixture(params=["lancedb", pytest.param("weaviate", marks=pytest.mark.servers)])
def spec(request: pytest.FixtureRequest, home: Path) -> IndexSpec:
    if request.param == "weaviate":
        request.getfixturevalue("weaviate_url")
    return IndexSpec.model_validate(
        {"backend": request.param, "chunk_tokens": 32, "mode": "vector", "k": 1}
    )


@pytest.fixture
def name(spec: IndexSpec) -> Iterator[str]:
    """An index name of the test's own; what was made under it is removed."""
    yield from named(spec)


@pytest.fixture
def second_name(spec: IndexSpec) -> Iterator[str]:
    yield from named(spec)


def named(spec: IndexSpec) -> Iterator[str]:
    chosen = f"town-{uuid.uuid4().hex[:8]}"
    yield chosen
    backend = index_backend.BACKENDS[spec.backend](chosen)
    if spec.backend == "weaviate":
        connect_weaviate().alias.delete(alias_name=index_backend.prefix(chosen))
    for address in (*backend.records(chosen), *backend.collections(chosen)):
        backend.drop(address)


@pytest.fixture
def first(spec: IndexSpec, name: str) -> Index:
    return build(corpus_of(TEXTS), spec, name)


def corpus_of(texts: dict[str, str], **more: object) -> Corpus:
    documents = [
        Document.model_validate(
            {"id": name, "title": "Town", "text": text, "source": f"{name}.md",
             "sha": digest.of_text(text), **more}
        )
        for name, text in texts.items()
    ]  # fmt: skip
    return Corpus(documents=put_rows(documents), count=len(documents))


def told(index: Index, *fields: str) -> dict[str, int]:
    """What a report counts, without what is 0 and what it cost."""
    report = index_report(index).model_dump(exclude={"seconds", "bytes"}, exclude_defaults=True)
    return {field: report[field] for field in fields} if fields else report


def everything(index: Index) -> list[Passage]:
    (found,) = open_index(index).search(["the town"], Search(k=1000, mode="vector"))
    return sorted(found, key=lambda one: (one.document, one.position))


def held(index: Index) -> list[tuple[str, int, str]]:
    return [(one.document, one.position, one.text) for one in everything(index)]


def best(index: Index, query: str) -> Passage:
    return open_index(index).search([query], Search(k=1, mode="vector"))[0][0]


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


def test_everything_is_in_a_new_index(spec: IndexSpec, name: str) -> None:
    index = build(corpus_of(TEXTS | {"museum": LONG}), spec, name)
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
    assert build(corpus_of(TEXTS), spec, name, load=refuse) == first
    assert len(versions(name, spec.backend)) == 1


def test_one_changed_document_embeds_only_its_chunks(
    first: Index, spec: IndexSpec, name: str
) -> None:
    encoder = Counting()
    second = build(corpus_of(TEXTS | {"bread": NOON}), spec, name, load=encoder)
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
    second = build(corpus_of(rest), spec, name, load=refuse)
    assert told(second) == {"removed": 1, "kept": 3, "chunks_deleted": 1, "chunks_kept": 3}
    assert {one[0] for one in held(second)} == {"lamp", "bread", "yard"}


def test_renamed_document_is_a_move_that_embeds_nothing(
    first: Index, spec: IndexSpec, name: str
) -> None:
    renamed = {{"yard": "boatyard"}.get(document, document): t for document, t in TEXTS.items()}
    encoder = Counting()
    second = build(corpus_of(renamed), spec, name, load=encoder)
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
    second = build(corpus_of(TEXTS, date="2026-01-02", tags=["old"]), spec, name, load=encoder)
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
    index = build(corpus_of({f"copy-{n}": NOON for n in range(10)}), spec, name, load=encoder)
    assert encoder.texts == [f"Town\n{NOON}"]
    assert len(held(index)) == 10


def test_refreshed_index_holds_what_a_new_one_would(
    first: Index, spec: IndexSpec, name: str, second_name: str
) -> None:
    wanted = {"museum": LONG, **TEXTS, "bread": NOON}
    del wanted["lamp"]
    refreshed = build(corpus_of(wanted), spec, name)
    fresh = build(corpus_of(wanted), spec, second_name)
    assert held(refreshed) == held(fresh)
    one, other = (manifest_of(index).splitlines() for index in (refreshed, fresh))
    assert sorted(one) == sorted(other)
    for query in ("Who mends boats?", "Which room shows knot number 7?"):
        mine, its = best(refreshed, query), best(fresh, query)
        assert (mine.document, mine.position) == (its.document, its.position)
        assert mine.score == pytest.approx(its.score, abs=0.01)


@pytest.fixture
def rebuilt(first: Index, spec: IndexSpec, name: str) -> Index:
    other = spec.model_copy(update={"chunk_tokens": 16})
    return build(corpus_of(TEXTS), other, name, canaries=CANARIES)


def test_other_chunking_is_built_beside_and_swapped(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    assert rebuilt.sha != first.sha
    assert told(rebuilt, "rebuilt", "added", "canaries") == {
        "rebuilt": True, "added": 4, "canaries": 4
    }  # fmt: skip
    assert latest(first) == rebuilt
    assert exists(first)
    assert held(first) != held(rebuilt)
    listed = versions(name, spec.backend)
    assert [(one.address, one.current) for one in listed] == [
        (rebuilt.address, True), (first.address, False)
    ]  # fmt: skip


def test_rollback_returns_to_the_older_version(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    assert rollback(name, spec.backend) == first
    assert latest(rebuilt) == first
    assert exists(rebuilt)
    with pytest.raises(InputError, match="an older version"):
        rollback(name, spec.backend)


def test_former_chunking_comes_back_without_embedding(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    encoder = Counting()
    again = build(corpus_of(TEXTS), spec, name, load=encoder)
    assert encoder.texts == []
    assert again.sha == first.sha
    assert held(again) == held(first)
    assert latest(rebuilt) == again


def test_unknown_name_has_no_versions_and_nothing_to_roll_back_to(
    spec: IndexSpec, name: str
) -> None:
    assert versions(name, spec.backend) == ()
    with pytest.raises(InputError, match="an index that was built"):
        rollback(name, spec.backend)


def test_rebuild_that_finds_fewer_sources_is_refused(
    first: Index, spec: IndexSpec, name: str
) -> None:
    other = spec.model_copy(update={"chunk_tokens": 16, "canary_margin": 0.1})
    with pytest.raises(InputError, match=r"found '0\.\d+'; allowed: at least 1\.000"):
        build(corpus_of(TEXTS), other, name, CANARIES, load=documents_by(noise))
    assert latest(first) == first
    assert [one.address for one in versions(name, spec.backend)] == [first.address]
    wider = other.model_copy(update={"canary_margin": 1.0})
    encoder = Counting()
    taken = build(corpus_of(TEXTS), wider, name, CANARIES, load=documents_by(encoder))
    assert encoder.texts == []  # the refused collection is still there
    report = index_report(taken)
    assert report.canary_before == 1.0
    assert report.canary_after is not None
    assert report.canary_after < 0.9
    assert latest(first) == taken


def documents_by(load: Callable[[str], Encoder]) -> Callable[[str], Encoder]:
    """Questions are read by the real encoder, documents by another."""

    def both(ref: str) -> Encoder:
        real, other = load_encoder(ref), load(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            return (other if kind == "document" else real).encode(texts, kind)

        return replace(real, encode=encode)

    return both


def test_canaries_of_documents_that_are_gone_do_not_count(
    first: Index, spec: IndexSpec, name: str
) -> None:
    other = spec.model_copy(update={"chunk_tokens": 16})
    index = build(corpus_of({"lamp": TEXTS["lamp"]}), other, name, CANARIES)
    assert told(index, "canaries", "canary_before", "canary_after") == {
        "canaries": 1, "canary_before": 1.0, "canary_after": 1.0
    }  # fmt: skip


def test_refresh_asks_the_new_state_alone(first: Index, spec: IndexSpec, name: str) -> None:
    second = build(corpus_of(TEXTS | {"bread": NOON}), spec, name, CANARIES)
    counted = {"canaries": 4, "canary_before": 1.0, "canary_after": 1.0}
    assert told(second, *counted) == counted
    encoder = Counting()
    third = build(corpus_of(TEXTS), spec, name, CANARIES, load=encoder)
    assert told(third, *counted) == counted
    questions = sorted(one.question for one in CANARIES)
    assert sorted(text for text in encoder.texts if "\n" not in text) == questions


def test_interrupted_first_build_leaves_no_index(spec: IndexSpec, name: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(corpus_of(TEXTS), spec, name, load=Counting(until=0))
    assert versions(name, spec.backend) == ()


@pytest.mark.parametrize("fresh", [True, False])
def test_build_that_died_is_taken_up_where_it_stopped(
    spec: IndexSpec, name: str, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 4)
    present = None if fresh else build(corpus_of(TEXTS), spec, name)
    wanted = corpus_of({"museum": LONG, **TEXTS})
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
        build(corpus_of(TEXTS | {"bread": NOON}), spec, name, load=Counting(until=0))
    assert latest(first) == first
    assert "at three" in best(latest(first), "When is the oven fired?").text


def test_what_an_unfinished_build_left_is_cleared_by_another(
    first: Index, spec: IndexSpec, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 1)
    other = spec.model_copy(update={"chunk_tokens": 16})
    with pytest.raises(KeyboardInterrupt):
        build(corpus_of(TEXTS), other, name, load=Counting(until=1))
    backend = backend_of(first)
    assert len(backend.collections(name)) == 2
    build(corpus_of(TEXTS | {"bread": NOON}), spec, name)
    assert len(backend.collections(name)) == 1


@pytest.mark.parametrize("changed", [False, True])
def test_rows_lost_or_added_behind_its_back_are_mended_and_reported(
    first: Index, spec: IndexSpec, name: str, changed: bool
) -> None:
    backend, collection = backend_of(first), first.address.partition("@")[0]
    rows = backend.entries(collection)
    lost = [row for row, one in rows.items() if one.document in ("lamp", "yard")]
    known = backend.vectors(collection, [rows[lost[0]].sha])
    stray = Document(id="stray", title="", text="Stray.", source="s", sha="5")
    (piece,) = filling.chunk(stray, 32, lambda text: len(text.split()))
    extra = Row(str(uuid.uuid4()), piece)
    backend.write(collection, [extra], np.stack([*known.values()]))
    backend.delete(collection, lost)
    stir(first)
    texts = TEXTS | {"bread": NOON} if changed else TEXTS
    encoder = Counting()
    mended = build(corpus_of(texts), spec, name, load=encoder)
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
            build(corpus_of(TEXTS), other, name)
        assert all(uuid.UUID(row) for row in failed.value.ids)
    assert latest(first) == first
    mended = build(corpus_of(TEXTS), other, name)
    assert {document for document, _, _ in held(mended)} == set(TEXTS)


def test_versions_beyond_keep_are_removed_but_not_those_in_use(spec: IndexSpec, name: str) -> None:
    sizes = {16: "a", 20: "b", 24: "c", 32: "d"}
    built = {
        tokens: build(
            corpus_of(TEXTS),
            spec.model_copy(update={"chunk_tokens": tokens, "keep": 100}),
            name,
        )
        for tokens in sizes
    }
    removed = prune(name, 2, used=[built[16].sha], backend=spec.backend)
    assert removed == (built[20].address,)
    assert [exists(built[tokens]) for tokens in sizes] == [True, False, True, True]
    rollback(name, spec.backend)
    prune(name, 1, backend=spec.backend)
    assert [exists(built[tokens]) for tokens in sizes] == [False, False, True, True]
    with pytest.raises(InputError, match="build it again"):
        index_report(built[16])


def test_name_that_was_moved_meanwhile_is_left_where_it_is(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    def load(ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            rollback(name, spec.backend)
            return real.encode(texts, kind)

        return replace(real, encode=encode)

    other = spec.model_copy(update={"chunk_tokens": 20})
    with pytest.raises(InputError, match="while this build was at work"):
        build(corpus_of(TEXTS), other, name, load=load)
    assert latest(rebuilt) == first


def test_chunks_longer_than_the_encoder_reads_are_an_input_error(
    first: Index, spec: IndexSpec, name: str
) -> None:
    longer = spec.model_copy(update={"chunk_tokens": 400})
    with pytest.raises(InputError, match=r"index\.chunk_tokens.*400.*at most 254"):
        build(corpus_of(TEXTS), longer, name)
    assert latest(first) == first


def test_corpus_without_text_is_an_input_error_and_leaves_the_present_index(
    first: Index, spec: IndexSpec, name: str
) -> None:
    empty = Document(id="a", title="", text="\x00 ", source="a.md", sha="0")
    with pytest.raises(InputError, match="documents without text"):
        build(Corpus(documents=put_rows([empty]), count=1), spec, name)
    assert latest(first) == first
    assert len(held(first)) == 4


def test_strange_characters_in_every_field_are_indexed_and_kept(spec: IndexSpec, name: str) -> None:
    odd = "a'b\"c\\%_*\x07\u2028é"
    document = Document(
        id=odd, title=odd, text=f"Bells {odd}\x00\ud800 ring.", source=odd, sha="1", tags=(odd,)
    )
    corpus = Corpus(documents=put_rows([document]), count=1)
    index = build(corpus, spec, name)
    found = best(index, "bells")
    assert "ring." in found.text
    assert (found.document, found.title, found.source) == (odd, odd, odd)
    for where in ({"document": odd}, {"source": odd}, {"tags": odd}):
        assert open_index(index).search(["bells"], Search(k=1), where=where)[0] == (found,)
    assert build(corpus, spec, name, load=refuse) == index
    second = Corpus(
        documents=put_rows([document, document.model_copy(update={"id": "b"})]), count=2
    )
    assert told(build(second, spec, name), "kept", "added") == {"kept": 1, "added": 1}


@pytest.mark.parametrize("field", ["id", "title", "source", "tags"])
def test_name_that_is_no_unicode_is_an_input_error(
    first: Index, spec: IndexSpec, name: str, field: str
) -> None:
    given = {
        "id": "a",
        "title": "A",
        "text": "Bells.",
        "source": "a.md",
        "sha": "1",
        "tags": ("a",),
    }
    broken = given | {field: ("ring\udce9",) if field == "tags" else "ring\udce9"}
    corpus = Corpus(documents=put_rows([Document.model_validate(broken)]), count=1)
    with pytest.raises(InputError, match=r"ring\\\\udce9.*Rename"):
        build(corpus, spec, name)
    assert latest(first) == first


def test_collection_of_another_vector_length_is_named(spec: IndexSpec, name: str) -> None:
    index = build(corpus_of(TEXTS), spec, name)
    collection = index.address.partition("@")[0]
    backend = backend_of(index)
    document = Document(id="x", title="", text="Short.", source="s", sha="5")
    (piece,) = filling.chunk(document, 32, lambda text: len(text.split()))
    row = Row(str(uuid.uuid4()), piece)
    with pytest.raises((InputError, WriteFailed), match="384"):
        backend.write(collection, [row], np.ones((1, 8), np.float32))
    assert len(held(index)) == 4


def test_collection_is_named_by_index_and_settings(first: Index, name: str) -> None:
    collection = first.address.partition("@")[0]
    assert collection == collection_name(name, collection[-12:])
    assert isinstance(index_report(first), BuildReport)
