import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.core.quantile import quantile_interval


def test_a_quantile_is_a_value_that_was_seen() -> None:
    values = [float(n) for n in range(1, 101)]
    found = quantile_interval(values[::-1], 0.95)
    assert found.value == 95
    assert (found.low, found.high) == (90, 100)  # at most 89 below: 1.1%; at most 90: 2.8%


@pytest.mark.parametrize(("n", "bounded"), [(71, False), (72, True)])
def test_a_95th_percentile_takes_72_values_for_an_upper_bound(n: int, bounded: bool) -> None:
    found = quantile_interval([float(one) for one in range(n)], 0.95)
    assert math.isfinite(found.high) is bounded


def test_one_value_is_its_own_quantile_and_bounds_nothing() -> None:
    found = quantile_interval([3.0], 0.95)
    assert (found.value, found.low, found.high) == (3, 0, math.inf)


def test_the_interval_holds_the_true_quantile_as_often_as_it_says() -> None:
    rng, truth = np.random.default_rng(1), -math.log(0.05)
    held = [
        found.low <= truth <= found.high
        for found in (
            quantile_interval(rng.exponential(size=80).tolist(), 0.95) for _ in range(500)
        )
    ]
    assert np.mean(held) >= 0.94


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_no_values_or_none_that_are_numbers_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError):
        quantile_interval(values, 0.95)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.floats(0.05, 0.95))
def test_the_value_lies_in_its_interval(values: list[float], share: float) -> None:
    found = quantile_interval(values, share)
    assert found.low <= found.value <= found.high
