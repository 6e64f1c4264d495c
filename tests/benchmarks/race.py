"""The race under a budget, on drawn questions whose truth is known: errors, coverage, regret.

Run with `python -m tests.benchmarks.race`, about a quarter of an hour; `--repeats 200` takes a few
minutes.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from tasks.core.claims import Measured, Settings, choose
from tasks.core.labels import macro_f1_values
from tasks.core.race import (
    PILOTS,
    UNLIMITED,
    Contender,
    Cost,
    Measure,
    Race,
    State,
    Stop,
    next_step,
    plan_race,
    record,
)
from tasks.core.race_state import PARTS, WHOLE
from tasks.core.veto import PATHS

Scores = npt.NDArray[np.float64]
Scored = tuple[float, ...]
Curve = Callable[[float], float]
SECONDS = {"prompt": 0.1, "rag": 0.3, "finetune": 0.1, "finetune+rag": 0.3}  # a question
TRAIN = {"finetune": 600.0, "finetune+rag": 1200.0}
BASE = {"finetune": "prompt", "finetune+rag": "rag"}
LEAST = Settings().min_gain


def concave(share: float) -> float:
    """Most is learnt from the first examples."""
    return (1 - math.exp(-3 * share)) / (1 - math.exp(-3))


def linear(share: float) -> float:
    """Every example teaches the same: facts learnt by heart."""
    return share


def late(share: float) -> float:
    """Learning sets in late, against what the race takes for granted."""
    return share**2


@dataclass(frozen=True)
class Truth:
    """True means, simplest path first; documents, questions a document, and how scores fall."""

    means: tuple[float, ...]
    documents: int = 100
    most: int = 7  # questions a document: 1 to this
    tokens: int = 1  # 1: right or wrong; 3: scores of 0, 1/3, 2/3 and 1, as F1 falls
    labels: int = 0  # of these, all as often, answers are one, and means are macro-F1
    curve: Curve = concave

    def mean(self, path: str, share: float) -> float:
        """What a path scores in truth when trained on this share."""
        at = PATHS.index(path)
        if path not in BASE or share == WHOLE:
            return self.means[at]
        start = self.means[PATHS.index(BASE[path])]
        return start + (self.means[at] - start) * self.curve(share)

    def expected(self, n: int) -> list[int]:
        """The label expected of each of `n` questions, where there are labels."""
        return [at % self.labels for at in range(n)] if self.labels else []

    def values(self, scores: Sequence[float]) -> tuple[float, ...]:
        """What each of a path's scores adds to its mean."""
        return tuple(macro_f1_values(self.expected(len(scores)), scores)) if self.labels else scores


@dataclass(frozen=True)
class Rules:
    """How the race is run."""

    budget: float = math.inf  # share of what measuring everything costs
    shared: bool = False  # one adapter for both tuned paths
    pilots: tuple[float, ...] = PILOTS
    gains: tuple[float, ...] = (0.0, 0.2, 0.2, 0.2)  # published ones over the base


def draw(
    rng: np.random.Generator, truth: Truth
) -> tuple[list[int], dict[tuple[str, float], tuple[float, ...]]]:
    """Sizes of documents, and every system's scores; documents and questions are hard or easy."""
    sizes = [int(size) for size in rng.integers(1, truth.most + 1, truth.documents)]
    document = np.repeat(np.arange(truth.documents), sizes)
    n, tokens = len(document), truth.tokens
    paths = PATHS[: len(truth.means)]
    common = math.sqrt(0.20) * rng.normal(size=truth.documents)[document]
    common = common + math.sqrt(0.35) * rng.normal(size=n)
    found: dict[tuple[str, float], tuple[float, ...]] = {}
    for path in paths:
        own = math.sqrt(0.15) * rng.normal(size=truth.documents)[document]
        own = own + math.sqrt(0.15) * rng.normal(size=n)
        for share in PARTS if path in BASE else (0.0,):
            noise = math.sqrt(0.15) * rng.normal(size=(tokens, n))
            right = common + own + noise < ndtri(truth.mean(path, share))
            found[path, share] = tuple(right.mean(axis=0).tolist())
            if truth.labels:
                found[path, share] = _answered(rng, truth, right[0])
    return sizes, found


