"""Quality against cost: what nothing else beats in both, and when a training pays back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MONTH = 30  # days


@dataclass(frozen=True)
class Spent:
    """What one path costs in one unit (seconds, kWh): its training once, and each question."""

    training: float
    question: float


@dataclass(frozen=True)
class Crossover:
    """From how many questions a month on a trained path costs less than one that reads more.

    `questions` is None where it never does, for its questions cost no less.
    """

    path: str
    over: str
    unit: str
    questions: float | None


def pareto(points: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Who is on the front, cheapest first: nobody else is as good for less, or better for as much.

    `points` are (quality, cost); equal points are on the front together.
    """
    front = [name for name in points if not dominating(points, name)]
    return _cheapest_first(points, front)


def dominating(points: Mapping[str, tuple[float, float]], name: str) -> tuple[str, ...]:
    """Who keeps one off the front, cheapest first: at least as good for no more, and not equal."""
    quality, cost = points[name]
    found = [
        other
        for other, (reached, price) in points.items()
        if reached >= quality and price <= cost and (reached, price) != (quality, cost)
    ]
    return _cheapest_first(points, found)


def _cheapest_first(
    points: Mapping[str, tuple[float, float]], names: Sequence[str]
) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (points[name][1], name)))


def crossovers(
    spent: Mapping[str, Spent], unit: str, retrain_every_days: float
) -> tuple[Crossover, ...]:
    """For each trained path against each untrained one: where its trainings are paid back.

    In a month a path trains `30 / retrain_every_days` times.
    """
    trainings = MONTH / retrain_every_days
    return tuple(
        Crossover(path, over, unit, _paid_back(one, other, trainings))
        for path, one in spent.items()
        if one.training > 0
        for over, other in spent.items()
        if other.training == 0
    )


def _paid_back(one: Spent, other: Spent, trainings: float) -> float | None:
    saved = other.question - one.question
    return one.training * trainings / saved if saved > 0 else None


def per_correct(cost: float | None, share: float) -> float | None:
    """Cost of a correct answer, from that of a question and the share that is correct.

    None where the cost is not known; infinite where nothing is correct.
    """
    if cost is None:
        return None
    return cost / share if share > 0 else math.inf
