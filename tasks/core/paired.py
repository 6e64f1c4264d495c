"""What a path gains over another on the questions of a look, and how a training may end.

Scores stand in the order of the race, so the questions of a document follow one another.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.core.stats import ROUNDING, Floats, Gain, upper_bound

Counts: TypeAlias = npt.NDArray[np.int64]
NORMAL = 10**9  # degrees of freedom at which Student's t is the normal distribution


def compare(a: Floats, b: Floats, sizes: Counts) -> Gain:
    """Gain of scores `a` over `b`; `sizes` counts the questions of each document, in order.

    Scores of 0 and 1 on questions that share no document: Bonett and Price (2012), the Wald
    interval of a difference of paired proportions after adding one disagreement to either side
    and two questions in all. Its centre lies nearer to zero than the plain mean. Everything else:
    the mean with its standard error clustered by document, as in `tasks.core.stats`.
    """
    difference = a - b
    n = len(difference)
    if len(sizes) == n and _binary(a) and _binary(b):
        return _bonett_price(difference, n)
    return clustered(difference, sizes)


def clustered(difference: Floats, sizes: Counts) -> Gain:
    """Mean of differences with its standard error over documents; infinite for one document."""
    n, count = len(difference), len(sizes)
    mean = float(difference.sum()) / n
    if count == 1:
        return Gain(mean, math.inf, 0, 1, n)
    starts = np.concatenate(([0], np.cumsum(sizes[:-1])))
    totals = np.add.reduceat(difference - mean, starts)
    se = math.sqrt(count / (count - 1) * float((totals * totals).sum())) / n
    return Gain(mean, se if se > ROUNDING else 0.0, count - 1, count, n)


def _binary(scores: Floats) -> bool:
    return bool(((scores == 0) | (scores == 1)).all())


def _bonett_price(difference: Floats, n: int) -> Gain:
    won = (float((difference > 0).sum()) + 1) / (n + 2)
    lost = (float((difference < 0).sum()) + 1) / (n + 2)
    gain = won - lost
    return Gain(gain, math.sqrt((won + lost - gain**2) / (n + 2)), NORMAL, n, n)


def best_end(points: Sequence[tuple[float, Floats]], leader: Floats, sizes: Counts) -> float:
    """By how much a training would end ahead of the leader if it went on as well as it can.

    `points` are shares of the examples, rising, with the scores that a model trained on them
    reached; share 0 is the model before training. Examples are taken to teach less and less: a
    curve that bends down ends below the straight line through any two of its points. The least
    end of the lines through the last point counts, seen or not by chance: lines are optimistic
    enough. Without points the training may reach 1 on every question, but for what is uncertain
    about the leader (one-sided 95%).
    """
    ends = [
        float((reached + (reached - scores) * (1 - share) / (share - at) - leader).mean())
        for share, reached in points[-1:]
        for at, scores in points[:-1]
    ]
    return min([upper_bound(clustered(1 - leader, sizes), 0.05), *ends])
