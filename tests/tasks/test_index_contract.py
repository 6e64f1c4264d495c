"""What every index backend must do, written against the interface alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tasks import index as index_module
from tasks.artifacts import Corpus, Document, Index, SearchMode
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.index import BACKENDS, build, open_index
from tasks.run import IndexSpec
from tasks.store import local_folder, put_rows

MODES: tuple[SearchMode, ...] = ("vector", "keyword", "hybrid")
TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil. Keeper Maud Quill trims the wick at dusk.",
    "ferry": "The ferry Teasel crosses every hour. A crossing costs two pence for a grown person.",
    "bread": "The baker fires his oven at three. Rye loaves are sold before breakfast.",
    "café": "Zoë's café serves crème brûlée and 日本茶 on the quay. It shuts on Mondays.",
    "o'hara": "O'Hara's yard mends boats. Its slip takes hulls of up to forty feet.",
}  # fmt: skip
LONG = " ".join(f"Room {n} of the museum shows knot number {n} of the guild." for n in range(40))


class Counting:
    """The real encoder with a count of the texts that it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            self.texts += texts
            return real.encode(texts, kind)

        return replace(real, encode=encode)


@pytest.fixture(params=sorted(BACKENDS))
def spec(request: pytest.FixtureRequest) -> IndexSpec:
    return IndexSpec.model_validate({"backend": request.param, "chunk_tokens": 32})


def corpus_of(texts: dict[str, str]) -> Corpus:
    documents = [
        Document(
            id=name, title=name.title(), text=text, source=f"{name}.md", sha=digest.of_text(text)
        )
        for name, text in texts.items()
    ]
    return Corpus(documents=put_rows(documents), count=len(documents))


@pytest.fixture
def built(home: Path, spec: IndexSpec) -> Index:
    return build(corpus_of(TEXTS | {"museum": LONG}), spec, "town")


@pytest.mark.parametrize("mode", MODES)
def test_finds_the_document_that_answers(built: Index, mode: SearchMode) -> None:
    queries = ["How much is a ferry crossing?", "Who trims the wick of the lamp?"]
    found = open_index(built).search(queries, k=2, mode=mode)
    assert [passages[0].document for passages in found] == ["ferry", "lamp"]
    assert "two pence" in found[0][0].text
    assert found[0][0].title == "Ferry"


@pytest.mark.parametrize("mode", MODES)
def test_gives_at_most_k_passages_best_first(built: Index, mode: SearchMode) -> None:
    for k in (1, 2, 5):
        (passages,) = open_index(built).search(["museum room with knot number 7"], k=k, mode=mode)
        assert len(passages) == k
        scores = [passage.score for passage in passages]
        assert scores == sorted(scores, reverse=True)


def test_k_beyond_the_corpus_gives_every_passage_once(built: Index) -> None:
    (passages,) = open_index(built).search(["boats"], k=1000, mode="vector")
    assert len({(one.document, one.position) for one in passages}) == len(passages) == built.chunks


@pytest.mark.parametrize("mode", MODES)
def test_fewer_best_are_the_first_of_more(built: Index, mode: SearchMode) -> None:
    searcher = open_index(built)
    few, many = (searcher.search(["knot of the guild"], k=k, mode=mode)[0] for k in (3, 20))
    assert many[:3] == few


@pytest.mark.parametrize("mode", MODES)
def test_filter_keeps_equal_fields_only(built: Index, mode: SearchMode) -> None:
    searcher, query = open_index(built), ["boats, bread and lamps"]
    for where, document in (
        ({"document": "o'hara"}, "o'hara"),
        ({"source": "bread.md"}, "bread"),
        ({"title": "Lamp", "source": "lamp.md"}, "lamp"),
    ):
        (passages,) = searcher.search(query, k=50, mode=mode, where=where)
        assert {passage.document for passage in passages} == {document}
    assert searcher.search(query, k=5, mode=mode, where={"document": "x' OR '1'='1"}) == ((),)


def test_filter_on_an_unknown_field_is_an_input_error(built: Index) -> None:
    with pytest.raises(InputError, match=r"author.*document, title, source"):
        open_index(built).search(["x"], k=1, mode="vector", where={"author": "Maud"})


def test_k_below_one_is_an_input_error(built: Index) -> None:
    with pytest.raises(InputError, match=r"index\.k"):
        open_index(built).search(["x"], k=0, mode="vector")


@pytest.fixture
def copies(home: Path, spec: IndexSpec) -> Index:
    """Sixty documents of one text, from `copy-059` down to `copy-000`."""
    documents = [
        Document(id=name, title="Copy", text="The same bell rings.", source=name, sha=name)
        for name in (f"copy-{n:03}" for n in reversed(range(60)))
    ]
    return build(Corpus(documents=put_rows(documents), count=60), spec, "copies")


