"""Advice from facts that a person gives: reading, checking, answering."""

import difflib
import math
from dataclasses import dataclass, replace

from tasks.core.advice import Advice, Facts, advise
from tasks.core.cases import (
    ARCHITECTURES,
    EXPOSURES,
    FORMS,
    HOSTED,
    LABELLED,
    OPEN,
    TASKS,
    WEIGHTS,
    Case,
    known_form,
    known_task,
)
from tasks.core.effort import NO_MEANS, UNLIMITED, Limits, Means
from tasks.core.errors import InputError
from tasks.models.references import resolve
from tasks.run import ModelSpec


@dataclass(frozen=True)
class Told:
    """Facts as they are told, unchecked; None: not told. `examples` and `documents` count."""

    model: str | None = None
    params: float | None = None
    weights: str | None = None
    architecture: str | None = None
    task: str | None = None
    examples: int | None = None
    form: str | None = None
    documents: int | None = None
    covers: bool | None = None
    changes: bool | None = None
    changes_every_days: float | None = None
    retrain_every_days: float = 30
    exposure: str | None = None
    limits: Limits = UNLIMITED
    means: Means = NO_MEANS


def advise_on(told: Told) -> Advice:
    """Advice on what was told; a task that is not known is read as the nearest that is.

    Raises:
        InputError: a value out of range or not allowed, or no path left.
    """
    facts, notes = facts_from(told)
    found = advise(facts)
    return replace(found, notes=(*notes, *found.notes))


def facts_from(told: Told) -> tuple[Facts, tuple[str, ...]]:
    """Facts, checked, and how words were read that are not known as they stand."""
    _check(told)
    model = resolve(ModelSpec(ref=told.model, params=told.params)) if told.model else None
    weights = told.weights or (HOSTED if told.architecture == "api" else None)
    if weights is None and model is not None:
        weights = OPEN if model.open_weights else HOSTED
    if weights is None and told.architecture is not None:
        weights = OPEN
    params = model.params if model else told.params
    writes = told.architecture != "encoder" and (model is None or model.generates)
    notes = []
    if weights is None and params is not None:
        weights = OPEN
        notes.append("weights taken as open: hosted models' sizes are not published")
    task = known_task(told.task) if told.task else None
    if told.task and task is None:
        notes.append(f"unknown task {told.task!r}: averaged over {', '.join(TASKS)}")
    elif told.task and task and told.task.casefold() != task.casefold():
        notes.append(f"task {told.task!r} read as {task!r}")
    if task is not None and task not in LABELLED and not writes:
        name, value = ("--model", told.model) if told.model else ("--architecture", "encoder")
        raise InputError(
            name, value, f"a model that writes text, as {task} needs; this is an encoder",
            "Name a decoder, or a task with labels: --task classification.",
        )  # fmt: skip
    changes = told.changes
    if changes is None and told.changes_every_days is not None:
        changes = True
    case = Case(
        task=task,
        params=params,
        weights=weights,
        form=known_form(told.form) if told.form else None,
        examples=told.examples,
        changes=changes,
        exposure=told.exposure,
        covers=False if told.documents == 0 else told.covers,
    )
    return Facts(
        case=case,
        name=model.name if model else "",
        size_class=model.size_class if model else None,
        generates=writes,
        documents=told.documents,
        changes_every_days=told.changes_every_days,
        retrain_every_days=told.retrain_every_days,
        limits=told.limits,
        means=told.means,
    ), tuple(notes)


def _check(told: Told) -> None:
    form = told.form if told.form is None else known_form(told.form) or told.form
    for name, value, known in (
        ("--form", form, FORMS),
        ("--weights", told.weights, WEIGHTS),
        ("--architecture", told.architecture, ARCHITECTURES),
        ("--exposure", told.exposure, EXPOSURES),
    ):
        if value is not None and value not in known:
            near = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
            remedy = f"Did you mean {near[0]!r}?" if near else "Name one, or leave it out."
            raise InputError(name, value, ", ".join(known), remedy)
    above_zero = {
        "--params": told.params, "--changes-every-days": told.changes_every_days,
        "--retrain-every-days": told.retrain_every_days,
        "--memory-gib": told.limits.memory_gib,
        "--seconds-per-question": told.limits.seconds_per_question,
        "--train-seconds": told.limits.train_seconds, "--energy-kwh": told.limits.energy_kwh,
        "--cost-per-question": told.limits.cost_per_question,
        "--tflops": told.means.tflops, "--watts": told.means.watts,
        "--price": told.means.price_per_million,
    }  # fmt: skip
    for name, number in above_zero.items():
        if number is not None and not (math.isfinite(number) and number > 0):
            raise InputError(name, number, "a number above 0", "Mend it, or leave it out.")
    for name, count in (("--examples", told.examples), ("--documents", told.documents)):
        if count is not None and count < 0:
            raise InputError(name, count, "0 or more", "Mend it, or leave it out.")
    _agree(told)


def _agree(told: Told) -> None:
    """Refuse two facts of which one denies the other."""
    pairs = (
        ("--form", told.form, told.form == "none" and bool(told.examples),
         f"examples of some form, as --examples is {told.examples}"),
        ("--covers", "yes", told.covers is True and told.documents == 0,
         "no, as --documents is 0"),
        ("--changes", "no", told.changes is False and told.changes_every_days is not None,
         f"yes, as --changes-every-days is {told.changes_every_days}"),
        ("--weights", told.weights, told.weights == OPEN and told.architecture == "api",
         "hosted or tunable, as --architecture is api"),
    )  # fmt: skip
    for name, value, clash, allowed in pairs:
        if clash:
            raise InputError(name, value, allowed, "Leave out one of the two.")
