"""How rankings become what is found, with a backend whose rankings are written down."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest

from tasks.artifacts import Passage, Search
from tasks.retrieval.backend import Backend, Query, Ranked
from tasks.retrieval.encoding import Encoder
from tasks.retrieval.search import FUSED_FROM, WIDEST, Searcher, fused, retrieval_of
from tests.corpora import index_of_nothing

INDEX = index_of_nothing(dimension=2)


def passage(document: str, score: float, position: int = 0) -> Passage:
    return Passage(
        document=document, title="", position=position, text=f"{document}{position}",
        score=score, sha=document,
    )  # fmt: skip


def ranked(scores: Mapping[str, float]) -> Ranked:
    return [passage(document, score) for document, score in scores.items()]


class Shelf:
    """Two rankings, in the order in which a store happens to give equal scores."""

    def __init__(self, near: Ranked = (), matching: Ranked = ()) -> None:  # type: ignore[assignment]
        self.rankings = {"near": list(near), "matching": list(matching)}
        self.limits: list[tuple[str, int]] = []

    def _best(self, name: str, query: Query) -> list[Ranked]:
        self.limits.append((name, query.k))
        return [self.rankings[name][: query.k] for _ in query.texts]

    def near(self, address: str, query: Query) -> list[Ranked]:
        assert query.vectors is not None
        return self._best("near", query)

    def matching(self, address: str, query: Query) -> list[Ranked]:
        return self._best("matching", query)


def load(ref: str) -> Encoder:
    def encode(texts: Sequence[str], kind: str) -> Any:
        return np.ones((len(texts), 2), np.float32)

    return Encoder("e", "es", "eb", 2, 64, encode, len)


def found(shelf: Shelf, how: Search) -> list[str]:
    searcher = Searcher(INDEX, cast(Backend, shelf), load)
    (passages,) = searcher.search(["?"], how)
    return [one.document for one in passages]


def test_a_tie_across_the_last_place_is_fetched_whole_and_settled_by_name() -> None:
    names = [f"{n:03}" for n in range(100)]
    shelf = Shelf(near=ranked({"first": 0.9} | dict.fromkeys(reversed(names), 0.5) | {"x": 0.1}))
    assert found(shelf, Search(k=3)) == ["first", "000", "001"]
    assert [limit for _, limit in shelf.limits] == [11, 44, 176]


def test_no_tie_at_the_last_place_takes_one_request() -> None:
    shelf = Shelf(near=ranked({f"{n:03}": 1 - n / 100 for n in range(90)}))
    assert found(shelf, Search(k=3)) == ["000", "001", "002"]
    assert shelf.limits == [("near", 11)]


def test_differences_that_rounding_takes_away_are_ties() -> None:
    shelf = Shelf(near=ranked({"b": 0.50000012, "a": 0.50000008, "c": 0.4}))
    assert found(shelf, Search(k=2)) == ["a", "b"]


def test_a_tie_wider_than_stores_give_ends() -> None:
    shelf = Shelf(near=ranked({f"{n:06}": 0.5 for n in range(WIDEST + 5)}))
    assert found(shelf, Search(k=2)) == ["000000", "000001"]
    assert shelf.limits[-1] == ("near", WIDEST)


def test_hybrid_takes_the_same_from_each_ranking_whatever_k() -> None:
    near = ranked({f"{n:03}": 1 - n / 200 for n in range(150)})
    matching = ranked({f"{n:03}": float(n) for n in reversed(range(150))})
    best = found(Shelf(near, matching), Search(k=20, mode="hybrid", alpha=0.7))
    assert found(Shelf(near, matching), Search(k=4, mode="hybrid", alpha=0.7)) == best[:4]
    shelf = Shelf(near, matching)
    found(shelf, Search(k=4, mode="hybrid"))
    assert [limit for _, limit in shelf.limits] == [FUSED_FROM + 8, FUSED_FROM + 8]


def test_keyword_mode_asks_for_words_alone_and_vector_mode_for_vectors_alone() -> None:
    one, other = ranked({"a": 0.9}), ranked({"b": 7.0})
    assert found(Shelf(one, other), Search(k=1, mode="keyword")) == ["b"]
    assert found(Shelf(one, other), Search(k=1, mode="vector")) == ["a"]


@pytest.mark.parametrize(("least", "names"), [(0.6, ["a", "b"]), (0.61, [])])
def test_similarity_is_that_of_the_best_by_vector_also_where_words_match(
    least: float, names: list[str]
) -> None:
    shelf = Shelf(ranked({"a": 0.6, "c": 0.1}), ranked({"b": 30.0, "c": 1.0}))
    how = Search(k=2, mode="hybrid", min_similarity=least)
    assert found(shelf, how) == names


def test_a_store_without_near_passages_is_not_similar() -> None:
    how = Search(k=2, mode="hybrid", min_similarity=0.1)
    assert found(Shelf([], ranked({"b": 30.0})), how) == []
    assert found(Shelf([], ranked({"b": 30.0})), Search(k=2, mode="hybrid")) == ["b"]


def test_fusion_adds_the_weighted_relative_scores_of_passages() -> None:
    near, matching = ranked({"a": 0.9, "b": 0.6, "c": 0.5}), ranked({"c": 30, "b": 20, "d": 10})
    order = [(one.document, one.score) for one in fused(near, matching, 0.6)]
    assert order == [("a", 0.6), ("c", 0.4), ("b", 0.35), ("d", 0)]


def test_fusion_tells_the_chunks_of_a_document_apart() -> None:
    near = [passage("a", 0.9, 0), passage("a", 0.8, 1)]
    order = [(one.document, one.position) for one in fused(near, [passage("a", 3, 1)], 0.5)]
    assert order == [("a", 0), ("a", 1)]


def test_a_retrieval_has_all_that_the_search_says() -> None:
    how = Search(k=4, mode="hybrid", alpha=0.3, neighbours=1, min_similarity=0.2)
    made = retrieval_of(INDEX, how)
    assert {name: getattr(made, name) for name in Search.model_fields} == how.model_dump()
    assert (made.index, made.reranker_sha) == (INDEX, None)
