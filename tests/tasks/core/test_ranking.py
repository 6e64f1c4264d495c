import pytest

from tasks.core.ranking import recall_at, reciprocal_rank


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
