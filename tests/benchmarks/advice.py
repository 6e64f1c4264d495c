"""Advice from facts alone against what papers found, each paper left out in turn.

Run by `python -m tests.benchmarks.advice [--papers]`. A hit: of the paths that a row compared,
the one ranked first won (or tied). Loss: by how much it fell short, in percent of the best score.
Both are averaged within a paper, then over papers; intervals resample papers. Rows without scores
count for hits alone, and there the first of all four paths must be the winner stated.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tasks.core.evidence import KNOWLEDGE, Row, published
from tasks.core.gains import CAP, expected_gains, fit, fit_rows, rank
from tasks.core.rule import size_class, size_rule
from tasks.core.veto import PATHS

Adviser = Callable[[Row], Sequence[str]]
RESAMPLES, SEED = 10_000, 7


class Judged(NamedTuple):
    """Hit and loss by paper; a paper without scores has no loss (NaN)."""

    hits: np.ndarray
    losses: np.ndarray


def left_out(row: Row) -> Sequence[str]:
    """The project's ranking, from all papers but this row's."""
    return rank(expected_gains(row.case, fit(without=row.paper)))


def prior_alone(row: Row) -> Sequence[str]:
    """The ranking that the prior gives, without any result."""
    return rank(expected_gains(row.case, PRIOR))


def all_papers(row: Row) -> Sequence[str]:
    """The ranking as shipped: it has seen the row."""
    return rank(expected_gains(row.case))


def inherited(row: Row) -> Sequence[str]:
    """The size rule's path; nothing where it does not commit."""
    open_weights = row.case.weights == "open"
    size = size_class(row.model, row.case.params, open_weights=open_weights)
    niche = row.case.exposure in ("domain", "long-tail", "private")
    path = size_rule(size, row.case.task or "", niche=niche).path
    return (path,) if path else ()


def always(row: Row) -> Sequence[str]:
    """Retrieve, whatever the case."""
    return ("rag", "finetune+rag", "prompt", "finetune")


def retrieve_else_tune(row: Row) -> Sequence[str]:
    """Retrieve for questions about facts, fine-tune for all else."""
    return always(row) if row.case.task in KNOWLEDGE else TUNE


def both_else_tune(row: Row) -> Sequence[str]:
    """Both for questions about facts, fine-tune for all else."""
    both = ("finetune+rag", "rag", "finetune", "prompt")
    return both if row.case.task in KNOWLEDGE else TUNE


TUNE = ("finetune", "finetune+rag", "rag", "prompt")
PRIOR = fit_rows(())
ADVISERS: dict[str, Adviser] = {
    "size rule": inherited,
    "always retrieve": always,
    "facts: retrieve, else fine-tune": retrieve_else_tune,
    "facts: both, else fine-tune": both_else_tune,
    "advice, its prior alone": prior_alone,
    "advice, paper left out": left_out,
    "advice, as shipped (has seen the rows)": all_papers,
}


def judge(adviser: Adviser, rows: Sequence[Row]) -> Judged:
    """Hits and losses of an adviser, by paper."""
    hits: dict[str, list[float]] = defaultdict(list)
    losses: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        scores = dict(row.scores)
        ranking = [path for path in adviser(row) if path in scores or not scores]
        chosen = ranking[0] if ranking else None
        hits[row.paper].append(chosen in row.best)
        if chosen in scores and max(scores.values()) > 0:
            losses[row.paper].append(100 * (1 - scores[chosen] / max(scores.values())))
    return Judged(
        np.array([np.mean(hits[paper]) for paper in hits]),
        np.array([np.mean(losses[paper]) if losses[paper] else math.nan for paper in hits]),
    )


def spread(values: np.ndarray) -> tuple[float, float]:
    """A 95% interval of a mean over papers, by resampling papers."""
    draws = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.nanpercentile(np.nanmean(values[draws], axis=1), (2.5, 97.5))
    return float(low), float(high)


def misses() -> tuple[dict[str, float], float]:
    """Root mean square miss of each path's gain by left-out papers, and the intervals' coverage."""
    squares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    inside: dict[str, list[float]] = defaultdict(list)
    for row in published():
        scores = dict(row.scores)
        if "prompt" not in scores:
            continue
        gains = expected_gains(row.case, fit(without=row.paper))
        for path in PATHS[1:]:
            if path in scores:
                gain = scores[path] - scores["prompt"]
                clipped = float(np.clip(gain, -CAP, CAP))
                squares[path][row.paper].append((clipped - gains[path].value) ** 2)
                inside[row.paper].append(gains[path].low <= gain <= gains[path].high)
    rms = {
        path: math.sqrt(np.mean([np.mean(one) for one in papers.values()]))
        for path, papers in squares.items()
    }
    return rms, float(np.mean([np.mean(one) for one in inside.values()]))


def main() -> None:
    """Print the table for `docs/decision.md`."""
    rows = published()
    ours = judge(left_out, rows)
    print(f"{len(rows)} results of {len(ours.hits)} papers")
    print("| adviser | hits | 95% | loss | hits behind ours, 95% |")
    print("|---|---|---|---|---|")
    for name, adviser in ADVISERS.items():
        found = judge(adviser, rows)
        low, high = spread(found.hits)
        behind = spread(ours.hits - found.hits)
        loss = "" if adviser is inherited else f"{np.nanmean(found.losses):.1f}%"
        print(
            f"| {name} | {found.hits.mean():.0%} | {low:.0%} to {high:.0%} | {loss} "
            f"| {100 * behind[0]:+.0f} to {100 * behind[1]:+.0f} |"
        )
    rms, coverage = misses()
    print("miss of gains, left out: " + ", ".join(f"{p} {v:.0f}" for p, v in rms.items()))
    print(f"80% intervals hold {coverage:.0%} of left-out results, averaged by paper")
    if "--papers" in sys.argv:
        names = list(dict.fromkeys(row.paper for row in rows))
        for name, hit, lost in zip(names, *ours, strict=True):
            print(f"  {name}: {hit:.0%} hits, {lost:.1f}% lost")


if __name__ == "__main__":
    main()
