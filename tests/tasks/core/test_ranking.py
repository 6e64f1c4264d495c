import pytest

from tasks.core.ranking import fused_scores, ndcg_at, recall_at, reciprocal_rank


def test_positions_count_passages_so_a_document_twice_takes_two_places() -> None:
    ranked = ["a", "a", "b"]
    assert recall_at(ranked, "b", 2) == 0.0
    assert recall_at(ranked, "b", 3) == 1.0
    assert reciprocal_rank(ranked, "b") == pytest.approx(1 / 3)


def test_the_first_passage_of_the_source_is_its_rank() -> None:
    assert reciprocal_rank(["x", "a", "a"], "a") == 0.5


def test_a_list_shorter_than_k_is_taken_as_it_is() -> None:
    assert recall_at(["a"], "a", 10) == 1.0
    assert recall_at([], "a", 10) == 0.0


def test_a_source_that_is_not_there_scores_nothing() -> None:
    assert reciprocal_rank(["x", "y"], "a") == 0.0
    assert reciprocal_rank([], "a") == 0.0


def test_nothing_is_found_in_the_first_zero_and_a_negative_k_is_refused() -> None:
    assert recall_at(["a"], "a", 0) == 0.0
    with pytest.raises(ValueError, match="k must be at least 0"):
        recall_at(["a", "b"], "a", -1)


def test_gain_falls_with_the_logarithm_of_the_rank() -> None:
    assert ndcg_at(["a"], "a", 10) == 1.0
    assert ndcg_at(["x", "a"], "a", 10) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg_at(["x", "y", "a"], "a", 10) == pytest.approx(0.5)


def test_gain_ends_at_k_and_is_not_raised_by_repetition() -> None:
    assert ndcg_at(["x", "y", "a"], "a", 2) == 0.0
    assert ndcg_at(["x", "a", "a", "a"], "a", 10) == ndcg_at(["x", "a"], "a", 10)
    assert ndcg_at([], "a", 10) == 0.0


def test_fusion_adds_the_weighted_relative_scores() -> None:
    near, matching = {"a": 0.9, "b": 0.6, "c": 0.5}, {"c": 30.0, "b": 20.0, "d": 10.0}
    fused = fused_scores(near, matching, 0.6)
    assert fused == pytest.approx({"a": 0.6, "c": 0.4, "b": 0.35, "d": 0.0})


def test_ranking_of_weight_zero_adds_nothing() -> None:
    near, matching = {"a": 0.9, "b": 0.6}, {"c": 30.0, "a": 20.0}
    assert fused_scores(near, matching, 1) == {"a": 1, "b": 0}
    assert fused_scores(near, matching, 0) == {"c": 1, "a": 0}


def test_ranking_of_equal_scores_counts_in_full() -> None:
    assert fused_scores({"b": 0.7, "a": 0.7}, {}, 0.5) == {"a": 0.5, "b": 0.5}
    assert fused_scores({}, {}, 0.5) == {}
