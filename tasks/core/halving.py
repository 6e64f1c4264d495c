"""Successive halving: of several settings those that fall behind are stopped early.

After Jamieson and Talwalkar 2016 (arXiv:1502.07943): all are trained for an epoch, the better half
for two in all, the better half of those for four, until one is left, which is trained to its end.
"""

import math


def rungs(candidates: int, epochs: float) -> tuple[tuple[int, float], ...]:
    """How many candidates are trained up to which epoch, rung by rung; the last is the end.

    Where the epochs end first, more than one reach the end.
    """
    found: list[tuple[int, float]] = []
    left, until = candidates, 1
    while left > 1 and until < epochs:
        found.append((left, float(until)))
        left, until = math.ceil(left / 2), until * 2
    return (*found, (left, epochs))


def epochs_in_all(candidates: int, epochs: float) -> float:
    """Epochs trained by all candidates together; none is trained twice."""
    total, done = 0.0, 0.0
    for left, until in rungs(candidates, epochs):
        total += left * (until - done)
        done = until
    return total
