"""Looks at a race while it runs: how many, at which questions, and what each costs in confidence.

A claim may be looked at several times before all questions are answered; each look spends a part
of the claim's error (Lan and DeMets 1983), here in proportion to the square of the share of
questions answered. Critical values follow from the joint distribution of the looks, a Brownian
motion in the share of questions, integrated look by look (Armitage, McPherson and Rowe 1969).
"""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri, roots_legendre

from tasks.core.errors import InputError
from tasks.core.stats import ROUNDING, Floats

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
LEAST_QUESTIONS, LEAST_DOCUMENTS = 25, 10  # at a look: fewer tell too little about the spread
FURTHEST = 8.0  # standard deviations beyond which the normal density is taken as zero
NODES, WEIGHTS = roots_legendre(96)
MOST_BLOCKS = 32  # of answers, each kept by itself
MOST_QUESTIONS = 1_000_000


def question_order(ids: Sequence[str], documents: Sequence[str], seed: int) -> tuple[int, ...]:
    """Positions of the questions in the order in which all paths answer them.

    Whole documents follow one another in an order drawn from the seed and their names alone, and
    so do the questions within each: how the questions were listed makes no difference.

    Raises:
        InputError: an id stands twice, or counts differ.
    """
    if len(ids) != len(documents) or len(set(ids)) < len(ids):
        raise InputError(
            "questions", len(set(ids)), f"{len(documents)} different ids, one for each question",
            "Give each question an id of its own and a source document.",
        )  # fmt: skip
    drawn = {name: _drawn(name, seed) for name in {*ids, *documents}}
    return tuple(
        sorted(
            range(len(ids)), key=lambda at: (drawn[documents[at]], documents[at], drawn[ids[at]])
        )
    )


def _drawn(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).hexdigest()


def looks(sizes: Sequence[int], most: float = math.inf) -> tuple[int, ...]:
    """Numbers of questions at which to look, over whole documents of these sizes, in their order.

    The last look has all questions, or those of the documents that fit into `most`; looks before
    it stand at an eighth, a quarter and half of them, rounded up to whole documents. A look needs
    25 questions of 10 documents. Where all there is lies below that, it is one look; where only
    `most` lies below it, there is none.
    """
    ends = [int(end) for end in np.cumsum(np.asarray(sizes, dtype=np.int64))]
    within = [end for end in ends if end <= most]
    if not within:
        return ()
    last = within[-1]
    fit = [end for end in within[LEAST_DOCUMENTS - 1 :] if end >= LEAST_QUESTIONS]
    if not fit:
        return (last,) if last == ends[-1] else ()
    return tuple(sorted({next(end for end in fit if end >= last * part) for part in SHARES}))


def blocks(sizes: Sequence[int]) -> tuple[int, ...]:
    """Numbers of questions at which blocks of answers end: whole documents, whatever the budget.

    The first has what a look needs, each next one 25 questions or a 32nd of all, the last the
    rest. Answers are kept by block, so that a run with another budget finds them again.
    """
    ends = [int(end) for end in np.cumsum(np.asarray(sizes, dtype=np.int64))]
    least, found = max(LEAST_QUESTIONS, math.ceil(ends[-1] / MOST_BLOCKS)), [0]
    for at, end in enumerate(ends, start=1):
        if end - found[-1] >= least and at >= LEAST_DOCUMENTS:
            found.append(end)
    return tuple(dict.fromkeys((*found[1:], ends[-1])))