def _answered(rng: np.random.Generator, truth: Truth, right: npt.NDArray[np.bool_]) -> Scored:
    """Labels answered: the one expected, or any other, each as likely, so that F1 is accuracy."""
    expected = np.array(truth.expected(len(right)))
    wrong = expected + rng.integers(1, truth.labels, len(right))
    return tuple(np.where(right, expected, wrong % truth.labels).astype(float).tolist())


def exhaustive_seconds(paths: Sequence[str], n: int) -> float:
    """What measuring every path in whole costs, with an adapter for each tuned path."""
    return sum(SECONDS[path] * n + TRAIN.get(path, 0.0) for path in paths)


def race_of(truth: Truth, rules: Rules, sizes: Sequence[int]) -> Race:
    paths = PATHS[: len(truth.means)]
    whole = exhaustive_seconds(paths, sum(sizes))
    contenders = [
        Contender(
            path,
            Cost(SECONDS[path]),
            None if path not in BASE else "both" if rules.shared else path,
            Cost(max(TRAIN.values()) if rules.shared else TRAIN[path]) if path in BASE else Cost(),
            BASE.get(path),
            gain,
        )
        for path, gain in zip(paths, rules.gains, strict=False)
    ]
    budget = (
        UNLIMITED if math.isinf(rules.budget) else Cost(rules.budget * whole, math.inf, math.inf)
    )
    labels = truth.expected(sum(sizes))
    return plan_race(contenders, sizes, Settings(), budget, rules.pilots, labels=labels)


def drive(race: Race, scores: dict[tuple[str, float], tuple[float, ...]]) -> tuple[State, Stop]:
    """Run a race on drawn scores, at the estimated prices."""
    state = State(race)
    while not isinstance(step := next_step(state), Stop):
        if isinstance(step, Measure):
            found = scores[step.path, step.share][step.start : step.stop]
            state = record(state, step, Cost(SECONDS[step.path] * len(found)), found)
        else:
            one = next(one for one in race.contenders if one.training == step.training)
            state = record(state, step, one.train.times(step.share))
    return state, step


@dataclass
class Tally:
    """What a cell's races came to."""

    wrong: int = 0
    wrong_all: int = 0
    same: int = 0
    cost: list[float] = field(default_factory=list)
    regret: list[float] = field(default_factory=list)
    hindsight: list[float] = field(default_factory=list)
    hindsight_all: list[float] = field(default_factory=list)
    margins: int = 0
    covered: int = 0


def run_cell(truth: Truth, rules: Rules, repeats: int, seed: int = 5) -> Tally:
    """Race `repeats` times on fresh questions of one truth."""
    rng, tally = np.random.default_rng(seed), Tally()
    for _ in range(repeats):
        run_once(rng, truth, rules, tally)
    return tally


def run_once(rng: np.random.Generator, truth: Truth, rules: Rules, tally: Tally) -> None:
    """One race on fresh questions, added to a tally, beside the rule given every answer."""
    paths = PATHS[: len(truth.means)]
    sizes, scores = draw(rng, truth)
    _, stop = drive(race_of(truth, rules, sizes), scores)
    names = tuple(f"d{i}" for i, size in enumerate(sizes) for _ in range(size))
    wholes = {path: scores[path, WHOLE if path in BASE else 0.0] for path in paths}
    every = [Measured(path, truth.values(one), names) for path, one in wholes.items()]
    chosen, full = stop.choice.path, choose(every, (), Settings()).path
    got, best = truth.mean(chosen, WHOLE), max(truth.means)
    tally.wrong += not _worth(truth, chosen)
    tally.wrong_all += not _worth(truth, full)
    tally.same += chosen == full
    tally.cost.append(stop.spent.seconds / exhaustive_seconds(paths, sum(sizes)))
    tally.regret.append(100 * (truth.mean(full, WHOLE) - got))
    tally.hindsight.append(100 * (best - got))
    tally.hindsight_all.append(100 * (best - truth.mean(full, WHOLE)))
    for margin in stop.choice.margins:
        if margin.path in BASE or margin.over in BASE:
            continue
        gain = truth.mean(margin.path, 0) - truth.mean(margin.over, 0)
        tally.margins += 1
        tally.covered += margin.low <= gain <= margin.high


