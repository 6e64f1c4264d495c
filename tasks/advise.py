"""Advice from facts that a person or a table gives: reading, checking, answering."""

import csv
import difflib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.core.advice import Advice, Facts, advise, allowed_first, vetoes_on
from tasks.core.cases import (
    ARCHITECTURES,
    EXPOSURES,
    FORMS,
    HOSTED,
    OPEN,
    TASKS,
    WEIGHTS,
    Case,
    known_form,
    known_task,
)
from tasks.core.effort import NO_MEANS, UNLIMITED, Limits, Means
from tasks.core.errors import InputError
from tasks.core.evidence import read_case
from tasks.core.gains import expected_gains, rank
from tasks.models.references import resolve
from tasks.run import ModelSpec

# What describes a case in a table; scores, winner and citation are never read.
COLUMNS = (
    "params_billions",
    "architecture",
    "task_type",
    "n_train",
    "training_data",
    "knowledge_changes",
    "knowledge_exposure",
    "corpus_covers",
    "retriever",
)
ADVICE = "advice"


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
    notes = []
    if weights is None and params is not None:
        weights = OPEN
        notes.append("weights taken as open: hosted models' sizes are not published")
    task = known_task(told.task) if told.task else None
    if told.task and task is None:
        notes.append(f"unknown task {told.task!r}: averaged over {', '.join(TASKS)}")
    elif told.task and task and told.task.casefold() != task.casefold():
        notes.append(f"task {told.task!r} read as {task!r}")
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
        generates=model.generates if model else told.architecture != "encoder",
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


def advise_on_table(path: Path, keep_going: bool = False) -> tuple[str, tuple[InputError, ...]]:
    """A table (CSV) with a column `advice` added, and the faults of rows left without it.

    The ranking of all four paths, best first, `>`-separated. Cells that are empty, or words
    that are not known, count as unknown. Columns beyond `COLUMNS` are passed on, not read.

    Raises:
        InputError: no such file, columns missing, or (unless `keep_going`) a faulty number.
    """
    header, lines = _read_table(path)
    faults: list[InputError] = []
    answered: list[list[str]] = []
    for number, cells in lines:
        try:
            advice = ">".join(_ranking(path, number, header, cells))
        except InputError as fault:
            if not keep_going:
                raise
            faults.append(fault)
            advice = ""
        answered.append([*cells, advice])
    return _written([*header, ADVICE], answered), tuple(faults)


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows, each row with the line that it ends on; an old `advice` is dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            str(path), str(error), "a readable CSV file in UTF-8", "Mend it."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise InputError(
            f"{path}: line 1", ", ".join(header) or "nothing",
            "the columns " + ", ".join(COLUMNS),
            f"Add {', '.join(missing)}; cells may be empty.",
        )  # fmt: skip
    rows = [(reader.line_num, row) for row in reader if row]
    if ADVICE in header:
        drop = header.index(ADVICE)
        header = header[:drop] + header[drop + 1 :]
        rows = [(number, row[:drop] + row[drop + 1 :]) for number, row in rows]
    return header, rows


def _ranking(
    path: Path, number: int, header: Sequence[str], cells: Sequence[str]
) -> tuple[str, ...]:
    if len(cells) != len(header):
        raise InputError(
            f"{path}: line {number}", f"{len(cells)} cells", f"{len(header)}, as in line 1",
            "Quote cells that hold commas; leave unknown ones empty.",
        )  # fmt: skip
    line: Mapping[str, str | None] = dict(zip(header, cells, strict=True))
    try:
        case = read_case(line)
    except ValueError as error:
        column, text = error.args
        allowed = "a number above 0" if column == "params_billions" else "0 or more"
        raise InputError(
            f"{path}: line {number}, column {column}", text, allowed, "Mend or empty this cell."
        ) from error
    facts = Facts(case, min_examples=0)
    return allowed_first(rank(expected_gains(case)), vetoes_on(facts))


def _written(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
