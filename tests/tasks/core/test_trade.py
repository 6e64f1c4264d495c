import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.trade import Crossover, Spent, crossovers, dominating, pareto, per_correct


def test_the_front_holds_what_nothing_beats_in_both_cheapest_first() -> None:
    points = {"a": (0.9, 3.0), "b": (0.5, 1.0), "c": (0.4, 2.0), "d": (0.9, 4.0)}
    assert pareto(points) == ("b", "a")


def test_equal_points_are_on_the_front_together() -> None:
    assert pareto({"b": (0.5, 1.0), "a": (0.5, 1.0)}) == ("a", "b")


def test_one_is_kept_off_the_front_by_all_that_are_as_good_for_no_more() -> None:
    points = {"a": (0.9, 3.0), "b": (0.9, 2.0), "c": (0.8, 3.0), "d": (0.9, 3.0), "e": (0.7, 1.0)}
    assert dominating(points, "c") == ("b", "a", "d")
    assert dominating(points, "a") == ("b",)
    assert dominating(points, "e") == ()


marks = st.tuples(st.integers(0, 4).map(float), st.integers(0, 4).map(float))


@given(st.dictionaries(st.sampled_from("abcdef"), marks, min_size=1))
def test_whoever_is_off_the_front_is_beaten_by_one_that_is_on_it(points) -> None:
    front = pareto(points)
    assert front
    for name in set(points) - set(front):
        quality, cost = points[name]
        assert any(points[one][0] >= quality and points[one][1] <= cost for one in front)


def test_a_training_pays_back_where_its_questions_save_what_it_cost() -> None:
    spent = {"rag": Spent(0, 0.5), "finetune": Spent(200, 0.1), "finetune+rag": Spent(300, 0.6)}
    assert crossovers(spent, "seconds", 30) == (
        Crossover("finetune", "rag", "seconds", 500),
        Crossover("finetune+rag", "rag", "seconds", None),
    )
    monthly, twice = (crossovers(spent, "s", days)[0].questions for days in (30, 15))
    assert twice == pytest.approx(2 * monthly)


def test_a_correct_answer_costs_more_the_rarer_it_is() -> None:
    assert per_correct(0.2, 0.5) == 0.4
    assert per_correct(0.2, 0) == math.inf
    assert per_correct(None, 0.5) is None
