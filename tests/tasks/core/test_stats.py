import math

import numpy as np
import pytest

from tasks.core.errors import InputError
from tasks.core.stats import (
    Gain,
    lower_bound,
    mean_interval,
    p_value,
    paired_gain,
    questions_needed,
    upper_bound,
)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"d{i}" for i in range(count))


def test_one_question_a_document_gives_the_plain_t_interval() -> None:
    interval = mean_interval([0.0, 1.0, 1.0, 0.0, 1.0], names(5))
    # mean 0.6, sample deviation sqrt(0.3), t(4) at 97.5% is 2.7764
    half = 2.7764451 * math.sqrt(0.3 / 5)
    assert interval.value == pytest.approx(0.6)
    assert interval.low == pytest.approx(0.6 - half)
    assert interval.high == pytest.approx(0.6 + half)


def test_repeating_questions_of_the_same_documents_adds_no_confidence() -> None:
    once = mean_interval([0.0, 1.0, 1.0, 0.0], names(4))
    thrice = mean_interval([0.0, 1.0, 1.0, 0.0] * 3, names(4) * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_bounds_clip_the_interval() -> None:
    free = mean_interval([1.0] * 9 + [0.0], names(10))
    clipped = mean_interval([1.0] * 9 + [0.0], names(10), bounds=(0, 1))
    assert free.high > 1
    assert clipped.high == 1
    assert clipped.low == free.low


@pytest.mark.parametrize(("bounds", "ends"), [((0, 1), (0, 1)), (None, (-math.inf, math.inf))])
def test_one_document_says_nothing_of_the_spread(bounds, ends) -> None:
    interval = mean_interval([0.0, 1.0, 1.0], ("d", "d", "d"), bounds=bounds)
    assert (interval.low, interval.high) == ends


def test_all_right_still_leaves_room_for_failures_not_yet_seen() -> None:
    interval = mean_interval([1.0] * 20, names(20), bounds=(0, 1))
    # exact binomial: p^20 = 0.025
    assert interval.low == pytest.approx(0.025 ** (1 / 20))
    assert interval.high == 1


def test_equal_differences_claim_no_certainty() -> None:
    gain = paired_gain([0.5] * 10, [0.4] * 10, names(10))
    assert gain.se == 0
    assert lower_bound(gain, 0.05) < 0.0 < upper_bound(gain, 0.05)
    many = paired_gain([0.5] * 1000, [0.4] * 1000, names(1000))
    assert 0.09 < lower_bound(many, 0.05) < 0.1


def test_gain_matches_the_clustered_formula() -> None:
    a, b = [1.0, 1.0, 0.0, 1.0, 0.5], [0.0, 1.0, 0.0, 0.5, 0.0]
    gain = paired_gain(a, b, ("x", "x", "y", "y", "z"))
    mean = 2 / 5
    residuals = [1 + 0 - 2 * mean, 0 + 0.5 - 2 * mean, 0.5 - mean]
    se = math.sqrt(3 / 2 * sum(r * r for r in residuals)) / 5
    assert (gain.gain, gain.se) == pytest.approx((mean, se))
    assert (gain.df, gain.clusters, gain.n) == (2, 3, 5)


def test_standard_error_does_not_depend_on_where_numbers_lie_in_memory() -> None:
    scores = np.random.default_rng(3).random(67)
    room = np.zeros(80)
    found = set()
    for offset in range(8):
        room[offset : offset + 67] = scores
        found.add(paired_gain(room[offset : offset + 67], np.zeros(67), range(67)).se)
    assert len(found) == 1


def test_pairing_removes_what_both_paths_share() -> None:
    rng = np.random.default_rng(0)
    shared = rng.uniform(0, 0.8, 50)
    noise = rng.uniform(0, 0.01, 50)
    gain = paired_gain(shared + 0.1 + noise, shared, names(50))
    assert gain.se < 0.001


@pytest.mark.parametrize("se", [0.0, 0.03])
@pytest.mark.parametrize("least", [-0.05, 0.0, 0.02, 0.1])
def test_p_value_is_the_alpha_at_which_the_bound_reaches_the_minimum(se, least) -> None:
    gain = Gain(0.2, se, 59, 60, 120)
    assert lower_bound(gain, p_value(gain, least)) == pytest.approx(least)


def test_bounds_mirror_each_other() -> None:
    gain = paired_gain([1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0], names(4))
    turned = paired_gain([0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0], names(4))
    assert upper_bound(gain, 0.1) == -lower_bound(turned, 0.1)


def test_no_number_of_questions_shows_a_gain_that_is_a_hair_from_the_wanted_one() -> None:
    gain = Gain(gain=0.0, se=0.01, df=1, clusters=2, n=12)
    assert questions_needed(gain, min_gain=8e-214, alpha=0.08) is None


def test_questions_needed_reach_the_power_asked_for() -> None:
    rng = np.random.default_rng(5)
    pilot = Gain(0.06, 0.4 / math.sqrt(100), 99, 100, 100)
    more = questions_needed(pilot, 0.02, 0.05)
    assert more is not None
    total = 100 + more
    held = sum(
        lower_bound(paired_gain(rng.normal(0.06, 0.4, total), np.zeros(total), range(total)), 0.05)
        > 0.02
        for _ in range(400)
    )
    assert 0.74 < held / 400 < 0.86


def test_nothing_more_is_needed_once_settled_either_way() -> None:
    assert questions_needed(Gain(0.5, 0.01, 99, 100, 100), 0.02, 0.05) == 0
    assert questions_needed(Gain(-0.5, 0.01, 99, 100, 100), 0.02, 0.05) == 0


@pytest.mark.parametrize(
    "gain",
    [
        Gain(0.02, 0.03, 99, 100, 100),
        Gain(0.0201, 0.03, 99, 100, 100),
        Gain(0.3, math.inf, 0, 1, 9),
    ],
)
def test_no_feasible_number_settles_a_gain_at_the_minimum_or_a_single_document(gain) -> None:
    assert questions_needed(gain, 0.02, 0.05) is None


def test_equal_differences_need_as_many_documents_as_rule_out_what_was_not_seen() -> None:
    gain = Gain(0.1, 0.0, 9, 10, 10)
    more = questions_needed(gain, 0.02, 0.05)
    assert more is not None
    assert lower_bound(Gain(0.1, 0.0, 9 + more, 10 + more, 10 + more), 0.05) >= 0.02
    assert lower_bound(Gain(0.1, 0.0, 8 + more, 9 + more, 9 + more), 0.05) < 0.02


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([], ()), ([math.nan, 1.0], ("a", "b")), ([1.0], ("a", "b")), ([math.inf], ("a",))],
)
def test_values_that_cannot_be_averaged_are_refused(values, clusters) -> None:
    with pytest.raises(InputError):
        mean_interval(values, clusters)