@pytest.mark.parametrize("mode", MODES)
def test_equal_passages_come_in_the_order_of_their_documents(
    copies: Index, mode: SearchMode
) -> None:
    (passages,) = open_index(copies).search(["Which bell rings?"], k=7, mode=mode)
    assert [passage.document for passage in passages] == [f"copy-{n:03}" for n in range(7)]


@pytest.mark.parametrize("mode", MODES)
def test_filter_is_applied_before_the_k_best_are_taken(copies: Index, mode: SearchMode) -> None:
    for document in ("copy-000", "copy-031", "copy-059"):
        (passages,) = open_index(copies).search(
            ["Which bell rings?"], k=1, mode=mode, where={"document": document}
        )
        assert [passage.document for passage in passages] == [document]


@pytest.mark.parametrize("mode", MODES)
def test_blank_queries_find_nothing_and_keep_their_place(built: Index, mode: SearchMode) -> None:
    found = open_index(built).search(["", "ferry crossing", " \n\x00\ud800"], k=2, mode=mode)
    assert [bool(passages) for passages in found] == [False, True, False]
    assert open_index(built).search([], k=2, mode=mode) == ()
    assert open_index(built).search([""], k=2, mode=mode) == ((),)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "query",
    ['"ferry', "ferry AND (", "ferry*^~:", "text:ferry", "-ferry +NOT", "ferry'; DROP TABLE x"],
)
def test_operators_and_quotes_are_only_text(built: Index, mode: SearchMode, query: str) -> None:
    (passages,) = open_index(built).search([query], k=1, mode=mode)
    assert [passage.document for passage in passages] == ["ferry"]


def test_words_of_no_passage_match_nothing_by_keyword(built: Index) -> None:
    assert open_index(built).search(["xylophone"], k=3, mode="keyword") == ((),)


@pytest.mark.parametrize("query", ["Zoë", "日本茶", "cafe", "CRÈME BRU\u0302LÉE"])
def test_unicode_is_found_by_keyword(built: Index, query: str) -> None:
    (passages,) = open_index(built).search([query], k=1, mode="keyword")
    assert [passage.document for passage in passages] == ["café"]


def test_hybrid_with_alpha_at_its_ends_is_one_search_alone(built: Index) -> None:
    searcher, query = open_index(built), ["What does the yard charge for mending a knot?"]

    def order(mode: SearchMode, alpha: float) -> list[tuple[str, int]]:
        (passages,) = searcher.search(query, k=6, mode=mode, alpha=alpha)
        return [(passage.document, passage.position) for passage in passages]

    assert order("hybrid", 1) == order("vector", 0.5)
    assert order("hybrid", 0) == order("keyword", 0.5)
    assert order("vector", 0.5) != order("keyword", 0.5)


def test_keyword_search_loads_no_encoder(built: Index) -> None:
    def refuse(ref: str) -> Encoder:
        raise AssertionError(ref)

    (passages,) = open_index(built, refuse).search(["ferry"], k=1, mode="keyword")
    assert passages[0].document == "ferry"


