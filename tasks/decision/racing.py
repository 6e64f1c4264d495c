"""The race under a budget, driven: estimates before it, one step after another, until it stops."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from tasks.artifacts import ExampleSet, Question
from tasks.core.gains import Z, expected_gains
from tasks.core.race import Contender, Cost, Measure, State, Stop, next_step, plan_race, record
from tasks.core.race_board import Board
from tasks.core.race_replay import exhausted
from tasks.core.race_state import FREE, Spend
from tasks.core.sequential import blocks
from tasks.decision.blocks import raced_labels
from tasks.machine import metered
from tasks.models.spending import BudgetError
from tasks.planning import pace
from tasks.planning.adapters import training_of
from tasks.planning.plan import case_of, settings
from tasks.planning.tokens import prompt_tokens
from tasks.prompts import is_tuned
from tasks.results.outcome import Planned
from tasks.run import Budget, RunFile

JOULES_PER_KWH = 3.6e6
BASE = {"finetune": "prompt", "finetune+rag": "rag"}


class Speed(NamedTuple):
    """What this machine does: operations a second, and its power in watts meanwhile."""

    rate: float
    watts: float


class Taken(NamedTuple):
    """A step that was taken: what it cost here, what such a step costs, the scores it gave."""

    cost: Cost
    price: Cost = FREE
    scores: tuple[float, ...] = ()


Take = Callable[[Spend], Taken]


def speed() -> Speed:
    """Measured in a third of a second of matrix products."""
    with metered() as meter:
        rate = pace.matmul_rate()
    cost = meter.measured()
    return Speed(rate, (cost.energy_kwh or 0.0) * JOULES_PER_KWH / cost.seconds)


def as_cost(budget: Budget) -> Cost:
    """A budget as the race counts it; what is not limited is infinite."""
    units = (budget.seconds, budget.money, budget.energy_kwh)
    return Cost(*(math.inf if unit is None else unit for unit in units))


def less(budget: Cost, spent: Cost) -> Cost:
    """What is left of a budget; nothing where more was spent than it held."""
    return Cost(*(max(most - unit, 0.0) for most, unit in zip(budget, spent, strict=True)))


def sizes_of(questions: Iterable[Question]) -> tuple[int, ...]:
    """How many questions each document has, in the order of the race."""
    return tuple(len(list(same)) for _, same in groupby(questions, key=lambda one: one.cluster))


def open_race(
    run: RunFile,
    planned: Planned,
    examples: ExampleSet,
    questions: Sequence[Question],
    budget: Cost,
    here: Speed,
) -> State:
    """A race of the planned paths at its start; looks stand where blocks of answers end."""
    sizes = sizes_of(questions)
    entered = contenders(run, planned, examples, here)
    names = raced_labels(questions, run.decision.primary)
    labels = [names.index(one.answers[0]) for one in questions] if names else []
    return State(
        plan_race(entered, sizes, settings(run), budget, blocks=blocks(sizes), labels=labels)
    )


def contenders(
    run: RunFile, planned: Planned, examples: ExampleSet, here: Speed
) -> tuple[Contender, ...]:
    """The planned paths, estimated for this machine; training includes the choice of a prompt."""
    price = run.price(planned.model.ref)
    model, found = planned.model, []
    published = published_gains(run, planned)
    for path in planned.paths:
        seconds = pace.question_seconds(run, examples, model, path, here.rate)
        read = round(prompt_tokens(run, examples, model, path))
        money = price.of(read, run.answering.max_new_tokens) if price else 0.0
        training = 0.0
        if is_tuned(path):
            training = pace.own_training_seconds(run, examples, planned, path, here.rate)
            training += pace.trials(run) * seconds
        found.append(
            Contender(
                path=path,
                answer=_cost(seconds, money, here),
                training=training_of(run.training, planned, path),
                train=_cost(training, 0.0, here),
                base=BASE.get(path),
                gain=published[path][0],
                spread=published[path][1],
            )
        )
    return tuple(found)


def _cost(seconds: float, money: float, here: Speed) -> Cost:
    return Cost(seconds, money, seconds * here.watts / JOULES_PER_KWH)


def published_gains(run: RunFile, planned: Planned) -> dict[str, tuple[float, float]]:
    """What each planned path gains over its base in published results, with standard deviation."""
    gains = expected_gains(case_of(run, planned.model))
    return {
        path: (
            (gains[path].value - gains[BASE.get(path, "prompt")].value) / 100,
            max((gains[path].high - gains[path].low) / (2 * Z), 1.0) / 100,
        )
        for path in map(str, planned.paths)
    }


def drive(state: State, take: Take) -> tuple[State, Stop]:
    """Take the steps that a race asks for until it stops.

    Where a limit on hosted models ends what can be asked, the race ends with what it has.
    """
    while True:
        step = next_step(state)
        if isinstance(step, Stop):
            closing = _unmeasured(state, step)
            if closing is None:
                return state, step
            step = closing
        try:
            taken = take(step)
        except BudgetError:
            state = exhausted(state)
            continue
        state = record(state, step, taken.cost, taken.scores, taken.price)


def _unmeasured(state: State, stop: Stop) -> Measure | None:
    """The first answers of the path that stands, where nobody raced it and they can be paid."""
    board, race = Board(state), state.race
    chosen = next((one for one in race.contenders if one.path == stop.choice.path), None)
    if chosen is None or not race.looks or board.entry(chosen) is None:
        return None
    step = board.missing(chosen, race.looks[0])
    if not isinstance(step, Measure):
        return None
    return step if board.affords(board.price(chosen, step.stop - step.start)) else None
