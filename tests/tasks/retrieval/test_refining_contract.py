"""What a search does with what it found, on every backend: threshold, neighbours, reranking."""

from pathlib import Path

import pytest

from tasks.artifacts import Retrieval, SearchMode
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval.search import Searcher, retrieval_of
from tests.cross import build_cross_encoder
from tests.tasks.retrieval.searching import MODES, how, places


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