def test_queries_are_encoded_in_one_call(built: Index) -> None:
    calls: list[tuple[int, str]] = []

    def load(ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            calls.append((len(texts), kind))
            return real.encode(texts, kind)

        return replace(real, encode=encode)

    open_index(built, load).search(["a lamp", "", "a boat", "bread"], k=1, mode="hybrid")
    assert calls == [(3, "query")]


def test_describe_says_what_is_in_it(built: Index, spec: IndexSpec) -> None:
    described = open_index(built).describe()
    (passages,) = open_index(built).search(["anything"], k=1000, mode="vector")
    assert described["chunks"] == len(passages)
    assert described["name"] == "town"
    assert described["backend"] == spec.backend
    assert described["chunk_tokens"] == 32
    assert described["dimension"] == 384
    assert described["sha"] == built.sha
    assert described["encoder"] == spec.encoder


def test_unchanged_corpus_embeds_nothing(home: Path, spec: IndexSpec) -> None:
    first = build(corpus_of(TEXTS), spec, "town")
    encoder = Counting()
    assert build(corpus_of(TEXTS), spec, "town", encoder) == first
    assert encoder.texts == []


def test_one_changed_document_embeds_only_its_chunks(home: Path, spec: IndexSpec) -> None:
    first = build(corpus_of(TEXTS), spec, "town")
    changed = TEXTS | {"bread": "The baker now fires his oven at noon."}
    encoder = Counting()
    second = build(corpus_of(changed), spec, "town", encoder)
    assert encoder.texts == ["Bread\nThe baker now fires his oven at noon."]
    assert second.sha != first.sha
    (old,), (new,) = (
        open_index(index).search(["When is the oven fired?"], k=1, mode="vector")
        for index in (first, second)
    )
    assert "at three" in old[0].text
    assert "at noon" in new[0].text


def test_reused_vectors_search_like_fresh_ones(home: Path, spec: IndexSpec) -> None:
    build(corpus_of(dict(reversed(TEXTS.items()))), spec, "town")
    encoder = Counting()
    reused = build(corpus_of(TEXTS), spec, "town", encoder)
    fresh = build(corpus_of(TEXTS), spec, "other")
    assert encoder.texts == []
    queries = ["Who trims the wick?", "What does the café serve?"]
    one, other = (open_index(index).search(queries, 3, "vector") for index in (reused, fresh))
    assert [[p.sha for p in found] for found in one] == [[p.sha for p in found] for found in other]
    for mine, its in zip(one, other, strict=True):
        assert [p.score for p in mine] == pytest.approx([p.score for p in its], abs=0.01)


@pytest.mark.parametrize("lost", ["pointer", "damaged pointer", "data"])
def test_lost_index_is_built_whole_with_the_same_sha(
    home: Path, spec: IndexSpec, lost: Literal["pointer", "damaged pointer", "data"]
) -> None:
    first = build(corpus_of(TEXTS), spec, "town")
    pointer = home / "indexes" / "town.json"
    if lost == "pointer":
        pointer.unlink()
    elif lost == "damaged pointer":
        pointer.write_text(pointer.read_text()[:40])
    else:
        folder = local_folder(first.blob)
        folder.rename(folder.with_name("elsewhere"))
    encoder = Counting()
    again = build(corpus_of(TEXTS), spec, "town", encoder)
    assert again.sha == first.sha
    assert len(encoder.texts) == again.chunks == first.chunks
    assert open_index(again).search(["ferry"], k=1, mode="keyword")[0][0].document == "ferry"


def test_sha_changes_with_the_chunk_size(home: Path, spec: IndexSpec) -> None:
    larger = spec.model_copy(update={"chunk_tokens": 64})
    assert build(corpus_of(TEXTS), spec, "a").sha != build(corpus_of(TEXTS), larger, "b").sha


def _failing_encoder(ref: str) -> Encoder:
    def encode(texts: Sequence[str], kind: Kind) -> Vectors:
        raise KeyboardInterrupt

    return replace(load_encoder(ref), encode=encode)


def test_build_interrupted_in_embedding_leaves_no_index(home: Path, spec: IndexSpec) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(corpus_of(TEXTS), spec, "town", _failing_encoder)
    assert not list((home / "store").glob("indexes/*"))
    assert not (home / "indexes" / "town.json").exists()


def test_build_interrupted_in_writing_leaves_no_index_and_the_next_one_works(
    home: Path, spec: IndexSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BACKENDS[spec.backend]

    def half(folder: Path, chunks: Sequence[object], vectors: Vectors) -> None:
        real.write(folder, chunks[:2], vectors[:2])  # type: ignore[arg-type]
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setitem(index_module.BACKENDS, spec.backend, replace(real, write=half))
        with pytest.raises(OSError, match="disk full"):
            build(corpus_of(TEXTS), spec, "town")
    assert not list((home / "store").glob("indexes/*"))
    index = build(corpus_of(TEXTS), spec, "town")
    assert len(open_index(index).search(["x y"], k=99, mode="vector")[0]) == index.chunks


def _gone(index: Index) -> Index:
    blob = index.blob.model_copy(update={"uri": index.blob.uri + "-gone"})
    return index.model_copy(update={"blob": blob})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_gone, "an index in the store"),
        (lambda index: index.model_copy(update={"chunks": 99}), "99 passages"),
        (lambda index: index.model_copy(update={"encoder_sha": "0"}), "weights it was built with"),
    ],
)
def test_spoilt_index_does_not_open(
    built: Index, spoil: Callable[[Index], Index], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        open_index(spoil(built))


def test_chunks_longer_than_the_encoder_reads_are_an_input_error(
    home: Path, spec: IndexSpec
) -> None:
    longer = spec.model_copy(update={"chunk_tokens": 400})
    with pytest.raises(InputError, match=r"index\.chunk_tokens.*400.*at most 254"):
        build(corpus_of(TEXTS), longer, "town")


def test_corpus_without_text_is_an_input_error(home: Path, spec: IndexSpec) -> None:
    empty = Document(id="a", title="", text="\x00 ", source="a.md", sha="0")
    with pytest.raises(InputError, match="documents without text"):
        build(Corpus(documents=put_rows([empty]), count=1), spec, "town")
