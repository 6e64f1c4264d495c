import numpy as np
import pytest

from tasks.core.mmr import mmr

# Two that say the same, nearest; a third somewhat further away and unlike them; one far off.
VECTORS = np.array([[1.0, 0.1, 0], [1.0, 0.1, 0.01], [0.8, 0, 0.6], [0, 1.0, 0]])
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
RELEVANCE = VECTORS @ np.array([1.0, 0, 0])
SIMILARITY = VECTORS @ VECTORS.T


def test_the_nearest_comes_first_and_its_twin_waits() -> None:
    assert mmr(RELEVANCE, SIMILARITY, 2, 0.5) == [0, 2]


def test_with_all_weight_on_relevance_the_order_is_that_of_relevance() -> None:
    assert mmr(RELEVANCE, SIMILARITY, 4, 1.0) == [0, 1, 2, 3]


def test_with_no_weight_on_relevance_the_second_is_the_least_like_the_first() -> None:
    assert mmr(RELEVANCE, SIMILARITY, 2, 0.0)[1] == 3


@pytest.mark.parametrize("count", [0, 2, 4, 9])
def test_there_are_as_many_as_asked_or_all_and_none_twice(count: int) -> None:
    chosen = mmr(RELEVANCE, SIMILARITY, count, 0.7)
    assert len(chosen) == min(count, 4)
    assert len(set(chosen)) == len(chosen)


def test_nothing_to_choose_from_is_nothing_chosen() -> None:
    assert mmr(np.zeros(0), np.zeros((0, 0)), 3, 0.7) == []


def test_an_opposite_is_more_novel_than_something_unrelated() -> None:
    vectors = np.array([[1.0, 0], [0, 1.0], [-1.0, 0]])
    assert mmr(np.array([1.0, 0.0, 0.0]), vectors @ vectors.T, 2, 0.5) == [0, 2]
