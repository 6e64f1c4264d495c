"""A race between paths: what is fixed before it, what a step is, and what follows from the log.

The log of steps taken, with their scores and costs, is the whole state: whoever has it can go on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from tasks.core.claims import Settings
from tasks.core.errors import InputError
from tasks.core.sequential import looks

PARTS = tuple(n / 8 for n in range(1, 9))  # of the examples, on which an adapter may be trained
PILOTS = (1 / 8,)  # more of them cost more than they saved, each trained from the start
WHOLE = 1.0
WORTH_IT = 0.5  # share of the examples on which a training has to be affordable to be planned for
UNTRAINED = 0.0


class Cost(NamedTuple):
    """What a step costs, or may cost: seconds, money (in one currency), energy in kWh."""

    seconds: float = 0.0
    money: float = 0.0
    energy: float = 0.0

    def plus(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count: float) -> "Cost":
        """The cost of doing it `count` times."""
        return Cost(*(one * count for one in self))

    def within(self, budget: "Cost") -> bool:
        """Whether no unit exceeds the budget's, but for rounding."""
        return all(a <= b * (1 + 1e-9) for a, b in zip(self, budget, strict=True))


FREE = Cost()
UNLIMITED = Cost(math.inf, math.inf, math.inf)
EXHAUSTED = Cost(-1.0, -1.0, -1.0)  # under which not even a step that costs nothing is taken


@dataclass(frozen=True)
class Contender:
    """A path that may win, with estimates: of answering one question, and of training in whole.

    `training` names the adapter that the path uses (paths may share one), None for none. `base`
    is the path that does the same without it. Published results like this case gained `gain` over
    the base (over the simplest path, for one without), give or take `spread` (a standard
    deviation): that moves the path in the order, never in its score.
    """

    path: str
    answer: Cost
    training: str | None = None
    train: Cost = FREE
    base: str | None = None
    gain: float = 0.0
    spread: float = 0.25


