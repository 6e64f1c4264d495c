"""How one model is measured: its systems built, each asked, the winner alone tested.

`measure` asks every path everything; `flows.race` does as much as a budget pays for, with the
same stages.
"""

from typing import NamedTuple

from flows.steps import Stages, step
from flows.systems import Built, Inputs, build, is_checked, know, score, trainings, tune
from tasks.artifacts import (
    GeneralScore,
    LearningPoint,
    PathName,
    Scorecard,
    System,
    Training,
)
from tasks.core.decide import Decision, Verdict
from tasks.core.race import Cost, State
from tasks.core.race_record import Raced
from tasks.core.race_state import FREE, WHOLE
from tasks.core.veto import Veto
from tasks.decision.decide import decide_on, verdict_on
from tasks.planning.adapters import training_of
from tasks.results.ledger import read_test
from tasks.results.outcome import Planned
from tasks.results.record import GeneralOf
from tasks.results.running import followed
from tasks.task.metrics import JUDGED

decide = step(decide_on, "decide", cached=False)


class Measured(NamedTuple):
    """What the measurement of one model left behind; `race` and `spent` where it had a budget."""

    verdict: Verdict
    scorecards: tuple[Scorecard, ...]
    trainings: tuple[Training, ...]
    general: tuple[GeneralOf, ...]
    race: State | None = None
    spent: Cost = FREE
    learning: tuple[LearningPoint, ...] = ()


def measure(stages: Stages, inputs: Inputs, planned: Planned) -> Measured:
    """Every path of one model answers the dev questions; the winner alone the test questions."""
    built: dict[PathName, Built] = {}
    general: dict[PathName, GeneralScore] = {}
    cards: dict[PathName, Scorecard] = {}
    trained: dict[str | None, Training | None] = {None: None}  # two paths may share one
    for path in planned.paths:
        name = training_of(inputs.run.training, planned, path)
        if name not in trained:
            trained[name] = tune(stages, inputs, planned, path)
        built[path] = build(stages, inputs, planned, path, trained[name])
        if is_checked(inputs, planned.model):
            general[path] = know(stages, inputs, built[path].system)
        cards[path] = score(stages, inputs, built[path], "dev", general)
    decision, vetoes = stages(
        f"decide: {planned.model.name}", decide, run=inputs.run, planned=planned,
        cards=tuple(cards.values()),
    )  # fmt: skip
    winner = next((built[path] for path in built if path == decision.path), None)
    verdict, test = conclude(stages, inputs, planned, decision, vetoes, winner, general)
    return Measured(
        verdict=verdict,
        scorecards=(*cards.values(), *test),
        trainings=trainings(built.values()),
        general=known(planned, general),
        learning=learn(stages, inputs, planned, built, cards),
    )


def learn(
    stages: Stages,
    inputs: Inputs,
    planned: Planned,
    built: dict[PathName, Built],
    cards: dict[PathName, Scorecard],
) -> tuple[LearningPoint, ...]:
    """What each tuned path scores after shares of the examples, beside what it does after all."""
    shares, points = sorted(set(inputs.run.training.learning_curve)), []
    if inputs.run.decision.primary != JUDGED:  # then a curve of another metric needs no judge
        inputs = inputs._replace(judge=None)
    for path in built if shares else ():
        whole = built[path].training
        if whole is None:
            continue
        for share in shares:
            training = tune(stages, inputs, planned, path, share)
            parts = build(stages, inputs, planned, path, training, share)
            card = score(stages, inputs, parts, "dev", {})
            points.append(learning_point(card, path, share, training))
        points.append(learning_point(cards[path], path, WHOLE, whole))
    return tuple(points)


def learning_point(
    card: Scorecard, path: PathName, share: float, training: Training
) -> LearningPoint:
    """One point of a learning curve, in the primary metric."""
    return LearningPoint(
        model=card.model, path=path, share=share, examples=training.examples, metric=card.primary,
        score=card.metrics[card.primary],
    )  # fmt: skip


def measure_running(stages: Stages, inputs: Inputs, planned: Planned, runs: System) -> Measured:
    """A system that runs already answers the same questions, as it is: the one to beat."""
    system, general = followed(runs), {}
    if is_checked(inputs, system.model):
        bare = system.model_copy(update={"adapter": None, "retrieval": None})
        general = {one.path: know(stages, inputs, one) for one in (bare, system)}
    built = Built(system, None, planned.model.ref)
    card = score(stages, inputs, built, "dev", general)
    decision, vetoes = stages(
        f"decide: {planned.model.name}", decide, run=inputs.run, planned=planned, cards=(card,)
    )
    winner = built if decision.path is not None else None
    verdict, test = conclude(stages, inputs, planned, decision, vetoes, winner, general)
    return Measured(verdict, (card, *test), (), known(planned, general))


def conclude(
    stages: Stages,
    inputs: Inputs,
    planned: Planned,
    decision: Decision,
    vetoes: tuple[Veto, ...],
    winner: Built | None,
    general: dict[PathName, GeneralScore],
    race: Raced | None = None,
) -> tuple[Verdict, tuple[Scorecard, ...]]:
    """The verdict, and the winner's scorecard on the test questions if there is a winner."""
    if winner is None:
        return verdict_on(inputs.run, planned, decision, vetoes, None, 0, race), ()
    test = score(stages, inputs, winner, "test", general)
    times_read = read_test(test.questions_digest, winner.system.digest)
    verdict = verdict_on(inputs.run, planned, decision, vetoes, test, times_read, race)
    return verdict, (test,)


def known(planned: Planned, general: dict[PathName, GeneralScore]) -> tuple[GeneralOf, ...]:
    """The same, by path, as a finished run keeps it."""
    return tuple(
        GeneralOf(model=planned.model.ref, path=path, score=score)
        for path, score in general.items()
    )
