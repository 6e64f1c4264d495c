import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.splits import assign, joined, questions_needed

SHARES = {"train": 0.4, "dev": 0.3, "test": 0.3}


def test_shares_of_single_questions_are_met_to_one_question() -> None:
    sizes = {f"q{n}": 1 for n in range(101)}
    counts = Counter(assign(sizes, SHARES, 7).values())
    assert all(abs(counts[split] - 101 * share) <= 1 for split, share in SHARES.items())


def test_whole_groups_come_close_to_the_shares() -> None:
    draw = random.Random(1)
    sizes = {f"doc{n}": draw.randint(1, 9) for n in range(60)}
    counts: Counter[str] = Counter()
    for group, split in assign(sizes, SHARES, 7).items():
        counts[split] += sizes[group]
    total = sum(sizes.values())
    assert all(abs(counts[split] - total * share) <= 9 for split, share in SHARES.items())


def test_the_order_in_which_groups_come_does_not_matter() -> None:
    sizes = {f"doc{n}": n % 4 + 1 for n in range(30)}
    backwards = dict(reversed(sizes.items()))
    assert assign(sizes, SHARES, 7) == assign(backwards, SHARES, 7)


def test_another_seed_gives_another_split() -> None:
    sizes = {f"doc{n}": 1 for n in range(30)}
    assert assign(sizes, SHARES, 7) != assign(sizes, SHARES, 8)


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers(1, 50)), st.integers(0, 2**31 - 1))
def test_every_group_gets_exactly_one_split(sizes: dict[str, int], seed: int) -> None:
    chosen = assign(sizes, SHARES, seed)
    assert chosen.keys() == sizes.keys()
    assert set(chosen.values()) <= set(SHARES)


def test_pairs_join_groups_across_chains_and_leave_others_alone() -> None:
    groups = joined("abcdef", [("c", "b"), ("e", "d"), ("d", "c"), ("a", "a")])
    assert groups == {"a": "a", "b": "b", "c": "b", "d": "b", "e": "b", "f": "f"}


def test_questions_needed_is_the_normal_approximation_for_paired_differences() -> None:
    # ((1.6449 + 0.8416) * 0.5 / 0.1)^2 = 154.6
    assert questions_needed(0.1, 0.95) == 155
    assert questions_needed(0.05, 0.95) == 619


def test_questions_needed_detect_the_difference_as_often_as_stated() -> None:
    difference, draw = 0.1, random.Random(11)
    n = questions_needed(difference, 0.95)
    shown = sum(
        sum(draw.gauss(difference, 0.5) for _ in range(n)) / n > 1.6449 * 0.5 / n**0.5
        for _ in range(2000)
    )
    assert shown / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("difference", [0.0, -0.1])
def test_no_number_of_questions_shows_a_difference_of_nothing(difference: float) -> None:
    with pytest.raises(ValueError, match="difference"):
        questions_needed(difference, 0.95)
