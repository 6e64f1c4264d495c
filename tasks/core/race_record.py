"""What a verdict tells of the race behind it: the certainty that a budget bought."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.core.race_board import Board
from tasks.core.race_state import Cost, State
from tasks.core.race_verdict import BUDGET, Ended, Stop

UNITS = ("seconds", "money", "energy_kwh")  # in the order of a `Cost`
VETOED, SIMPLEST, BEATEN = "vetoed", "simplest", "beaten"


@dataclass(frozen=True)
class Entrant:
    """One path in a race: how far it was trained and asked, how it ended and why.

    `share` of the examples trained its adapter: 0 for a path without one, None if it was not
    trained. `how` is that of `Ended`, or vetoed, or simplest: the path that others had to beat,
    or beaten: a costlier path won before this one had tried. `look` counts from 1.
    """

    path: str
    share: float | None
    questions: int
    how: str
    look: int | None
    why: str


@dataclass(frozen=True)
class Raced:
    """What a budget bought, for one model; `budget` has the units that it limits.

    `looks` are the numbers of questions at which claims were tested, `questions` the most that a
    path answered, of `there`. `confidence` is the highest at which the winner's claim would hold.
    """

    budget: dict[str, float]
    spent: dict[str, float]
    looks: tuple[int, ...]
    questions: int
    there: int
    confidence: float | None
    certainty: str
    entrants: tuple[Entrant, ...]


def raced(state: State, stop: Stop, budget: Cost, spent: Cost, barred: Mapping[str, str]) -> Raced:
    """The record of a race that has stopped; `barred` gives the veto's text of each path."""
    board, ended = Board(state), {one.path: one for one in stop.ended}
    found = []
    for one in state.race.contenders:
        share = board.entry(one)
        count = board.count(one.path, share) if share is not None else 0
        how, look, why = _end(ended.get(one.path), barred.get(one.path))
        if not how:
            how, why = _not_tried(state, one is state.race.contenders[0])
        found.append(Entrant(one.path, share, count, how, look, why))
    limited = zip(UNITS, budget, strict=True)
    return Raced(
        budget={unit: most for unit, most in limited if most != float("inf")},
        spent=dict(zip(UNITS, spent, strict=True)),
        looks=state.race.looks,
        questions=stop.questions,
        there=sum(state.race.sizes),
        confidence=stop.confidence,
        certainty=stop.certainty,
        entrants=tuple(found),
    )


def _end(ended: Ended | None, veto: str | None) -> tuple[str, int | None, str]:
    if veto is not None:
        return VETOED, None, veto
    if ended is None:
        return "", None, ""
    return ended.how, None if ended.look is None else ended.look + 1, ended.why


def _not_tried(state: State, simplest: bool) -> tuple[str, str]:
    if simplest:
        return SIMPLEST, ""
    if state.race.looks:
        return BEATEN, "a costlier path won before"
    return BUDGET, "the budget is too small for a look"
