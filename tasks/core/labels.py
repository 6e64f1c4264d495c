"""How classification is judged: each metric as a value for each example, their mean the metric.

Macro-F1, calibration error and kappa belong to a whole set of answers. Their values here have the
metric as their mean, and a standard error of that mean which is right for it, so that intervals,
paired gains and clusters work as for any score; one value may lie outside 0 to 1. Those of
calibration error and kappa are of the linearised estimator, the metric plus each example's
influence on it (Deville 1999, "Variance estimation for complex statistics and estimators:
linearization and residual techniques"). Macro-F1 takes the jackknife's, since linearised ones are
too sure where a label has few examples; what the jackknife expects is no less than the variance
(Efron and Stein 1981, "The jackknife estimate of variance").
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

BINS = 10  # of confidence, equally wide (Guo et al. 2017, arXiv:1706.04599, take 15 for 10,000)

SHARPNESS = 4  # of similarity in a vote

LEAST = 1e-9  # mean probability of a label that is taken for never likely

Counts: TypeAlias = npt.NDArray[np.int64]


def normalised(log_probabilities: Sequence[float]) -> list[float]:
    """Probabilities that sum to 1, from log-probabilities in nats."""
    highest = max(log_probabilities)
    shares = [math.exp(one - highest) for one in log_probabilities]
    total = math.fsum(shares)
    return [share / total for share in shares]


def log_means(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Logarithm of each label's mean probability, over texts of a row each: what is favoured.

    Taken off each log-probability, a prompt that favours a label whatever the text does so no
    longer (batch calibration: Zhou et al. 2024, arXiv:2309.17249).
    """
    means = np.asarray(rows, dtype=np.float64).mean(axis=0)
    return tuple(float(one) for one in np.log(np.maximum(means, LEAST)))


def votes(labels: Sequence[str], neighbours: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Each label's probability by the vote of labelled neighbours, given with their similarity.

    A neighbour counts by its similarity over the nearest one's, raised to `SHARPNESS`; one more
    vote is shared by all labels, so that none is impossible. Without neighbours all are alike.
    """
    nearest = max((similarity for _, similarity in neighbours), default=0.0)
    counts = dict.fromkeys(labels, 1 / len(labels))
    for label, similarity in neighbours:
        share = max(similarity, 0.0) / nearest if nearest > 0 else 1.0
        counts[label] += share**SHARPNESS
    total = math.fsum(counts.values())
    return {label: count / total for label, count in counts.items()}


def macro_f1_values(expected: Sequence[Hashable], answered: Sequence[Hashable]) -> list[float]:
    """Values whose mean is the F1 averaged over the expected labels, each label alike.

    A value is macro-F1 and how much leaving the example out takes from it, times their number. A
    label that is answered but nowhere expected has no F1 of its own; answering it costs the label
    that was expected.
    """
    wanted, given = Counter(expected), Counter(answered)
    pairs = list(zip(expected, answered, strict=True))
    right = Counter(one for one, other in pairs if one == other)
    total = math.fsum(_f1(right[one], wanted[one] + given[one]) for one in wanted)

    def without(one: Hashable, other: Hashable) -> float:
        """Macro-F1 without an example of label `one` that was answered by `other`."""
        hit, size, labels = one == other, wanted[one] + given[one], len(wanted)
        left = total - _f1(right[one], size) + _f1(right[one] - hit, size - 1 - hit)
        if not hit and other in wanted:
            size = wanted[other] + given[other]
            left += _f1(right[other], size - 1) - _f1(right[other], size)
        if wanted[one] == 1:  # then it is no longer a label that is expected, and its F1 is 0
            labels -= 1
        return left / labels if labels else total

    apart = {pair: without(*pair) for pair in set(pairs)}
    left = [apart[pair] for pair in pairs]
    mean, macro = math.fsum(left) / len(left), total / len(wanted)
    return [macro + (len(left) - 1) * (mean - one) for one in left]


def _f1(right: int, size: int) -> float:
    """F1 of a label that is right so often, of how often it was expected and how often answered."""
    return 2 * right / size if size else 0.0


@dataclass(frozen=True)
class Chance:
    """What needs no model: one label for every text, and guessing evenly.

    `label` is the most frequent in training, the first by name where `alike` labels are; `scores`
    are macro-F1 and accuracy of giving it always, `guessed` is the accuracy of guessing that is
    expected.
    """

    label: str
    alike: int
    scores: Mapping[str, float]
    guessed: float


def chance_level(expected: Sequence[str], trained: Mapping[str, int]) -> Chance:
    """What these expected labels are worth without reading a text.

    `trained` counts the training examples of each label that can be answered; at least one each.
    """
    most = max(trained.values())
    tied = sorted(label for label, count in trained.items() if count == most)
    always = [tied[0]] * len(expected)
    right = sum(label == tied[0] for label in expected)
    scores = {
        "macro_f1": math.fsum(macro_f1_values(expected, always)) / len(expected),
        "accuracy": right / len(expected),
    }
    return Chance(tied[0], len(tied), scores, 1 / len(trained))


def calibration_values(confidence: Sequence[float], correct: Sequence[float]) -> list[float]:
    """Values whose mean is the expected calibration error over `BINS` bins of confidence.

    `confidence` is the answered label's probability, `correct` 1 or 0. A bin's gap is the
    distance of its mean confidence from its accuracy, weighted by its share of the examples.
    """
    bins = [min(int(one * BINS), BINS - 1) for one in confidence]
    gaps = [one - other for one, other in zip(confidence, correct, strict=True)]
    totals: dict[int, float] = {}
    for at, gap in zip(bins, gaps, strict=True):
        totals[at] = totals.get(at, 0.0) + gap
    return [math.copysign(1.0, totals[at]) * gap for at, gap in zip(bins, gaps, strict=True)]


def kappa_values(one: Sequence[bool], other: Sequence[bool]) -> list[float]:
    """Values whose mean is Cohen's kappa of two judges of the same answers, who say yes or no.

    0 is what chance would agree on, 1 full agreement. Where each says one and the same thing of
    everything, chance explains all of it, and kappa is 0.
    """
    pairs = [(float(a), float(b)) for a, b in zip(one, other, strict=True)]
    n = len(pairs)
    first, second = math.fsum(a for a, _ in pairs) / n, math.fsum(b for _, b in pairs) / n
    agreed = sum(a == b for a, b in pairs) / n
    room = 1 - first * second - (1 - first) * (1 - second)  # that chance leaves to agree in
    if room == 0:
        return [0.0] * n
    missing = (1 - agreed) / room

    def influence(a: float, b: float) -> float:
        """Of an answer of which the judges say `a` and `b`."""
        chance = (2 * second - 1) * (a - first) + (2 * first - 1) * (b - second)
        return ((a == b) - agreed - missing * chance) / room

    return [1 - missing + influence(a, b) for a, b in pairs]


def confusion(expected: Sequence[str], answered: Sequence[str], labels: Sequence[str]) -> Counts:
    """How often each label (row) was answered by each (column), in the order of `labels`."""
    at = {label: number for number, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), np.int64)
    for one, other in zip(expected, answered, strict=True):
        table[at[one], at[other]] += 1
    return table
