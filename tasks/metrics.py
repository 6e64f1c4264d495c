"""Metrics over answers: a value for each answer, whose mean is the metric."""

import math
from collections.abc import Callable, Iterable, Sequence

from tasks.artifacts import Answer
from tasks.core.labels import LEAST, calibration_values, macro_f1_values
from tasks.core.stats import Interval, mean_interval


def _macro_f1(rows: Sequence[Answer]) -> list[float]:
    return macro_f1_values([row.expected[0] for row in rows], [row.answer for row in rows])


def _calibration(rows: Sequence[Answer]) -> list[float]:
    confidence = [row.probabilities[row.answer] for row in rows]
    return calibration_values(confidence, [row.scores["accuracy"] for row in rows])


# Metrics of a whole set of answers; any other is the mean of a score that each answer has.
WHOLE: dict[str, Callable[[Sequence[Answer]], list[float]]] = {
    "macro_f1": _macro_f1,
    "calibration_error": _calibration,
}


def values(rows: Sequence[Answer], metric: str) -> list[float]:
    """What each answer adds to a metric, in order; what is decided and resampled is this.

    For a metric of the whole set it depends on the other answers: see `core.labels`.
    """
    if metric in WHOLE:
        return WHOLE[metric](rows)
    return [row.scores[metric] for row in rows]


def likelihood(rows: Sequence[Answer]) -> float:
    """Mean log-probability of the right label, in nats; 0 where answers are no labels."""
    chances = [row.probabilities.get(row.expected[0], 0.0) for row in rows if row.probabilities]
    return math.fsum(math.log(max(one, LEAST)) for one in chances) / max(len(chances), 1)


def single(metric: str, rows: Sequence[Answer]) -> str:
    """The metric to compare single answers by: this one, or for one of whole sets a score."""
    return next(iter(rows[0].scores), metric) if metric in WHOLE and rows else metric


def intervals(rows: Sequence[Answer], metrics: Iterable[str]) -> dict[str, Interval]:
    """Each metric with its 95% interval, clustered by source, over the answers that have it."""
    out: dict[str, Interval] = {}
    for name in metrics:
        having = [row for row in rows if name in WHOLE or name in row.scores]
        if having:
            clusters = [row.cluster for row in having]
            out[name] = mean_interval(values(having, name), clusters, bounds=(0, 1))
    return out


def by_kind(rows: Sequence[Answer], metrics: Iterable[str]) -> dict[str, dict[str, Interval]]:
    """The same for each kind of question, without metrics that only a whole set has."""
    own = [name for name in metrics if name not in WHOLE]
    kinds = sorted({row.kind for row in rows})
    return {kind: intervals([row for row in rows if row.kind == kind], own) for kind in kinds}
