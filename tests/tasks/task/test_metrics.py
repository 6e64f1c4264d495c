"""A utility is a metric like any other: a weighted sum that its name spells out."""

import pytest

from tasks.artifacts import Answer
from tasks.task.metrics import (
    bounds,
    by_kind,
    can_race,
    intervals,
    is_whole,
    parts,
    single,
    utility,
    values,
)

WEIGHTS = {"f1": 0.8, "refused": 0.2, "tokens": -0.05}


def answer(f1: float, refused: float, tokens: int = 500) -> Answer:
    return Answer(
        question_id="q", cluster="d", kind="seen", question="?", expected=("a",), prompt="p",
        passages=(), answer="a", scores={"f1": f1, "refused": refused}, tokens_in=tokens,
        tokens_out=500,
    )  # fmt: skip


def test_the_name_of_a_utility_holds_its_parts() -> None:
    named = utility(WEIGHTS)
    assert named == "0.8 f1 + 0.2 refused + -0.05 tokens"
    assert parts(named) == WEIGHTS
    assert parts(utility({"f1": 1e-7})) == {"f1": 1e-7}
    assert parts("f1") == {"f1": 1}


def test_each_answer_has_its_weighted_sum_and_tokens_count_in_thousands() -> None:
    rows = [answer(1, 0), answer(0.5, 1, tokens=1500)]
    assert values(rows, utility(WEIGHTS)) == pytest.approx([0.75, 0.5])
    assert intervals(rows, [utility(WEIGHTS)])[utility(WEIGHTS)].value == pytest.approx(0.625)
    assert by_kind(rows, ["f1", utility({"f1": 2.0})])["seen"]["2.0 f1"].value == 1.5


def test_a_utility_has_the_bounds_that_its_weights_allow() -> None:
    assert bounds("f1") == (0, 1)
    assert bounds(utility({"f1": 0.8, "refused": -0.3})) == (-0.3, 0.8)
    assert bounds(utility(WEIGHTS)) is None


def test_a_part_of_whole_sets_makes_a_utility_one_of_whole_sets() -> None:
    assert is_whole(utility({"macro_f1": 0.5, "accuracy": 0.5}))
    assert not is_whole(utility({"f1": 1.0}))
    assert not can_race(utility({"macro_f1": 0.5, "accuracy": 0.5}))
    assert can_race("macro_f1")
    assert can_race(utility({"f1": 1.0}))
    assert single(utility({"macro_f1": 1.0}), [answer(1, 0)]) == "f1"
    assert single(utility({"f1": 1.0}), [answer(1, 0)]) == "1.0 f1"
