"""What is told of each scenario and of all: points lost, share of the cost, right choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BUDGETS = (0.20, 0.35, 0.60)  # shares of the seconds in which everything is measured
MEAN_LOST, MOST_LOST, COST = 1.0, 5.0, 0.35  # the goal: at most so many points, at such a cost
WIDTH = 20  # of an adviser's name


@dataclass(frozen=True)
class Verdict:
    """Which path somebody chose, and after how many seconds of measuring.

    A path that was trained on a part of the examples has that `share`, and a `score` of its own.
    """

    adviser: str
    path: str | None
    seconds: float
    share: float | None = None
    score: float | None = None
    certainty: str = ""


@dataclass(frozen=True)
class Judged:
    """A verdict held against the rule that was given every measurement.

    `cost` is a share of the exhaustive cost. `lost` are points behind the rule's path, negative
    where it is ahead, `behind` those behind the best path in hindsight. `right`: the same path.
    `barred`: a limit rules the path out; its points are then those of the simplest one allowed.
    """

    verdict: Verdict
    cost: float
    lost: float
    behind: float
    right: bool
    barred: bool


@dataclass(frozen=True)
class Decided:
    """A scenario: every path's score on all dev questions, and what each adviser would have done.

    `seconds` is what measuring everything cost; `earlier` counts stages kept from other code.
    """

    scenario: str
    about: str
    questions: int
    means: dict[str, float]
    seconds: float
    earlier: int
    judged: tuple[Judged, ...]


def judged(
    verdicts: Sequence[Verdict],
    means: Mapping[str, float],
    seconds: float,
    allowed: Sequence[str],
    reference: str,
) -> tuple[Judged, ...]:
    """Verdicts held against `reference`; `allowed` are the paths within all limits, in order."""
    best = max(means[path] for path in allowed)
    found = []
    for one in verdicts:
        barred = one.path not in allowed
        score = means[allowed[0] if barred or one.path is None else one.path]
        if one.score is not None and not barred:
            score = one.score
        found.append(
            Judged(
                verdict=one,
                cost=one.seconds / seconds,
                lost=100 * (means[reference] - score),
                behind=100 * (best - score),
                right=one.path == reference,
                barred=barred,
            )
        )
    return tuple(found)


def scenario_text(one: Decided) -> str:
    """A scenario's table."""
    means = ", ".join(f"{path} {100 * mean:.1f}" for path, mean in one.means.items())
    lines = [
        f"{one.scenario}: {one.about}",
        f"  {one.questions} dev questions; in {one.seconds:.0f} s: {means}",
        f"  {'':{WIDTH}} {'path':20} {'cost':>5} {'lost':>6} {'behind best':>12}",
    ]
    for row in one.judged:
        told = row.verdict
        path = f"{told.path or 'none'}{f' on {told.share:.1%}' if told.share else ''}"
        mark = "right" if row.right else "barred" if row.barred else ""
        lines.append(
            f"  {told.adviser:{WIDTH}} {path:20} {row.cost:5.0%} {row.lost:6.1f} "
            f"{row.behind:12.1f}  {mark}".rstrip()
        )
    if one.earlier:
        lines.append(f"  {one.earlier} of its stages were computed by other code than today's")
    return "\n".join(lines)


def overall_text(scenarios: Sequence[Decided]) -> str:
    """All scenarios in one table; a gain somewhere does not make up for a loss elsewhere."""
    lines = [
        f"All {len(scenarios)} scenarios",
        f"  {'':{WIDTH}} {'cost':>5} {'lost':>6} {'most':>6} {'right':>6} {'behind best':>12}",
    ]
    for name in dict.fromkeys(row.verdict.adviser for one in scenarios for row in one.judged):
        rows = _of(scenarios, name)
        lines.append(
            f"  {name:{WIDTH}} {_mean([row.cost for row in rows]):5.0%} {lost(rows):6.1f} "
            f"{max(row.lost for row in rows):6.1f} {_mean([row.right for row in rows]):6.0%} "
            f"{_mean([row.behind for row in rows]):12.1f}"
        )
    rows = _of(scenarios, f"budget {COST:.0%}")
    met = lost(rows) <= MEAN_LOST and max(row.lost for row in rows) <= MOST_LOST
    lines.append(
        f"Goal at {COST:.0%} of the cost: {MEAN_LOST:g} point lost on average, never more than "
        f"{MOST_LOST:g}: {'met' if met else 'missed'}"
    )
    return "\n".join(lines)


def lost(rows: Sequence[Judged]) -> float:
    """Mean points lost; where a path is ahead of the rule's, nothing is lost."""
    return _mean([max(row.lost, 0.0) for row in rows])


def _of(scenarios: Sequence[Decided], adviser: str) -> list[Judged]:
    return [row for one in scenarios for row in one.judged if row.verdict.adviser == adviser]


def _mean(numbers: Sequence[float]) -> float:
    return float(np.mean(numbers))
