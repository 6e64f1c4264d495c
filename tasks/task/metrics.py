"""Metrics over answers: a value for each answer, whose mean is the metric."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from tasks.artifacts import Answer
from tasks.core.labels import LEAST, calibration_values, macro_f1_values
from tasks.core.stats import Interval, mean_interval

PLUS = " + "
MACRO_F1 = "macro_f1"


def _macro_f1(rows: Sequence[Answer]) -> list[float]:
    return macro_f1_values([row.expected[0] for row in rows], [row.answer for row in rows])


def _calibration(rows: Sequence[Answer]) -> list[float]:
    confidence = [row.probabilities[row.answer] for row in rows]
    return calibration_values(confidence, [row.scores["accuracy"] for row in rows])


# Metrics of a whole set of answers; any other is the mean of a score that each answer has.
WHOLE: dict[str, Callable[[Sequence[Answer]], list[float]]] = {
    MACRO_F1: _macro_f1,
    "calibration_error": _calibration,
}


JUDGED = "judged"  # whether a judge model says yes to an answer, where the run file names one
TOKENS = "tokens"  # of prompt and answer, in thousands: the one cost that each answer has


def utility(weights: Mapping[str, float]) -> str:
    """The name of a weighted sum of metrics, which is a metric like any other.

    `{"f1": 0.8, "refused": 0.2}` is called `0.8 f1 + 0.2 refused`: whoever reads the name knows
    what was decided by.
    """
    return PLUS.join(f"{weight!r} {name}" for name, weight in weights.items())


def parts(metric: str) -> dict[str, float]:
    """The metrics that a metric is made of, with their weights; of a plain one, itself."""
    if " " not in metric:
        return {metric: 1.0}
    terms = (term.split(" ") for term in metric.split(PLUS))
    return {name: float(weight) for weight, name in terms}


def can_race(metric: str) -> bool:
    """Whether paths can race on a metric: on values that answers have by themselves, or macro-F1.

    A race compares the first answers before there are others.
    """
    return metric == MACRO_F1 or not is_whole(metric)


def is_whole(metric: str) -> bool:
    """Whether a metric, or a part of it, is one of a whole set of answers."""
    return any(name in WHOLE for name in parts(metric))


def values(rows: Sequence[Answer], metric: str) -> list[float]:
    """What each answer adds to a metric, in order; what is decided and resampled is this.

    For a metric of the whole set it depends on the other answers: see `core.labels`.
    """
    if metric in WHOLE:
        return WHOLE[metric](rows)
    if metric == TOKENS:
        return [(row.tokens_in + row.tokens_out) / 1000 for row in rows]
    if " " not in metric:
        return [row.scores[metric] for row in rows]
    columns = [[weight * one for one in values(rows, name)]
               for name, weight in parts(metric).items()]  # fmt: skip
    return [math.fsum(terms) for terms in zip(*columns, strict=True)]


def likelihood(rows: Sequence[Answer]) -> float:
    """Mean log-probability of the right label, in nats; 0 where answers are no labels."""
    chances = [row.probabilities.get(row.expected[0], 0.0) for row in rows if row.probabilities]
    return math.fsum(math.log(max(one, LEAST)) for one in chances) / max(len(chances), 1)


def single(metric: str, rows: Sequence[Answer]) -> str:
    """The metric to compare single answers by: this one, or for one of whole sets a score."""
    return next(iter(rows[0].scores), metric) if is_whole(metric) and rows else metric


def bounds(metric: str) -> tuple[float, float] | None:
    """The least and the greatest value that a metric can have; None where it has no bound."""
    weights = parts(metric)
    if TOKENS in weights:
        return None
    lowest = math.fsum(weight for weight in weights.values() if weight < 0)
    return lowest, math.fsum(weight for weight in weights.values() if weight > 0)


def intervals(rows: Sequence[Answer], metrics: Iterable[str]) -> dict[str, Interval]:
    """Each metric with its 95% interval, clustered by source, over the answers that have it."""
    out: dict[str, Interval] = {}
    for name in metrics:
        having = [row for row in rows if _has(row, name)]
        if having:
            clusters = [row.cluster for row in having]
            out[name] = mean_interval(values(having, name), clusters, bounds=bounds(name))
    return out


def _has(row: Answer, metric: str) -> bool:
    return all(name in WHOLE or name == TOKENS or name in row.scores for name in parts(metric))


def by_kind(rows: Sequence[Answer], metrics: Iterable[str]) -> dict[str, dict[str, Interval]]:
    """The same for each kind of question, without metrics that only a whole set has."""
    own = [name for name in metrics if not is_whole(name)]
    kinds = sorted({row.kind for row in rows})
    return {kind: intervals([row for row in rows if row.kind == kind], own) for kind in kinds}