def _worth(truth: Truth, path: str) -> bool:
    """Whether a path beats every simpler one by more than the minimal gain in truth."""
    at = PATHS.index(path)
    return all(truth.means[at] - simpler > LEAST + 1e-9 for simpler in truth.means[:at])


NULLS = {
    "pair": (0.40, 0.42),
    "level": (0.40, 0.42, 0.42, 0.42),
    "ladder": (0.40, 0.42, 0.44, 0.46),
    "second step": (0.40, 0.70, 0.72, 0.72),
    "flat": (0.40, 0.40, 0.40, 0.40),
}
KINDS = {
    "binary, independent": Truth((), 400, 1),
    "binary, clustered": Truth((), 100, 7),
    "F1-like, clustered": Truth((), 100, 7, tokens=3),
    "binary, 24 documents": Truth((), 24, 15),
    "macro-F1, 8 labels": Truth((), 400, 1, labels=8),
    "macro-F1, 40 labels": Truth((), 400, 1, labels=40),
}
CASES = {
    "facts in documents": (0.15, 0.55, 0.20, 0.58),
    "facts, and form": (0.15, 0.50, 0.25, 0.68),
    "form only": (0.30, 0.31, 0.55, 0.56),
    "labels": (0.45, 0.60, 0.75, 0.75),
    "nothing helps": (0.50, 0.48, 0.49, 0.50),
    "small steps": (0.40, 0.46, 0.50, 0.55),
}


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    print(
        "Wrong switches of the race (of measuring everything), and margins that hold the truth, %"
    )
    for kind, truth in KINDS.items():
        for name, means in NULLS.items():
            found = run_cell(replace(truth, means=means), Rules(), repeats)
            print(f"  {kind:22} {name:12} {errors(found)}", flush=True)
    print("The same where the budget cuts trainings short")
    for curve in (concave, linear, late):
        for shared in (False, True):
            for budget in (0.35, 0.6):
                truth = Truth((0.20, 0.40, 0.60, 0.62), curve=curve)
                found = run_cell(truth, Rules(budget, shared), repeats)
                adapters = "one adapter" if shared else "two adapters"
                print(f"  {curve.__name__:8} {adapters:13} {budget:4}  {errors(found)}", flush=True)
    print("Under a budget: share of the exhaustive cost spent, same choice, points lost")
    for shared in (False, True):
        for budget in (0.2, 0.35, 0.6, 1.0):
            cells = [
                run_cell(Truth(means), Rules(budget, shared), repeats // 4)
                for means in CASES.values()
            ]
            adapters = "one adapter" if shared else "two adapters"
            print(f"  {adapters:13} {budget:4}  {losses(cells)}", flush=True)


def errors(found: Tally) -> str:
    """A line of errors and coverage."""
    repeats, held = len(found.cost), 100 * found.covered / max(found.margins, 1)
    wrong, whole = 100 * found.wrong / repeats, 100 * found.wrong_all / repeats
    return f"{wrong:5.1f} ({whole:.1f})  {held:5.1f}"


def losses(cells: Sequence[Tally]) -> str:
    """A line of what a budget costs and loses, over the cases and then for each."""
    cost = 100 * np.mean([np.mean(one.cost) for one in cells])
    same = 100 * np.mean([one.same / len(one.cost) for one in cells])
    lost = [float(np.mean(one.regret)) for one in cells]
    hindsight = np.mean([np.mean(one.hindsight) for one in cells])
    whole = np.mean([np.mean(one.hindsight_all) for one in cells])
    each = " ".join(f"{one:5.1f}" for one in lost)
    return (
        f"cost {cost:3.0f}%  same {same:3.0f}%  lost {np.mean(lost):5.2f} ({each})  "
        f"against hindsight {hindsight:.2f}, measuring everything {whole:.2f}"
    )


if __name__ == "__main__":
    main()