@lru_cache(maxsize=4096)
def critical(shares: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """One-sided critical z at each look, for a claim of error `alpha` in all.

    By the look at share t of the questions, alpha t^2 of the error is spent.
    """
    found: list[float] = []
    nodes, density = np.zeros(1), np.ones(1)
    before, spent = 0.0, 0.0
    for share in shares:
        error, spent = alpha * share**2 - spent, alpha * share**2
        step, root = math.sqrt(share - before), math.sqrt(share)
        z = _bound(nodes, density, step, root, error)
        nodes, density = _onward(nodes, density, step, root, z, 0.0)
        found.append(z)
        before = share
    return tuple(found)


def _bound(nodes: Floats, density: Floats, step: float, root: float, error: float) -> float:
    """The z that the motion passes at this look, not having passed before, in `error` of cases.

    Newton's method on the logarithm, which is concave in z.
    """
    z = float(-ndtri(error))
    for _ in range(50):
        above = (nodes - z * root) / step
        mass = float(density @ ndtr(above))
        slope = float(density @ np.exp(-0.5 * above**2)) / math.sqrt(2 * math.pi) * root / step
        change = mass / slope * math.log(mass / error)
        z += change
        if abs(change) < ROUNDING:
            break
    return z


def levels(shares: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """The one-sided error of each look taken alone: what its bounds are computed with."""
    return tuple(float(ndtr(-z)) for z in critical(shares, alpha))


def chance_to_win(z: float, look: int, shares: tuple[float, ...], alpha: float) -> float:
    """Chance that a claim at `z` now holds at the last look, given what was seen (predictive).

    `z` is the test statistic of gain <= min_gain at look number `look`. The true gain is taken to
    be as uncertain as the questions answered leave it (Spiegelhalter, Freedman and Blackburn
    1986, with a flat prior); the last look itself gives 0 or 1.
    """
    last, share = critical(shares, alpha)[-1], shares[look] / shares[-1]
    if share == 1:
        return float(z > last)
    return float(ndtr((z - last * math.sqrt(share)) / math.sqrt(1 - share)))


def power(
    n: int,
    gain: float,
    min_gain: float = 0.02,
    *,
    claims: int = 3,
    confidence: float = 0.95,
    disagree: float = 0.3,
    per_document: float = 1.0,
    correlation: float = 0.1,
) -> float:
    """Chance that `n` questions show a true `gain` to exceed `min_gain`, looks and all.

    `disagree` is the share of questions that one path answers and the other does not; the
    difference then has a variance of disagree - gain^2 a question. `per_document` questions share
    a document, and `correlation` is that of their differences: each document then tells as much
    as per_document / (1 + (per_document - 1) correlation) questions.
    """
    effect = 1 + (per_document - 1) * correlation
    spread = math.sqrt(max(disagree, abs(gain)) - gain**2)
    if n < 1 or spread == 0:
        return float(n >= 1 and gain > min_gain)
    drift = (gain - min_gain) / spread * math.sqrt(n / effect)
    documents = n / per_document
    least = max(LEAST_QUESTIONS / n, LEAST_DOCUMENTS / documents)
    shares = tuple(sorted({min(max(share, least), 1.0) for share in SHARES}))
    return _crossing(shares, critical(shares, (1 - confidence) / max(claims, 1)), drift)


def questions_for(gain: float, min_gain: float = 0.02, wanted: float = 0.8, **given: float) -> int:
    """How many questions show a true `gain` with a chance of `wanted`; other terms as in `power`.

    Raises:
        InputError: a gain that is not above `min_gain`, which no number of questions shows.
    """
    if gain <= min_gain:
        raise InputError(
            "gain", gain, f"more than the minimal gain {min_gain:g}",
            "Ask about a larger gain, or lower min_gain.",
        )  # fmt: skip
    low, high = 0, LEAST_QUESTIONS
    while power(high, gain, min_gain, **given) < wanted and high < MOST_QUESTIONS:  # type: ignore[arg-type]
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(middle, gain, min_gain, **given) >= wanted  # type: ignore[arg-type]
        low, high = (low, middle) if enough else (middle, high)
    return high


def detectable(n: int, min_gain: float = 0.02, wanted: float = 0.8, **given: float) -> float | None:
    """The least true gain that `n` questions show with a chance of `wanted`, to 0.001.

    None: there are fewer questions than a look needs. Other terms as in `power`.
    """
    if n < LEAST_QUESTIONS:
        return None
    low, high = min_gain, 1.0
    while high - low > 0.001:
        middle = (low + high) / 2
        enough = power(n, middle, min_gain, **given) >= wanted  # type: ignore[arg-type]
        low, high = (low, middle) if enough else (middle, high)
    return high


def _crossing(shares: tuple[float, ...], bounds: tuple[float, ...], drift: float) -> float:
    """Chance that a Brownian motion with this drift passes a bound at any look."""
    passed, before = 0.0, 0.0
    nodes, density = np.zeros(1), np.ones(1)
    for share, z in zip(shares, bounds, strict=True):
        step, root, ahead = math.sqrt(share - before), math.sqrt(share), drift * (share - before)
        passed += float(density @ ndtr((nodes + ahead - z * root) / step))
        nodes, density = _onward(nodes, density, step, root, z, ahead)
        before = share
    return passed


def _onward(
    nodes: Floats, density: Floats, step: float, root: float, z: float, ahead: float
) -> tuple[Floats, Floats]:
    """The motion's density (times quadrature weights) at the next look, below its bound."""
    low = float(nodes[0] if len(nodes) > 1 else 0.0) + min(ahead, 0.0) - FURTHEST * step
    high = z * root
    if high <= low:
        return np.array([low]), np.zeros(1)
    at = (high - low) / 2 * NODES + (high + low) / 2
    kernel = np.exp(-0.5 * ((at[:, None] - nodes - ahead) / step) ** 2) / math.sqrt(2 * math.pi)
    return at, (high - low) / 2 * WEIGHTS * (kernel @ density) / step


def z_of(p_value: float) -> float:
    """The normal quantile that has this one-sided error, kept finite."""
    return float(-ndtri(min(max(p_value, 1e-300), 1 - 1e-16)))
