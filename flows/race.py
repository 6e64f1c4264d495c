"""One model's paths race for a budget: `tasks.decision.racing` says what comes next, stages do it.

Every step is a cached stage, its answers kept by block of questions: what a run has paid for, a
later one with a greater budget has for nothing.
"""

from dataclasses import replace
from typing import NamedTuple

from flows.judging import judge_card
from flows.lane import Lane
from flows.measure import Measured, conclude, known
from flows.steps import Stages
from flows.systems import Inputs, trainings
from tasks.artifacts import Scorecard
from tasks.core.decide import Verdict
from tasks.core.race import Cost, State, Stop
from tasks.core.race_record import raced
from tasks.core.race_replay import without
from tasks.core.veto import Veto
from tasks.decision.decide import decide_raced, vetoes_of
from tasks.decision.racing import Speed, drive, speed
from tasks.planning.plan import advise
from tasks.results.outcome import Planned
from tasks.run import RunFile


class Finish(NamedTuple):
    """How a race ended: its whole log, the last verdict, scorecards, and limits that they break."""

    state: State
    stop: Stop
    cards: tuple[Scorecard, ...]
    seen: tuple[Veto, ...]


def race(stages: Stages, inputs: Inputs, planned: Planned, budget: Cost) -> Measured:
    """Measure what the budget pays for, and conclude from it."""
    lane = Lane(stages, inputs, planned)
    end = run_out(lane, budget, speed())
    vetoes = planned.vetoes + end.seen
    barred = {veto.path: veto.text for veto in end.seen}
    record = raced(end.state, end.stop, budget, lane.spent, barred)
    decision = decide_raced(end.state, end.stop, end.cards, vetoes)
    winner = lane.standing(end.state).get(decision.path or "")
    verdict, test = conclude(
        stages, inputs, planned, decision, vetoes, winner, lane.general, record
    )
    if winner is None and decision.path is not None:
        verdict = replace(advised(inputs.run, planned, end, decision.path), race=record)
    judged = [judge_card(stages, inputs.run, inputs.judge, card) for card in end.cards]
    return Measured(
        verdict=verdict,
        scorecards=(*judged, *test),
        trainings=trainings(lane.built.values()),  # pilots, too
        general=known(planned, lane.general),
        race=end.state,
        spent=lane.spent,
    )


def run_out(lane: Lane, budget: Cost, here: Speed) -> Finish:
    """Race until the verdict stands; a path that breaks a limit leaves, and the race goes on."""
    state = start = lane.start(budget, here)
    while True:
        state, stop = drive(state, lane.take)
        whole = replace(start, done=state.done)
        cards = lane.scorecards(whole, stop.choice.path)
        seen = tuple(veto for card in cards for veto in vetoes_of(lane.inputs.run, card))
        left = without(state, {veto.path for veto in lane.planned.vetoes + seen})
        if left == state or not left.race.contenders:
            return Finish(whole, stop, cards, seen)
        state = left


def advised(run: RunFile, planned: Planned, end: Finish, path: str) -> Verdict:
    """The verdict where the budget paid for no answer of the path that stands."""
    why = f"the budget paid for no answer of {path}. {end.stop.certainty}"
    return advise(run, planned.model_copy(update={"reason": why}), end.seen)
