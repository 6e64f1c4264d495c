"""Looks, what they cost in confidence, and power, against published and drawn numbers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.core.sequential import (
    SHARES,
    blocks,
    chance_to_win,
    critical,
    detectable,
    levels,
    looks,
    power,
    question_order,
    questions_for,
)

ALPHA = 0.05 / 3


def test_critical_values_of_four_looks_and_three_claims() -> None:
    assert critical(SHARES, ALPHA) == pytest.approx((3.47, 3.15, 2.71, 2.19), abs=0.011)


@pytest.mark.parametrize("shares", [SHARES, (0.3, 0.35, 1.0), (1.0,)])
def test_looks_together_spend_the_square_of_the_share(shares) -> None:
    """Drawn Brownian paths pass the critical values as often as the plan allows."""
    rng, alpha = np.random.default_rng(3), 0.2
    steps = np.sqrt(np.diff((0.0, *shares)))
    z = np.cumsum(rng.normal(size=(400_000, len(shares))) * steps, axis=1) / np.sqrt(shares)
    passed = np.logical_or.accumulate(z > critical(shares, alpha), axis=1).mean(axis=0)
    assert passed == pytest.approx([alpha * share**2 for share in shares], abs=0.003)


def test_one_look_has_the_whole_error() -> None:
    assert levels((1.0,), 0.05) == pytest.approx((0.05,))


def test_looks_stand_at_ends_of_documents_with_enough_questions() -> None:
    assert looks([1] * 400) == (50, 100, 200, 400)
    assert looks([3] * 40) == (30, 60, 120)  # ten documents before an eighth
    assert looks([7] * 100) == (91, 175, 350, 700)
    assert looks([40] * 12) == (400, 480)


def test_a_budget_below_the_least_look_buys_none_and_a_small_set_has_one() -> None:
    assert looks([1] * 400, most=24) == ()
    assert looks([1] * 400, most=130) == (25, 33, 65, 130)
    assert looks([2] * 9) == (18,)


def test_power_tells_four_hundred_questions_for_ten_points_and_three_thousand_for_five() -> None:
    assert questions_for(0.10) == pytest.approx(400, rel=0.05)
    assert questions_for(0.05) == pytest.approx(3000, rel=0.05)


def test_power_at_the_minimal_gain_is_the_error_of_a_claim() -> None:
    assert power(800, 0.02) == pytest.approx(ALPHA, rel=1e-3)
    assert power(0, 0.5) == 0


def test_power_grows_with_questions_and_shrinks_with_documents_shared() -> None:
    assert power(200, 0.1) < power(400, 0.1) < power(800, 0.1)
    assert power(400, 0.1, per_document=8, correlation=0.3) < power(400, 0.1)


def test_the_least_gain_that_questions_show_is_the_one_that_takes_them() -> None:
    n = questions_for(0.1)
    assert detectable(n) == pytest.approx(0.1, abs=0.002)
    assert detectable(4 * n) < detectable(n)
    assert detectable(24) is None


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200))
def test_blocks_end_where_documents_do_and_hold_all_questions(sizes: list[int]) -> None:
    ends, found = set(np.cumsum(sizes).tolist()), blocks(sizes)
    assert set(found) <= ends
    assert found[-1] == sum(sizes)
    assert len(found) <= 33
    assert all(stop - start >= 25 for start, stop in pairwise((0, *found[:-1])))


def test_no_number_of_questions_shows_a_gain_at_the_margin() -> None:
    with pytest.raises(InputError, match="more than the minimal gain"):
        questions_for(0.02)


def test_chance_to_win_is_what_drawn_continuations_win() -> None:
    rng, z, share = np.random.default_rng(4), 1.5, SHARES[1]
    drift = z / np.sqrt(share) + rng.normal(size=400_000) / np.sqrt(share)  # flat prior
    end = z * np.sqrt(share) + drift * (1 - share) + rng.normal(size=400_000) * np.sqrt(1 - share)
    expected = (end > critical(SHARES, ALPHA)[-1]).mean()
    assert chance_to_win(z, 1, SHARES, ALPHA) == pytest.approx(expected, abs=0.004)
    assert chance_to_win(2.0, 3, SHARES, ALPHA) == 0


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_questions_stand_in_the_same_order_however_they_were_listed(data) -> None:
    documents = data.draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=30))
    listed = [(f"q{i}", name) for i, name in enumerate(documents)]
    shuffled = data.draw(st.permutations(listed))
    seed = data.draw(st.integers(0, 5))

    def ordered(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [rows[at] for at in question_order(*zip(*rows, strict=True), seed)]

    found = ordered(listed)
    assert found == ordered(shuffled)
    changes = sum(a[1] != b[1] for a, b in pairwise(found))
    assert changes == len(set(documents)) - 1  # whole documents


def test_another_seed_gives_another_order_and_ids_must_differ() -> None:
    ids, documents = [f"q{i}" for i in range(20)], [f"d{i}" for i in range(20)]
    assert question_order(ids, documents, 1) != question_order(ids, documents, 2)
    with pytest.raises(InputError, match="different ids"):
        question_order(["q", "q"], ["d", "d"], 1)
