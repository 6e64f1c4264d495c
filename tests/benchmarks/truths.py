"""A thousand truths drawn at random, each raced for under four budgets: errors, coverage, regret.

Run with `python -m tests.benchmarks.truths`, under a minute on a free core; `make bench-race`
does so first. A truth is drawn so that a path is often exactly not worth it: `min_gain` better
than a simpler one.
"""

import argparse
import math

import numpy as np

from tests.benchmarks.race import (
    LEAST,
    PATHS,
    Rules,
    Tally,
    Truth,
    concave,
    late,
    linear,
    run_once,
)

BUDGETS = (0.2, 0.35, 0.6, math.inf)
TRUTHS = 1000
CURVES = (concave, linear, late)


def drawn_truth(rng: np.random.Generator) -> Truth:
    """Means of all paths, how many documents and questions there are, and how scores fall."""
    means = [float(rng.uniform(0.1, 0.5))]
    for _ in PATHS[1:]:
        just_not = means[rng.integers(len(means))] + LEAST
        anywhere = means[0] + float(rng.uniform(-0.1, 0.4))
        means.append(just_not if rng.random() < 0.4 else max(anywhere, 0.02))
    most = int(rng.integers(1, 12))
    return Truth(
        tuple(means),
        documents=int(rng.integers(150, 600)) // most + 12,
        most=most,
        tokens=int(rng.choice([1, 3])),
        curve=CURVES[rng.integers(len(CURVES))],
    )


def run_truths(count: int, budget: float, seed: int = 11) -> Tally:
    """Race once for each of `count` truths: the same ones and the same questions in every call."""
    tally = Tally()
    for at in range(count):
        rng = np.random.default_rng([seed, at])
        truth = drawn_truth(rng)
        run_once(rng, truth, Rules(budget, shared=bool(rng.random() < 0.5)), tally)
    return tally


def show(count: int = TRUTHS) -> None:
    """Print a line for each budget."""
    print(f"{count} truths drawn at random; switches that are wrong (of measuring everything)")
    for budget in BUDGETS:
        found = run_truths(count, budget)
        name = "no budget" if math.isinf(budget) else f"budget {budget:.0%}"
        wrong, whole = 100 * found.wrong / count, 100 * found.wrong_all / count
        print(
            f"  {name:11} wrong {wrong:.1f}% ({whole:.1f}%)  "
            f"margins that hold the truth {100 * found.covered / found.margins:.1f}%  "
            f"cost {100 * np.mean(found.cost):3.0f}%  same {100 * found.same / count:3.0f}%  "
            f"lost {np.mean(found.regret):5.2f}  against hindsight {np.mean(found.hindsight):.2f}",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--truths", type=int, default=TRUTHS)
    show(parser.parse_args().truths)


if __name__ == "__main__":
    main()
