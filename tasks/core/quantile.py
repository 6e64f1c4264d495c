"""A quantile with an interval that supposes nothing of how the values are spread."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

from tasks.core.errors import InputError
from tasks.core.stats import Interval


def quantile_interval(values: Sequence[float], share: float, confidence: float = 0.95) -> Interval:
    """The least value that at least `share` of the values do not exceed, with its interval.

    The ends are order statistics: each is beyond the true quantile with a probability of at most
    (1 - confidence) / 2, by the binomial count of values below it (Conover, "Practical
    Nonparametric Statistics", 3.2). Values are seconds or the like: with too few to bound it the
    lower end is 0 and the upper infinite (a 95th percentile takes 72 values for an upper one).

    Raises:
        InputError: no values, or one that is not finite.
    """
    found = sorted(values)
    if not found or not all(map(math.isfinite, found)):
        raise InputError("samples", list(found)[:3], "finite numbers", "Measure at least one.")
    n, tail = len(found), (1 - confidence) / 2
    below = bdtr(np.arange(n), n, share)  # chance of at most 0, 1, … n-1 values below the quantile
    under, over = np.flatnonzero(below <= tail), np.flatnonzero(1 - below <= tail)
    return Interval(
        value=found[max(math.ceil(share * n - 1e-9), 1) - 1],
        low=found[int(under[-1])] if under.size else 0.0,
        high=found[int(over[0])] if over.size else math.inf,
    )
