"""What each path gains over prompting: eight terms, a prior with its reasons, 120 results.

A path's expected gain, in points of the primary metric, is a sum of terms. Each is an amount
that follows from the case (0 to 1, `amounts`) times points for a whole one. The points start
from a prior that the literature gives and are moved by the published results (`tasks.core.
evidence`), in which every paper counts alike, by ridge regression towards the prior (a normal
prior and normal errors). No term may change its sign, so that the direction in which each fact
works is the one written here, whatever the rows say.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from tasks.core.cases import EXPOSURES, HOSTED, OPEN, TASKS, TUNABLE, Case
from tasks.core.evidence import Row, published
from tasks.core.stats import Interval
from tasks.core.veto import PATHS

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """Points for one unit of a term: the prior's mean and standard deviation, and the reason."""

    name: str
    points: float
    spread: float
    why: str


TERMS = (
    Term(
        "passages", 45, 15,
        "answers stand in passages that the model does not know: retrieval helps most on "
        "long-tail facts (Mallen et al. 2023, Kandpal et al. 2023) and on new ones (FreshLLMs)",
    ),
    Term(
        "distraction", -10, 4,
        "passages that are not needed mislead: on popular facts retrieval lowers what large "
        "models answer alone (Mallen et al. 2023), irrelevant context too (Shi et al. 2023)",
    ),
    Term(
        "behaviour", 40, 12,
        "examples of the task teach labels, form and style: tuned small models beat prompted "
        "large ones (T-Few, Liu et al. 2022) from about 100 labels (Pecher et al. 2024)",
    ),
    Term(
        "facts", 10, 5,
        "a fact trained on is remembered only after many variations of it (Allen-Zhu & Li 2023, "
        "Ovadia et al. 2023), so tuning adds few facts, and none that change afterwards",
    ),
    Term(
        "read", 20, 8,
        "passages read by a model tuned to read them (RAG, Lewis et al. 2020; FiD, Izacard & "
        "Grave 2021; RA-DIT, Lin et al. 2023): less than without tuning, which has learnt some",
    ),
    Term(
        "misread", -5, 2.5,
        "passages not needed still mislead a model tuned with them, but less: it was trained to "
        "leave distractors aside (RAFT, Zhang et al. 2024; Yoran et al. 2023)",
    ),
    Term(
        "interference", -8, 3,
        "tuning on raw text or on facts, not on the task, costs instruction following and pits "
        "memory against passages (Longpre et al. 2021): retrieval alone is then as good or "
        "better from about 7B (Ovadia et al. 2023, Soudani et al. 2024)",
    ),
    Term(
        "demonstrations", 12, 5,
        "labelled examples like the question, put into the prompt, show what is wanted (KATE, "
        "Liu et al. 2021; Milios et al. 2023), and a few dozen examples suffice",
    ),
)  # fmt: skip

# How much of an answer must come from documents that cover it, and how much of it is form that
# examples teach. Code needs the former only for libraries that the model has not seen: what a
# call looks like is learnt from examples.
NEED = {
    "document QA": 1.0, "closed-book factual QA": 1.0, "generation": 0.9,
    "fact verification": 0.6, "code": 0.4, "classification": 0.15, "extraction": 0.15,
    "summarization": 0.1, "translation": 0.1, "reasoning": 0.1,
}  # fmt: skip
BEHAVIOUR = {"closed-book factual QA": 0.5, "document QA": 0.6, "reasoning": 0.6}  # others: 1
UNKNOWN_SHARE = {  # of what is asked, how much a model of 3B is unlikely to know
    "general": 0.35, "popular": 0.35, "domain": 0.6, "long-tail": 0.9, "private": 1.0,
}  # fmt: skip
CHANGED = 0.95  # the same, after the knowledge has changed
QUALITY = {"real": 0.7, "gold+distractors": 0.9, "oracle": 1.0}
TEACHES_FORM = {"task": 1.0, "question-answer": 0.25, "raw-text": 0.0, "none": 0.0}
TEACHES_FACTS = {"task": 0.2, "question-answer": 1.0, "raw-text": 0.4, "none": 0.0}
# Pairs that state facts make a model answer from memory (Gekhman et al. 2024); raw text less so.
INTERFERES = {"task": 0.0, "question-answer": 1.0, "raw-text": 0.5, "none": 0.0}
HALF_TUNED = 50  # examples at which tuning has half of its effect
HALF_SHOWN = 10  # examples at which demonstrations have half of theirs

