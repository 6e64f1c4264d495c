from collections import Counter

import pytest

from tasks.artifacts import Question
from tasks.core.errors import InputError
from tasks.sampling import hold_out, sample, shuffled


def questions(**kinds: int) -> list[Question]:
    return [
        Question(id=f"{kind}-{n:03}", question=f"{n}?", answers=("a",), kind=kind)
        for kind, count in kinds.items()
        for n in range(count)
    ]


POOL = questions(seen=60, unseen=30, lost=10)


def test_order_depends_on_ids_and_seed_alone() -> None:
    assert shuffled(POOL, 1) == shuffled(POOL[::-1], 1)
    assert shuffled(POOL, 1) != shuffled(POOL, 2)
    assert shuffled(POOL, 1) != POOL
    assert sorted(q.id for q in shuffled(POOL, 1)) == sorted(q.id for q in POOL)


def test_what_is_held_out_is_not_learnt_from() -> None:
    learn, held = hold_out(POOL, 0.1, seed=3)
    assert (len(learn), len(held)) == (90, 10)
    assert {q.id for q in learn} | {q.id for q in held} == {q.id for q in POOL}
    assert hold_out(POOL[::-1], 0.1, seed=3) == (learn, held)
    assert hold_out(POOL, 0.1, seed=4)[1] != held


def test_one_question_at_least_is_held_out() -> None:
    learn, held = hold_out(POOL[:3], 0.1, seed=3)
    assert (len(learn), len(held)) == (2, 1)


def test_a_sample_holds_every_kind_in_its_proportion() -> None:
    chosen = sample(POOL, 20, seed=3)
    assert Counter(q.kind for q in chosen) == {"seen": 12, "unseen": 6, "lost": 2}
    assert len({q.id for q in chosen}) == 20


def test_a_rare_kind_is_not_left_out_of_a_sample() -> None:
    assert Counter(q.kind for q in sample(questions(a=99, rare=1), 10, 3))["rare"] == 1


def test_a_sample_depends_on_the_seed_and_not_on_the_order_given() -> None:
    assert sample(POOL, 20, 3) == sample(POOL[::-1], 20, 3)
    assert sample(POOL, 20, 3) != sample(POOL, 20, 4)


@pytest.mark.parametrize("count", [100, 1000])
def test_a_sample_as_large_as_the_pool_is_the_pool(count: int) -> None:
    assert {q.id for q in sample(POOL, count, 3)} == {q.id for q in POOL}


def test_a_sample_of_nothing_is_nothing() -> None:
    assert sample([], 5, 3) == ()


@pytest.mark.parametrize("kinds", [{"a": 99, "rare": 1, "lost": 1}, {"a": 7, "b": 7, "c": 7}])
@pytest.mark.parametrize("count", [1, 2, 4, 10, 20])
def test_a_sample_is_never_larger_or_smaller_than_asked_for(
    kinds: dict[str, int], count: int
) -> None:
    chosen = sample(questions(**kinds), count, 3)
    assert len({q.id for q in chosen}) == len(chosen) == count
    assert len({q.kind for q in chosen}) == min(count, 3)


def test_two_questions_are_one_to_learn_from_and_one_to_stop_by() -> None:
    learn, held = hold_out(POOL[:2], 0.49, seed=3)
    assert (len(learn), len(held)) == (1, 1)


def test_one_question_is_too_few_to_learn_from_and_to_stop_by() -> None:
    with pytest.raises(InputError, match="train questions: found 1; allowed: at least 2"):
        hold_out(POOL[:1], 0.1, seed=3)
