"""What a run would do, told before anything is loaded, trained or spent."""

import math
from pathlib import Path

from tasks.artifacts import ExampleSet, PathName, Question, Split, Value
from tasks.core.claims import claims_text
from tasks.core.race_board import Board
from tasks.core.race_state import Contender
from tasks.core.sequential import detectable, questions_for
from tasks.data.questions import SPLITS
from tasks.decision.blocks import race_questions
from tasks.decision.racing import Speed, as_cost, open_race, speed
from tasks.machine import device_and_dtype, dtype_name
from tasks.planning import pace, told
from tasks.planning.pace import Also
from tasks.planning.plan import rule_and_evidence
from tasks.planning.ready import make_ready
from tasks.prompts import is_tuned
from tasks.results.outcome import Plan, Planned
from tasks.run import RunFile
from tasks.task.known import find_task

DISAGREE = 0.3  # share of the questions that one path answers and the other does not: usual here
AS_IT_IS = "this system runs already, and is asked as it is"
WANTED_GAIN = 0.10  # the gain that a run is usually made for, in the metric's unit


class PathPlan(Value):
    """One path of one model: whether it will be measured, at which estimates, or why not."""

    path: PathName
    tried: bool
    why: tuple[str, ...]
    memory_gib: float | None
    seconds: float | None


class ModelPlan(Value):
    """One model: `reason` says what stops its measurement, `race` what its budget is for."""

    model: str
    params: float | None
    size_class: str
    reason: str | None
    rule: str
    evidence: str
    paths: tuple[PathPlan, ...]
    looks: tuple[int, ...] = ()
    race: str | None = None


class Power(Value):
    """What the dev questions can show with a chance of 80%, at `confidence` for all claims.

    `least_gain` is the smallest true gain that shows, None with too few questions;
    `questions_for` counts the dev questions that a gain of 0.1 takes, None where `min_gain` leaves
    no room for it. `documents` is None where questions are about none, each standing for itself.
    """

    questions: int
    documents: int | None
    claims: int
    min_gain: float
    confidence: float
    least_gain: float | None
    wanted_gain: float
    questions_for: int | None


class Preview(Value):
    """What a run would try and skip, with the estimates that exist and the power told before.

    `documents` is None where a task retrieves among its training examples.
    """

    name: str
    documents: int | None
    questions: dict[Split, int]
    device: str
    memory_gib: float
    models: tuple[ModelPlan, ...]
    seconds: float
    power: Power
    notes: tuple[str, ...]


def preview(run: RunFile, root: Path) -> Preview:
    """Read documents and questions, check them as a run would, and tell what it would do.

    Raises:
        InputError: documents, questions or models are at fault.
    """
    corpus, examples, also, plan = make_ready(run, root)
    here, asked = speed(), race_questions(examples, run.seed)
    estimates, beside = pace.total_seconds(run, examples, plan, here.rate, also)
    return Preview(
        name=run.name,
        documents=corpus.count if _about_documents(run) else None,
        questions={split: examples.count(split) for split in SPLITS},
        device=f"{device_and_dtype()[0]}, {dtype_name()}",
        memory_gib=plan.memory_gib,
        models=tuple(_model(run, one, plan, examples, asked, here, also) for one in plan.models),
        seconds=beside + math.fsum(estimates.values()),
        power=power_of(run, plan, asked),
        notes=notes(run, plan, examples, here.rate, also),
    )


def notes(
    run: RunFile, plan: Plan, examples: ExampleSet, rate: float, also: Also = pace.NOTHING
) -> tuple[str, ...]:
    """What is told before anything is spent: power, requests to hosted models, judge, time."""
    if not any(planned.paths for planned in plan.models):
        return ()
    asked = race_questions(examples, run.seed)
    return (
        power_sentence(power_of(run, plan, asked)),
        *told.paraphrase_sentences(run, examples, plan.paraphraser, rate),
        *told.hosted_sentences(run, examples, plan.models, also),
        *told.judge_sentences(run, examples, plan, rate, also),
        *told.changes_sentences(run, examples, plan, rate, also),
        told.time_sentence(
            *pace.total_seconds(run, examples, plan, rate, also), raced=run.budget.given
        ),
    )


