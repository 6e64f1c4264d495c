"""What a search finds on every backend, written against the interface alone."""

import pytest

from tasks.artifacts import SearchMode
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval.encoding import load_encoder
from tasks.retrieval.search import Searcher
from tests.tasks.retrieval.searching import MODES, TAGS, how, places


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
