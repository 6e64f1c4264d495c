"""What a search does on every backend, written against the interface alone."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.artifacts import Corpus, Document, Index, Passage, Retrieval, Search, SearchMode
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval import search
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.retrieval.index import build, latest
from tasks.retrieval.search import Searcher, open_index, open_latest, retrieval_of, search_latest
from tasks.run import IndexSpec
from tasks.services import services
from tasks.store import put_rows
from tests.cross import build_cross_encoder

# The servers' fixtures: only the parameters that are marked for them start one.

RUN = uuid.uuid4().hex[:8]  # a server may hold what earlier runs left
MODES: tuple[SearchMode, ...] = ("vector", "keyword", "hybrid")
TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil. Keeper Maud Quill trims the wick at dusk.",
    "ferry": "The ferry Teasel crosses every hour. A crossing costs two pence for a grown person.",
    "bread": "The baker fires his oven at three. Rye loaves are sold before breakfast.",
    "café": "Zoë's café serves crème brûlée and 日本茶 on the quay. It shuts on Mondays.",
    "o'hara": "O'Hara's yard mends boats. Its slip takes hulls of up to forty feet.",
}  # fmt: skip
LONG = " ".join(f"Room {n} of the museum shows knot number {n} of the guild." for n in range(40))
DATES = {"lamp": "2024-05-01", "ferry": "2025-01-31"}
TAGS = {"lamp": ("light", "sea"), "ferry": ("sea",), "o'hara": ("o'hara's", "sea, side")}


def how(k: int, mode: SearchMode, alpha: float = 0.5, **more: object) -> Search:
    return Search.model_validate({"k": k, "mode": mode, "alpha": alpha, **more})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which an index is built once for all tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(params=["lancedb", pytest.param("weaviate", marks=pytest.mark.servers)])
def spec(
    request: pytest.FixtureRequest, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[IndexSpec]:
    monkeypatch.setenv("ADAPT_HOME", str(shared))
    services.cache_clear()
    if request.param == "weaviate":
        request.getfixturevalue("weaviate_url")
    yield IndexSpec.model_validate({"backend": request.param, "chunk_tokens": 32})
    services.cache_clear()


def corpus_of(texts: dict[str, str]) -> Corpus:
    documents = [
        Document(
            id=name, title=name.title(), text=text, source=f"docs/{name}.md",
            sha=digest.of_text(text), date=DATES.get(name), tags=TAGS.get(name, ()),
        )
        for name, text in texts.items()
    ]  # fmt: skip
    return Corpus(documents=put_rows(documents), count=len(documents))


@pytest.fixture
def built(spec: IndexSpec) -> Index:
    return build(corpus_of(TEXTS | {"museum": LONG}), spec, f"town-{RUN}")


@pytest.fixture
def searcher(built: Index) -> Searcher:
    return open_index(built)


@pytest.fixture
def copies(spec: IndexSpec) -> Searcher:
    """Sixty documents of one text, from `copy-059` down to `copy-000`."""
    documents = [
        Document(id=name, title="Copy", text="The same bell rings.", source=name, sha=name)
        for name in (f"copy-{n:03}" for n in reversed(range(60)))
    ]
    corpus = Corpus(documents=put_rows(documents), count=60)
    return open_index(build(corpus, spec, f"copies-{RUN}"))


def places(passages: Sequence[Passage]) -> list[tuple[str, int]]:
    return [(passage.document, passage.position) for passage in passages]


@pytest.mark.parametrize("mode", MODES)
def test_finds_the_document_that_answers(searcher: Searcher, mode: SearchMode) -> None:
    queries = ["How much is a ferry crossing?", "Who trims the wick of the lamp?"]
    found = searcher.search(queries, how(2, mode))
    assert [passages[0].document for passages in found] == ["ferry", "lamp"]
    assert "two pence" in found[0][0].text
    assert (found[0][0].title, found[0][0].source) == ("Ferry", "docs/ferry.md")
    assert found[0][0].sha == digest.of_text(found[0][0].text)


@pytest.mark.parametrize("mode", MODES)
def test_gives_at_most_k_passages_best_first(searcher: Searcher, mode: SearchMode) -> None:
    for k in (1, 2, 5):
        (passages,) = searcher.search(["museum room with knot number 7"], how(k, mode))
        assert len(passages) == k
        scores = [passage.score for passage in passages]
        assert scores == sorted(scores, reverse=True)


def test_vector_search_scores_by_cosine(searcher: Searcher) -> None:
    query = "Who trims the wick?"
    (passages,) = searcher.search([query], how(3, "vector"))
    encode = load_encoder(searcher.index.encoder).encode
    (asked,) = encode([query], "query")
    cosines = [float(asked @ encode([one.text], "document")[0]) for one in passages]
    assert [one.score for one in passages] == pytest.approx(cosines, abs=0.01)


def test_k_beyond_the_corpus_gives_every_passage_once(searcher: Searcher) -> None:
    (passages,) = searcher.search(["boats"], how(1000, "vector"))
    assert len(set(places(passages))) == len(passages) == searcher.index.chunks


@pytest.mark.parametrize("mode", MODES)
def test_fewer_best_are_the_first_of_more(searcher: Searcher, mode: SearchMode) -> None:
    few, many = (searcher.search(["knot of the guild"], how(k, mode))[0] for k in (3, 20))
    assert many[:3] == few


@pytest.mark.parametrize("mode", MODES)
def test_filter_keeps_equal_fields_only(searcher: Searcher, mode: SearchMode) -> None:
    query = ["boats, bread, a ferry and lamps"]
    for where, documents in (
        ({"document": "o'hara"}, {"o'hara"}),
        ({"source": "docs/bread.md"}, {"bread"}),
        ({"title": "Lamp", "source": "docs/lamp.md"}, {"lamp"}),
        ({"date": "2025-01-31"}, {"ferry"}),
        ({"tags": "sea"}, {"lamp", "ferry"}),
        ({"tags": "sea", "date": "2024-05-01"}, {"lamp"}),
        ({"tags": "o'hara's"}, {"o'hara"}),
        ({"tags": "side"}, set()),
        ({"date": "2024"}, set()),
        ({"document": "x' OR '1'='1"}, set()),
    ):
        (passages,) = searcher.search(query, how(50, mode), where)
        assert {passage.document for passage in passages} == documents


@pytest.mark.parametrize("mode", MODES)
def test_passages_carry_the_tags_of_their_document(searcher: Searcher, mode: SearchMode) -> None:
    (passages,) = searcher.search(["boats, bread, a ferry and lamps"], how(50, mode))
    assert any(passage.tags for passage in passages)
    for passage in passages:
        assert passage.tags == tuple(TAGS.get(passage.document, ()))


def test_filter_on_an_unknown_field_is_an_input_error(searcher: Searcher) -> None:
    with pytest.raises(InputError, match=r"author.*document, title, source, date, tags"):
        searcher.search(["x"], how(1, "vector"), {"author": "Maud"})


def test_k_below_one_is_an_input_error(searcher: Searcher) -> None:
    with pytest.raises(InputError, match=r"index\.k"):
        searcher.search(["x"], how(0, "vector"))


@pytest.mark.parametrize("mode", MODES)
def test_equal_passages_come_in_the_order_of_their_documents(
    copies: Searcher, mode: SearchMode
) -> None:
    (passages,) = copies.search(["Which bell rings?"], how(7, mode))
    assert [passage.document for passage in passages] == [f"copy-{n:03}" for n in range(7)]


@pytest.mark.parametrize("mode", MODES)
def test_filter_is_applied_before_the_k_best_are_taken(copies: Searcher, mode: SearchMode) -> None:
    for document in ("copy-000", "copy-031", "copy-059"):
        (passages,) = copies.search(["Which bell rings?"], how(1, mode), {"document": document})
        assert [passage.document for passage in passages] == [document]


@pytest.mark.parametrize("mode", MODES)
def test_blank_queries_find_nothing_and_keep_their_place(
    searcher: Searcher, mode: SearchMode
) -> None:
    found = searcher.search(["", "ferry crossing", " \n\x00\ud800"], how(2, mode))
    assert [bool(passages) for passages in found] == [False, True, False]
    assert searcher.search([], how(2, mode)) == ()
    assert searcher.search([""], how(2, mode)) == ((),)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "query",
    ['"ferry', "ferry AND (", "ferry*^~:", "text:ferry", "-ferry +NOT", "ferry'; DROP TABLE x"],
)
def test_operators_and_quotes_are_only_text(
    searcher: Searcher, mode: SearchMode, query: str
) -> None:
    (passages,) = searcher.search([query], how(1, mode))
    assert [passage.document for passage in passages] == ["ferry"]


def test_words_of_no_passage_match_nothing_by_keyword(searcher: Searcher) -> None:
    assert searcher.search(["xylophone"], how(3, "keyword")) == ((),)


@pytest.mark.parametrize("query", ["Zoë", "日本茶", "cafe", "CRÈME BRU\u0302LÉE"])
def test_unicode_is_found_by_keyword(searcher: Searcher, query: str) -> None:
    (passages,) = searcher.search([query], how(1, "keyword"))
    assert [passage.document for passage in passages] == ["café"]


def test_hybrid_with_alpha_at_its_ends_is_one_search_alone(searcher: Searcher) -> None:
    query = ["What does the yard charge for mending a knot?"]

    def order(mode: SearchMode, alpha: float) -> list[tuple[str, int]]:
        return places(searcher.search(query, how(6, mode, alpha))[0])

    assert order("hybrid", 1) == order("vector", 0.5)
    assert order("hybrid", 0) == order("keyword", 0.5)
    assert order("vector", 0.5) != order("keyword", 0.5)


def test_keyword_search_loads_no_encoder(built: Index) -> None:
    def refuse(ref: str) -> Encoder:
        raise AssertionError(ref)

    (passages,) = open_index(built, refuse).search(["ferry"], how(1, "keyword"))
    assert passages[0].document == "ferry"


def test_queries_are_encoded_in_one_call(built: Index) -> None:
    calls: list[tuple[int, str]] = []

    def load(ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            calls.append((len(texts), kind))
            return real.encode(texts, kind)

        return replace(real, encode=encode)

    open_index(built, load).search(["a lamp", "", "a boat", "bread"], how(1, "hybrid"))
    assert calls == [(3, "query")]


@pytest.mark.parametrize("mode", ["vector", "hybrid"])
def test_nothing_is_found_where_the_best_is_not_similar_enough(
    searcher: Searcher, mode: SearchMode
) -> None:
    queries = ["Who trims the wick of the lamp?", "the tax law of Bolivia in 1974"]
    best = [one[0].score for one in searcher.search(queries, how(1, "vector"))]
    between = sum(best) / 2
    plain = searcher.search(queries, how(3, mode))
    assert searcher.search(queries, how(3, mode, min_similarity=between)) == (plain[0], ())
    assert searcher.search(queries, how(3, mode, min_similarity=0.01)) == plain
    assert searcher.search(queries, how(3, mode, min_similarity=best[0])) == (plain[0], ())


def test_the_threshold_is_of_what_the_filter_leaves(searcher: Searcher) -> None:
    query = ["Who trims the wick of the lamp?"]
    only = {"document": "bread"}
    assert searcher.search(query, how(3, "vector", min_similarity=0.5))[0]
    assert searcher.search(query, how(3, "vector", min_similarity=0.5), only) == ((),)


@pytest.mark.parametrize("mode", MODES)
def test_neighbours_of_a_hit_are_joined_to_it(searcher: Searcher, mode: SearchMode) -> None:
    query = ["museum room that shows knot number 7"]
    (hits,) = searcher.search(query, how(1, mode, alpha=0))
    (passages,) = searcher.search(query, how(1, mode, alpha=0, neighbours=1))
    (whole,) = searcher.search(query, how(50, "vector"), {"document": hits[0].document})
    chunks = {one.position: one.text for one in whole}
    (hit,), (passage,) = hits, passages
    assert (passage.position, passage.last) == (hit.position - 1, hit.position + 1)
    bodies = [chunks[at].partition("\n")[2] for at in range(passage.position, hit.position + 2)]
    assert passage.text == "\n".join(["Museum", *bodies])
    assert passage.sha == digest.of_text(passage.text)
    assert (passage.score, passage.source) == (hit.score, "docs/museum.md")


def test_joined_passages_are_at_most_k_and_share_no_chunk(searcher: Searcher) -> None:
    queries = ["knot of the guild in the museum", "ferry"]
    for passages in searcher.search(queries, how(6, "vector", neighbours=2)):
        assert len(passages) <= 6
        held = [
            (one.document, at)
            for one in passages
            for at in range(one.position, (one.position if one.last is None else one.last) + 1)
        ]
        assert len(held) == len(set(held))
        assert [one.score for one in passages] == sorted((p.score for p in passages), reverse=True)


@pytest.mark.parametrize("mode", MODES)
def test_a_reranker_orders_what_the_search_found(
    searcher: Searcher, mode: SearchMode, tmp_path: Path
) -> None:
    from tasks.retrieval.rerank import load_reranker

    ref = build_cross_encoder(tmp_path)
    query = "when is the ferry crossing room 7"
    (all_,) = searcher.search([query], how(50, mode))
    (passages,) = searcher.search([query], how(3, mode, reranker=ref))
    scores = load_reranker(ref)(query, [one.text for one in all_])
    best = sorted(zip(scores, all_, strict=True), key=lambda one: -one[0])[:3]
    assert places(passages) == places([one for _, one in best])
    assert [one.score for one in passages] == pytest.approx([score for score, _ in best], abs=1e-5)


def test_a_system_names_its_rerankers_weights_and_refuses_others(
    searcher: Searcher, tmp_path: Path
) -> None:
    ref = build_cross_encoder(tmp_path, seed=0)
    retrieval = retrieval_of(searcher.index, how(3, "hybrid", reranker=ref))
    assert isinstance(retrieval, Retrieval)
    assert searcher.search(["ferry"], retrieval)[0]
    build_cross_encoder(tmp_path, seed=1)
    other = retrieval_of(searcher.index, how(3, "hybrid", reranker=ref))
    assert other.digest != retrieval.digest
    with pytest.raises(InputError, match=r"index\.reranker.*measured with"):
        searcher.search(["ferry"], retrieval)


def test_describe_says_what_is_in_it(searcher: Searcher, spec: IndexSpec) -> None:
    described = searcher.describe()
    (passages,) = searcher.search(["anything"], how(1000, "vector"))
    assert described["chunks"] == len(passages)
    assert described["name"] == f"town-{RUN}"
    assert described["backend"] == spec.backend
    assert described["chunk_tokens"] == 32
    assert described["dimension"] == 384
    assert described["sha"] == searcher.index.sha
    assert described["encoder"] == spec.encoder
    assert described["fields"] == ("document", "title", "source", "date", "tags")


def test_the_latest_is_searched_by_name_and_what_moved_on_is_not_searched_in_its_stead(
    spec: IndexSpec,
) -> None:
    name = f"moving-{RUN}"
    first = build(corpus_of(TEXTS), spec, name)
    second = build(corpus_of(TEXTS | {"bread": "The oven is fired at noon."}), spec, name)
    assert first.sha != second.sha
    query = ["When is the oven fired?"]
    now = open_latest(first)
    assert now.index.sha == second.sha
    assert "noon" in now.search(query, how(1, "vector"))[0][0].text
    if first.address == second.address:  # refreshed in place
        with pytest.raises(InputError, match="moved on"):
            open_index(first)
    else:
        assert "at three" in open_index(first).search(query, how(1, "vector"))[0][0].text


def test_a_version_removed_under_a_search_is_replaced_by_the_present_one(
    spec: IndexSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"swapped-{RUN}"
    first = build(corpus_of(TEXTS), spec, name)
    other = spec.model_copy(update={"chunk_tokens": 48, "keep": 1})
    second = build(corpus_of(TEXTS), other, name)  # and the first is gone
    answers = iter([first])
    monkeypatch.setattr(search, "latest", lambda index: next(answers, None) or latest(index))
    (found,), searched = search_latest(first, ["Who trims the wick?"], how(1, "hybrid"))
    assert searched.sha == second.sha != first.sha
    assert found[0].document == "lamp"
    with pytest.raises(InputError, match=r"index\.k"):  # what no version mends
        search_latest(first, ["Who trims the wick?"], how(0, "hybrid"))


def test_an_encoder_of_other_weights_does_not_open(built: Index) -> None:
    with pytest.raises(InputError, match="weights it was built with"):
        open_index(built.model_copy(update={"encoder_sha": "0"}))


def test_an_index_that_is_not_there_does_not_open(built: Index) -> None:
    with pytest.raises(InputError, match="found 'nothing'"):
        open_index(built.model_copy(update={"address": built.address + "9"}))
