"""Intervals and paired gains that respect which questions share a source document.

Questions about one document are not independent, so standard errors are taken over documents
(clusters): the mean is a ratio of cluster totals, its variance the linearised one with the CR1
factor G/(G-1), and bounds use the t distribution with G-1 degrees of freedom (Cameron and
Miller, "A Practitioner's Guide to Cluster-Robust Inference", 2015).
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri, stdtr, stdtrit

from tasks.core.errors import InputError

Floats: TypeAlias = npt.NDArray[np.float64]
ROUNDING = 1e-12  # a standard error below this is the rounding of differences that are equal
MOST_QUESTIONS = 1_000_000  # more than anybody labels: beyond it a question count is no answer


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided confidence interval, in the unit of the values.

    Ends are infinite where nothing bounds the values and one cluster says nothing of the spread.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_inf_nan": "strings"}

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """A mean paired difference with its clustered standard error.

    `df` are the degrees of freedom of the t distribution (clusters - 1), `n` counts questions.
    `se` is infinite where a single cluster leaves nothing to estimate it from.
    """

    gain: float
    se: float
    df: int
    clusters: int
    n: int


def mean_interval(
    values: Sequence[float] | Floats,
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """Mean of `values` with a two-sided, document-clustered t interval.

    `clusters` has one entry a value: its whole source document. `bounds` are the least and
    greatest value possible, if known; the interval is clipped to them. One cluster: the interval
    is as wide as the bounds. All values equal: the t interval would have no width, so the ends
    lie where the share of unseen clusters at a bound could still go unnoticed (with all values
    at 1 this is the exact binomial limit, about 1 - 3.7/G at 95%).

    Raises:
        InputError: no values, a value that is not finite, or counts that differ.
    """
    mean = paired_gain(values, np.zeros(len(values)), clusters)
    least, greatest = map(float, bounds or (-math.inf, math.inf))
    tail = (1 - confidence) / 2
    if mean.clusters == 1:
        return Interval(mean.gain, least, greatest)
    if mean.se == 0:
        unseen = _unseen(mean.clusters, tail) if bounds else 0.0
        return Interval(
            mean.gain,
            mean.gain - unseen * (mean.gain - least) if bounds else mean.gain,
            mean.gain + unseen * (greatest - mean.gain) if bounds else mean.gain,
        )
    half = float(-stdtrit(mean.df, tail)) * mean.se
    return Interval(mean.gain, max(mean.gain - half, least), min(mean.gain + half, greatest))


def paired_gain(
    a: Sequence[float] | Floats, b: Sequence[float] | Floats, clusters: Sequence[Hashable]
) -> Gain:
    """Mean of a - b over the same questions, with its standard error clustered by document.

    Raises:
        InputError: no values, a value that is not finite, or counts that differ.
    """
    first, second = _checked(a, clusters), _checked(b, clusters)
    difference = first - second
    codes = _codes(clusters)
    count, n = int(codes.max()) + 1, len(difference)
    gain = math.fsum(difference) / n
    if count == 1:
        return Gain(gain, math.inf, 0, 1, n)
    totals = np.bincount(codes, weights=difference - gain, minlength=count)
    # Not totals @ totals: BLAS sums in an order that depends on where the array lies in memory.
    squares = math.fsum(totals * totals)
    se = math.sqrt(count / (count - 1) * squares) / n
    return Gain(gain, se if se > ROUNDING else 0.0, count - 1, count, n)


def lower_bound(gain: Gain, alpha: float) -> float:
    """One-sided lower bound of a gain: the truth lies below it with probability `alpha` at most.

    Differences that are all equal show no spread; then the bound is the least mean that could go
    unnoticed: an unseen share 1 - alpha^(1/G) of clusters, each losing all that can be lost
    (scores are taken to lie in [0, 1], or to lose as much as they gained if that is more).
    """
    if gain.clusters == 1:
        return -math.inf
    if gain.se == 0:
        return gain.gain - _unseen(gain.clusters, alpha) * (_most(gain) + gain.gain)
    return gain.gain + float(stdtrit(gain.df, alpha)) * gain.se


def upper_bound(gain: Gain, alpha: float) -> float:
    """One-sided upper bound of a gain; the mirror image of `lower_bound`."""
    return -lower_bound(_mirrored(gain), alpha)


def p_value(gain: Gain, min_gain: float) -> float:
    """Least alpha at which `lower_bound` reaches `min_gain`: the test of gain <= min_gain."""
    if gain.clusters == 1:
        return 1.0
    if gain.se == 0:
        share = (gain.gain - min_gain) / max(_most(gain) + gain.gain, 1e-12)
        return float((1 - min(max(share, 0.0), 1.0)) ** gain.clusters)
    return float(stdtr(gain.df, (min_gain - gain.gain) / gain.se))


def questions_needed(gain: Gain, min_gain: float, alpha: float, power: float = 0.8) -> int | None:
    """How many more questions would show that the gain is above, or below, `min_gain`.

    Assumes the gain and the spread seen so far, and new questions over as many new documents
    each. 0: it is settled already. None: a million questions would not settle it (the gain seen
    is too near `min_gain`), or one cluster says nothing about the spread.
    """
    if lower_bound(gain, alpha) > min_gain or upper_bound(gain, alpha) < min_gain:
        return 0
    distance = abs(gain.gain - min_gain)
    if gain.clusters == 1 or distance == 0:
        return None
    if gain.se == 0:
        toward = gain if gain.gain > min_gain else _mirrored(gain)
        share = min(distance / max(_most(toward) + toward.gain, 1e-12), 1 - 1e-12)
        factor = math.log(alpha) / math.log1p(-share) / gain.clusters
    else:
        factor = _growth(gain, distance, alpha, power)
    more = math.ceil((factor - 1) * gain.n) if math.isfinite(factor) else MOST_QUESTIONS + 1
    return max(more, 1) if more <= MOST_QUESTIONS else None


def _growth(gain: Gain, distance: float, alpha: float, power: float) -> float:
    """Factor by which questions must grow for the bound to pass `distance` with this power."""

    def missing(factor: float) -> float:
        quantile = -float(stdtrit(gain.clusters * factor - 1, alpha)) + float(ndtri(power))
        needed = quantile * gain.se / distance
        return factor - needed * needed  # infinite where a power would raise OverflowError

    most = 2.0 + MOST_QUESTIONS / gain.n
    if missing(1.0) >= 0:
        return 1.0
    return float(brentq(missing, 1.0, most)) if missing(most) > 0 else math.inf


def _mirrored(gain: Gain) -> Gain:
    return Gain(-gain.gain, gain.se, gain.df, gain.clusters, gain.n)


def _most(gain: Gain) -> float:
    return max(1.0, abs(gain.gain))


def _unseen(clusters: int, alpha: float) -> float:
    """Share of clusters of another kind that stays unseen with probability `alpha`."""
    return float(-np.expm1(math.log(alpha) / clusters))


def _checked(values: Sequence[float] | Floats, clusters: Sequence[Hashable]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(
            "scores", list(array.shape), "one score for each question, at least one",
            "Give scored questions.",
        )  # fmt: skip
    if array.size != len(clusters):
        raise InputError(
            "scores", array.size, f"{len(clusters)} scores, as many as there are clusters",
            "Give every question a score and a source document.",
        )  # fmt: skip
    if not np.isfinite(array).all():
        at = int(np.flatnonzero(~np.isfinite(array))[0])
        raise InputError(
            f"scores[{at}]", float(array[at]), "finite numbers",
            "Score every question, or leave it out for every path.",
        )  # fmt: skip
    return array


def _codes(clusters: Sequence[Hashable]) -> npt.NDArray[np.int64]:
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in clusters], dtype=np.int64)