# What a fact that is not known may be, all values equally likely.
POSSIBLE: dict[str, tuple[Any, ...]] = {
    "task": tuple(TASKS),
    "weights": (OPEN, HOSTED),
    "params": (1e9, 7e9, 70e9),
    "form": ("none", "raw-text", "question-answer", "task"),
    "examples": (100.0, 1000.0, 10000.0),
    "changes": (False, False, True),
    "exposure": EXPOSURES,
    "covers": (True, True, False),
}

NOISE = 15.0  # points between results of one paper and what the terms say
PAPER = 2.0  # a paper's rows count as this many results, however many there are
CAP = 50.0  # a gain beyond this many points counts as this many: the base failed altogether
# Standard deviation of a new paper's results around the expectation, in points: with it 80%
# intervals hold 81% of the results of papers left out, averaged by paper
# (`python -m tests.benchmarks.advice`).
BETWEEN = {"prompt": 0.0, "rag": 15.0, "finetune": 25.0, "finetune+rag": 22.0}
Z = 1.2816  # two-sided 80%


@dataclass(frozen=True)
class Fitted:
    """Points for a unit of each term, in the order of `TERMS`, with their covariance."""

    points: Vector
    covariance: Vector


def expected_gains(case: Case, fitted: Fitted | None = None) -> dict[str, Interval]:
    """Gain over prompting of each path, in points, with an 80% interval for a new result.

    Facts that are not known are averaged over what they may be; the interval is then that of
    the widest possibility, wider by the spread between the possibilities.
    """
    fitted = fitted or fit()
    seen = [amounts(one) for one in possibilities(case)]
    found = {}
    for index, path in enumerate(PATHS):
        rows = np.array([one[index] for one in seen])
        means = rows @ fitted.points
        within = np.einsum("ij,jk,ik->i", rows, fitted.covariance, rows).max()
        wide = Z * math.sqrt(within + means.var() + BETWEEN[path] ** 2)
        mean = float(means.mean())
        found[path] = Interval(mean, mean - wide, mean + wide)
    return found


def rank(gains: dict[str, Interval]) -> tuple[str, ...]:
    """Paths by expected gain, best first; of equals the simpler."""
    return tuple(sorted(PATHS, key=lambda path: (-round(gains[path].value, 6), PATHS.index(path))))


def possibilities(case: Case) -> Iterator[Case]:
    """Every case that this one may be, each once for each time it counts."""
    open_facts = dict(POSSIBLE)
    if case.weights in (TUNABLE, HOSTED):
        del open_facts["params"]
    if case.examples is not None:
        if case.examples == 0:
            case = replace(case, form="none")
        open_facts["form"] = POSSIBLE["form"][1:]
    if case.form == "none":
        case = replace(case, examples=0.0)
    names = [name for name in open_facts if getattr(case, name) is None]
    for values in itertools.product(*(open_facts[name] for name in names)):
        yield replace(case, **dict(zip(names, values, strict=True)))