def power_of(run: RunFile, plan: Plan, asked: tuple[Question, ...]) -> Power:
    """How large a gain these questions can show, planned looks and documents shared included."""
    documents = len({question.cluster for question in asked})
    claims = max([len(one.paths) - 1 for one in plan.models if one.paths] or [3])
    decision = run.decision
    terms = {
        "claims": max(claims, 1), "confidence": decision.confidence, "disagree": DISAGREE,
        "per_document": len(asked) / documents,
    }  # fmt: skip
    wanted = None
    if decision.min_gain < WANTED_GAIN:
        wanted = questions_for(WANTED_GAIN, decision.min_gain, **terms)
    return Power(
        questions=len(asked),
        documents=documents if _about_documents(run) else None,
        claims=max(claims, 1),
        min_gain=decision.min_gain,
        confidence=decision.confidence,
        least_gain=detectable(len(asked), decision.min_gain, **terms),
        wanted_gain=WANTED_GAIN,
        questions_for=wanted,
    )


def power_sentence(power: Power) -> str:
    """The same for people."""
    asked = f"{power.questions} dev examples"
    if power.documents is not None:
        asked = f"{power.questions} dev questions"
        if power.documents < power.questions:  # those about no document stand for themselves
            asked += f" in {power.documents} groups (about one document each)"
    text = f"{asked} cannot show any gain with a chance of 80%"
    if power.least_gain is not None:
        text = (
            f"{asked} show a true gain of {power.least_gain:.3f} or more over min_gain "
            f"{power.min_gain:g} with a chance of 80%, at confidence {power.confidence:g} "
            f"shared by {claims_text(power.claims)}"
        )
    if power.questions_for is not None and (power.least_gain or 1) > power.wanted_gain:
        text += f"; a gain of {power.wanted_gain:g} would take about {power.questions_for}"
    return f"{text} (if two paths differ on {DISAGREE:.0%} of them)."


def _about_documents(run: RunFile) -> bool:
    return find_task(run.task).retrieves == "documents"


def _model(
    run: RunFile,
    planned: Planned,
    plan: Plan,
    examples: ExampleSet,
    asked: tuple[Question, ...],
    here: Speed,
    also: Also,
) -> ModelPlan:
    rule, evidence = rule_and_evidence(run, planned.model)
    looks, race = _race(run, planned, plan, examples, asked, here)
    return ModelPlan(
        model=planned.model.ref,
        params=planned.model.params,
        size_class=planned.model.size_class,
        reason=planned.reason,
        rule=rule.path or "does not commit",
        evidence=evidence.path or "none",
        paths=tuple(
            path_plan(run, planned, path, examples, here, also) for path in run.decision.order
        ),
        looks=looks,
        race=race,
    )


def path_plan(
    run: RunFile,
    planned: Planned,
    path: PathName,
    examples: ExampleSet,
    here: Speed,
    also: Also = pace.NOTHING,
) -> PathPlan:
    """Whether one path of a model will be measured, with the estimates that exist.

    A training that two paths share is told of the first.
    """
    tried = path in planned.paths
    there = planned if tried else planned.model_copy(update={"paths": (path,)})
    why = tuple(veto.text for veto in planned.vetoes if veto.path == path)
    if path not in run.decision.paths:
        why = ("not in decision.paths", *why)
    elif planned.system is not None and not tried:
        return PathPlan(path=path, tried=False, why=(AS_IT_IS,), memory_gib=None, seconds=None)
    elif not tried and not why:
        why = ("the model cannot be measured here",)
    seconds = pace.estimate_seconds(run, examples, [there], here.rate, also)[path]
    return PathPlan(
        path=path,
        tried=tried,
        why=why,
        memory_gib=planned.need(path)[is_tuned(path)],
        seconds=seconds if planned.model.open_weights and planned.model.params else None,
    )


def _race(
    run: RunFile,
    planned: Planned,
    plan: Plan,
    examples: ExampleSet,
    asked: tuple[Question, ...],
    here: Speed,
) -> tuple[tuple[int, ...], str | None]:
    """The looks that a budget is planned for, and which trainings fit into it, by estimate."""
    if not run.budget.given or len(planned.paths) < 2:
        return (), None
    measured = sum(1 for one in plan.models if one.paths)
    state = open_race(run, planned, examples, asked, as_cost(run.budget).times(1 / measured), here)
    looks, board = state.race.looks, Board(state)
    if not looks:
        return (), f"its budget is too small for a look at any of the {run.noun}s: advice alone"
    text = f"its budget is planned for looks at {', '.join(map(str, looks))} {run.noun}s"
    for one in state.race.contenders:
        if one.training is not None:
            text += f"; training {one.path} {_fits(board, one, looks[-1])}"
    return looks, text


def _fits(board: Board, one: Contender, questions: int) -> str:
    whole = board.price(one, questions, 1.0)
    return "fits" if board.affords(whole) else "does not fit in whole"