@dataclass(frozen=True)
class Race:
    """What is fixed before anything is spent; made by `plan_race`.

    `contenders` stand simplest first, `sizes` are the questions of each document in the race's
    order, `looks` the numbers of questions at which claims are tested, `pilots` the shares of
    examples at which a training is judged. Where macro-F1 decides, `labels` is the label expected
    of each question, by number, and the scores recorded are the numbers of the labels answered.
    """

    contenders: tuple[Contender, ...]
    sizes: tuple[int, ...]
    looks: tuple[int, ...]
    settings: Settings
    budget: Cost
    pilots: tuple[float, ...]
    labels: tuple[int, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """Each look's share of the questions of the last."""
        return tuple(look / self.looks[-1] for look in self.looks)

    @property
    def alpha(self) -> float:
        """Error of one claim, all its looks together."""
        return (1 - self.settings.confidence) / max(len(self.contenders) - 1, 1)


@dataclass(frozen=True)
class Measure:
    """Let a path answer questions `start` to `stop` (exclusive) of the race's order.

    `share` of the examples trained its adapter; 0 for a path without one.
    """

    path: str
    share: float
    start: int
    stop: int


@dataclass(frozen=True)
class Train:
    """Train an adapter on this share of the examples (the first ones, in an order of their own)."""

    training: str
    share: float


Spend: TypeAlias = Measure | Train


@dataclass(frozen=True)
class Done:
    """A step taken, what it cost, and for a measurement one score for each question.

    `price` is what such a step costs when it is not kept from an earlier run, and without what
    happens only once, such as loading a model; left out, it is the cost.
    """

    step: Spend
    cost: Cost
    scores: tuple[float, ...] = ()
    price: Cost = FREE


@dataclass(frozen=True)
class State:
    """A race and everything measured and spent in it so far, in the order in which it happened."""

    race: Race
    done: tuple[Done, ...] = ()


def plan_race(
    contenders: Sequence[Contender],
    sizes: Sequence[int],
    settings: Settings,
    budget: Cost = UNLIMITED,
    pilots: tuple[float, ...] = PILOTS,
    blocks: Sequence[int] = (),
    labels: Sequence[int] = (),
) -> Race:
    """Fix order and looks; `sizes` counts the questions of each document, in the race's order.

    Where half of the budget pays for a training on half the examples (on fewer it seldom wins),
    answers may take the other half: the looks are planned on as many questions as that buys for
    all such paths, or for the untrained ones alone. If it buys no look, or no training can be paid
    so, the untrained paths get all. Planned on estimates alone, they stay honest. `blocks` are the
    numbers of questions at which blocks of answers end: if given, looks stand at these alone.
    `labels`: see `Race`.

    Raises:
        InputError: paths that are unknown or stand twice, no questions, a budget or estimate
            that is not a number from 0, labels of more or fewer questions.
    """
    names = [one.path for one in contenders]
    if not names or len(set(names)) < len(names) or not set(names) <= set(settings.order):
        raise InputError(
            "paths", names, f"each at most once, of {', '.join(settings.order)}",
            "Race paths that the order names.",
        )  # fmt: skip
    if not sizes or min(sizes) < 1:
        raise InputError("questions", list(sizes)[:3], "documents of at least one question each",
                         "Give questions with their source documents.")  # fmt: skip
    if labels and len(labels) != sum(sizes):
        raise InputError("labels", len(labels), f"{sum(sizes)}, one for each question",
                         "Give the label that is expected of every question.")  # fmt: skip
    for where, cost in (
        ("budget", budget),
        *((one.path, one.answer.plus(one.train)) for one in contenders),
    ):
        if not all(unit >= 0 for unit in cost):
            raise InputError(where, tuple(cost), "costs from 0", "Mend the estimate or the budget.")
    ordered = tuple(sorted(contenders, key=lambda one: settings.order.index(one.path)))
    untrained = tuple(one for one in ordered if one.training is None)
    half = max(_affordable(ordered, budget), _affordable(untrained, budget.times(0.5)))
    planned = looks(sizes, half) or looks(sizes, _affordable(untrained, budget))
    if blocks and planned:
        last = max((end for end in blocks if end <= planned[-1]), default=0)
        planned = tuple(sorted({min(e for e in blocks if e >= min(k, last)) for k in planned}))
        planned = planned if last else ()
    return Race(ordered, tuple(sizes), planned, settings, budget, pilots, tuple(labels))


def _affordable(contenders: Sequence[Contender], budget: Cost) -> float:
    """Number of questions that the budget buys for all paths that it can pay."""
    half = budget.times(0.5)
    paid = [one for one in contenders if one.train.times(WORTH_IT).within(half)]
    each = Cost()
    for one in paid:
        each = each.plus(one.answer)
    whole = half if any(one.training for one in paid) else budget
    counts = [b / a for a, b in zip(each, whole, strict=True) if a > 0 and b < math.inf]
    return math.floor(min(counts) * (1 + 1e-9)) if counts else math.inf


def record(
    state: State, step: Spend, cost: Cost, scores: Sequence[float] = (), price: Cost = FREE
) -> State:
    """The state after a step; also for what an earlier run measured, at whatever it cost here.

    Raises:
        InputError: a score that is missing or not finite, or a block out of its order.
    """
    wanted = step.stop - step.start if isinstance(step, Measure) else 0
    if len(scores) != wanted or not all(map(math.isfinite, scores)):
        raise InputError(
            f"scores of {step}", len(scores), f"{wanted} finite scores, one for each question",
            "Score every question of the step.",
        )  # fmt: skip
    if isinstance(step, Measure) and step.start != answered(state, step.path, step.share):
        raise InputError(
            f"step {step}", step.start, "the first question not yet answered",
            "Record blocks in their order.",
        )  # fmt: skip
    return replace(state, done=(*state.done, Done(step, cost, tuple(scores), price)))


def answered(state: State, path: str, share: float) -> int:
    """How many questions a path has answered, with an adapter trained on this share."""
    return sum(
        len(done.scores)
        for done in state.done
        if isinstance(done.step, Measure) and (done.step.path, done.step.share) == (path, share)
    )