@lru_cache(maxsize=100_000)
def amounts(case: Case) -> Vector:
    """How much of each term is in each path of a case that is fully known: paths by terms."""
    task, form = case.task or "document QA", case.form or "task"
    strength = _strength(case)
    passages = _passages(case, task, strength)
    examples = 0.0 if form == "none" else case.examples or 0.0
    tuned = examples / (examples + HALF_TUNED)
    # The stronger the model, the more of the form it brings along: 1 at 7B.
    behaviour = BEHAVIOUR.get(task, 1.0) * TEACHES_FORM[form] * tuned * (1.5 - strength) / 1.04
    facts = TEACHES_FACTS[form] * _ignorance(case, strength) * tuned * (0.5 if case.changes else 1)
    shown = (1 - NEED[task]) * (form == "task") * examples / (examples + HALF_SHOWN)
    prompt = dict.fromkeys((term.name for term in TERMS), 0.0)
    retrieved = {"passages": passages, "distraction": 1 - passages}
    both = {"behaviour": behaviour, "facts": facts * (1 - passages)}  # passages hold them, too
    if form == "task":
        both |= {"read": passages, "misread": 1 - passages}
    else:
        both |= retrieved | {"interference": INTERFERES[form]}
    paths = (
        prompt,
        prompt | retrieved | {"demonstrations": shown},
        prompt | {"behaviour": behaviour, "facts": facts},
        prompt | both,
    )
    return np.array([list(path.values()) for path in paths])


def _strength(case: Case) -> float:
    """What the model knows and can do unaided: 0 at 100M parameters, 1 at 1T or hosted."""
    if case.weights in (TUNABLE, HOSTED) or case.params is None:
        return 1.0
    return min(max(math.log10(case.params / 1e8) / 4, 0.0), 1.0)


def _ignorance(case: Case, strength: float) -> float:
    """Share of what is asked that the model is unlikely to know: less, the stronger it is."""
    share = UNKNOWN_SHARE[case.exposure or "domain"]
    return float(max(share, CHANGED if case.changes else 0.0) ** (0.5 + strength))


def _passages(case: Case, task: str, strength: float) -> float:
    """Share of answers that are found in passages and not known without them."""
    if not case.covers:
        return 0.0
    seen = case.exposure in ("general", "popular") and not case.changes
    need = 0.1 if task == "code" and seen else NEED[task]
    return need * _ignorance(case, strength) * QUALITY[case.retriever or "real"]


@lru_cache(maxsize=64)
def fit(without: str | None = None) -> Fitted:
    """Points for each term, from the prior and the published results; `without` one paper."""
    return fit_rows([row for row in published() if row.paper != without])


def fit_rows(rows: Sequence[Row]) -> Fitted:
    """Points for each term from these results; none: the prior.

    Minimises the squared errors of gains over prompting, each paper with the weight of `PAPER`
    results, plus the squared distance from the prior in its own standard deviations.
    """
    gains = [
        (row.paper, average_amounts(row.case)[PATHS.index(path)], score - base)
        for row in rows
        if (base := dict(row.scores).get("prompt")) is not None
        for path, score in row.scores
        if path != "prompt"
    ]
    counts = Counter(paper for paper, _, _ in gains)
    weights = [math.sqrt(min(PAPER / counts[paper], 1.0)) / NOISE for paper, _, _ in gains]
    sign = np.array([math.copysign(1, term.points) for term in TERMS])
    prior = np.array([abs(term.points) for term in TERMS])
    spread = np.array([term.spread for term in TERMS])
    given = [one * sign * weight for (_, one, _), weight in zip(gains, weights, strict=True)]
    design = np.array([*given, *np.diag(1 / spread)])
    clipped = np.clip([gain for _, _, gain in gains], -CAP, CAP)
    target = np.concatenate([clipped * np.array(weights), prior / spread])
    size = lsq_linear(design, target, bounds=(0, np.inf)).x
    covariance = np.linalg.inv(design.T @ design) * np.outer(sign, sign)
    return Fitted(size * sign, covariance)


def average_amounts(case: Case) -> Vector:
    """Amounts averaged over what the case may be: paths by terms."""
    mean: Vector = np.mean([amounts(one) for one in possibilities(case)], axis=0)
    return mean
