"""One scenario measured in whole, then decided under budgets by the race that runs use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.collecting import collect_data
from flows.lane import Lane
from flows.race import advised, run_out
from flows.steps import step
from flows.systems import Inputs
from tasks.artifacts import Corpus, ExampleSet, Scorecard
from tasks.core.race import UNLIMITED, Cost, Measure, State, Train, record
from tasks.core.race_replay import answered
from tasks.core.race_state import UNTRAINED, WHOLE, Spend
from tasks.decision.decide import decide_on, decide_raced
from tasks.decision.racing import Speed, speed
from tasks.planning.plan import advise, make_plan, rule_and_evidence
from tasks.results.outcome import Planned
from tasks.retrieval.refresh import follow_sources
from tasks.retrieval.search import retrieval_of
from tasks.run import RunFile
from tests.benchmarks.decision.kept import Kept
from tests.benchmarks.decision.scenarios import Scenario
from tests.benchmarks.decision.tables import BUDGETS, Decided, Verdict, judged

build_index = step(follow_sources, "build index", tensors=True)
take_speed = step(speed, "speed of this machine", tensors=True)


@dataclass(frozen=True)
class Exhausted:
    """Everything measured: what a race needs to be run again, and what the rule makes of it all.

    `means` are the paths' scores on all dev questions, `seconds` what measuring them cost.
    """

    inputs: Inputs
    planned: Planned
    here: Speed
    means: dict[str, float]
    seconds: float
    path: str
    barred: frozenset[str]


def decided(scenario: Scenario, stages: Kept, folder: Path) -> Decided:
    """All that is told of a scenario; computed is only what `stages` has not kept."""
    run = scenario.run(folder)
    whole = measure_all(scenario, stages, run, *collect_data(stages, run, folder))
    model, planned = whole.planned.model, whole.planned
    advisers = {
        "size rule": rule_and_evidence(run, model)[0].path,
        "always retrieve": "rag",
        "published evidence": advise(run, planned).path,
    }
    verdicts = [Verdict(name, path, 0.0) for name, path in advisers.items()]
    verdicts += [under(stages, whole, share) for share in BUDGETS]
    verdicts.append(Verdict("everything measured", whole.path, whole.seconds))
    allowed = [one for one in planned.paths if one not in whole.barred]
    return Decided(
        scenario=scenario.name,
        about=scenario.about,
        questions=whole.inputs.examples.count("dev"),
        means=whole.means,
        seconds=whole.seconds,
        earlier=len(stages.earlier),
        judged=judged(verdicts, whole.means, whole.seconds, allowed, whole.path),
    )


def measure_all(
    scenario: Scenario, stages: Kept, run: RunFile, corpus: Corpus, examples: ExampleSet
) -> Exhausted:
    """Every path that is planned, trained in whole, answers every dev question, block by block."""
    planned = make_plan(run, corpus, examples).models[0]
    built = stages(
        "build index", build_index, corpus=corpus, examples=examples, spec=run.index,
        name=run.name, used=frozenset,
    )  # fmt: skip
    inputs = Inputs(run, examples, None, retrieval_of(built.index, run.index))
    here = stages("speed of this machine", take_speed)
    lane = Lane(stages, inputs, planned)
    state = lane.start(UNLIMITED, here)
    trained: set[str | None] = {None}
    for one in state.race.contenders:
        if one.training is not None and one.training not in trained:
            state = _taken(lane, state, Train(one.training, WHOLE))
        trained.add(one.training)
        share = UNTRAINED if one.training is None else WHOLE
        state = _taken(lane, state, Measure(one.path, share, 0, sum(state.race.sizes)))
    cards = lane.scorecards(state, "")
    if scenario.limit is not None:
        inputs = inputs._replace(run=scenario.limit(run, cards))
    decision, vetoes = decide_on(inputs.run, planned, cards)
    assert decision.path is not None, "a scenario's limits leave a path"
    return Exhausted(
        inputs=inputs,
        planned=planned,
        here=here,
        means=_means(cards),
        seconds=lane.spent.seconds,
        path=decision.path,
        barred=frozenset(veto.path for veto in vetoes),
    )


def _taken(lane: Lane, state: State, step: Spend) -> State:
    taken = lane.take(step)
    return record(state, step, taken.cost, taken.scores, taken.price)


def _means(cards: Sequence[Scorecard]) -> dict[str, float]:
    return {card.path: card.metrics[card.primary].value for card in cards}


def under(stages: Kept, whole: Exhausted, share: float) -> Verdict:
    """What the race comes to for this share of the seconds in which everything was measured."""
    lane = Lane(stages, whole.inputs, whole.planned)
    end = run_out(lane, Cost(share * whole.seconds, math.inf, math.inf), whole.here)
    spent = lane.spent.seconds
    decision = decide_raced(end.state, end.stop, end.cards, whole.planned.vetoes + end.seen)
    name, path = f"budget {share:.0%}", decision.path
    if path is None:
        return Verdict(name, None, spent)
    if path not in lane.standing(end.state):
        fallback = advised(whole.inputs.run, whole.planned, end, path)
        return Verdict(name, fallback.path, spent, certainty=fallback.reasons[0])
    part, count = answered(end.state)[path]
    score = None
    if 0 < part < WHOLE:  # the adapter that stands is another one than that of the whole
        score = _score(lane, end.state, path, part, count)
    told = None if score is None else part
    return Verdict(name, path, spent, told, score, end.stop.certainty)


def _score(lane: Lane, state: State, path: str, share: float, count: int) -> float:
    """What a path trained in part scores on all dev questions; what it lacks, it answers now."""
    n = sum(state.race.sizes)
    if count < n:
        state = _taken(lane, state, Measure(path, share, count, n))
    scores = [
        score
        for done in state.done
        if isinstance(done.step, Measure) and (done.step.path, done.step.share) == (path, share)
        for score in done.scores
    ]
    return math.fsum(scores) / n
