"""Reads run files: TOML to `RunFile`, with overrides, every fault explained."""

import difflib
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from tasks.artifacts import PathName, Value
from tasks.core.errors import InputError, reason
from tasks.models.references import runs_already, split_reference
from tasks.run import (
    HOSTED,
    AnsweringSpec,
    Budget,
    ChangesData,
    Data,
    DecisionSpec,
    Facts,
    GeneralData,
    HostedSpec,
    IndexSpec,
    JudgeSpec,
    Limits,
    ModelSpec,
    Price,
    RunFile,
    TrainingSpec,
)
from tasks.run.overrides import blaming
from tasks.run.unused import asks_by_instruction, has_references
from tasks.task import Task
from tasks.task.constraints import VALID_JSON
from tasks.task.known import find_task
from tasks.task.metrics import JUDGED, TOKENS, WHOLE, can_race


class Overrides(NamedTuple):
    """What people change from run to run, laid over the run file; None leaves it as it is."""

    models: Sequence[str] | None = None
    paths: Sequence[PathName] | None = None
    min_gain: float | None = None
    memory_gib: float | None = None
    budget: Mapping[str, float] | None = None

    def over(self, table: dict[str, Any]) -> dict[str, Any]:
        """The run file's table with these changes; a model keeps what the file says of it."""
        merged = dict(table)
        if self.models:
            specs = [spec for spec in table.get("models", ()) if isinstance(spec, dict)]
            known = {str(spec.get("ref")): spec for spec in specs}
            merged["models"] = [known.get(ref, {"ref": ref}) for ref in self.models]
        for name, keys in self.changes.items():
            if isinstance(table.get(name, {}), dict):
                merged[name] = {**table.get(name, {}), **keys}
        return merged

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """What is changed in tables of the run file, by table and key."""
        given: dict[str, dict[str, Any]] = {
            "decision": {"paths": self.paths, "min_gain": self.min_gain},
            "limits": {"memory_gib": self.memory_gib},
            "budget": dict(self.budget or {}),
        }
        changed = {
            name: {key: value for key, value in keys.items() if value is not None}
            for name, keys in given.items()
        }
        return {name: keys for name, keys in changed.items() if keys}


AS_WRITTEN = Overrides()


def read_run(path: Path, overrides: Overrides = AS_WRITTEN) -> RunFile:
    """Read a run file with overrides laid over it.

    Raises:
        InputError: the file is missing, is not TOML, or a key or value is not allowed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise InputError(
            "run file", f"{path}: {reason(error)}", "a readable UTF-8 TOML file",
            "Name another; `adapt init` writes one.",
        ) from error  # fmt: skip
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(path), str(error), "TOML", "Mend the line it names.") from error
    for ref in overrides.models or ():
        if not runs_already(ref):
            _check_reference(ref)
    with blaming(overrides.changes):
        return parse_run(overrides.over(table), str(path))


def _check_reference(ref: str) -> None:
    try:
        split_reference(ref)
    except InputError as fault:
        raise InputError("--model", ref, fault.allowed, fault.remedy) from None


def parse_run(table: dict[str, Any], where: str = "run file") -> RunFile:
    """Validate a run file's table; the first fault becomes an `InputError`."""
    if isinstance(table.get("task"), str):
        find_task(table["task"], f"{where}: task")
    try:
        run = RunFile.model_validate(table)
    except ValidationError as error:
        raise _explained(error, where) from error
    _check_task(run, where)
    if run.budget.given and run.training.learning_curve:
        raise InputError(
            f"{where}: training.learning_curve", run.training.learning_curve,
            "empty where there is a [budget]",
            "Paths that race do not train on every share: leave it or leave the budget out.",
        )  # fmt: skip
    _check_prices(run, where)
    return run


def _check_prices(run: RunFile, where: str) -> None:
    """Refuse limits on money beside a hosted model that has no price."""
    asked = [spec.ref for spec in run.models]
    beside = [run.training.paraphrase_with or "", run.judge.model if run.judge else ""]
    for name, value, refs in (
        ("budget.money", run.budget.money, asked + beside),
        ("limits.money_per_question", run.limits.money_per_question, asked),
    ):
        unpriced = [ref for ref in refs if ref.startswith(HOSTED) and run.price(ref) is None]
        if value is not None and unpriced:
            raise InputError(
                f"{where}: {name}", value, f"a price of {unpriced[0]} beside it",
                f'Add [prices."{unpriced[0].removeprefix(HOSTED)}"]; nobody guesses what it costs.',
            )  # fmt: skip


def _check_task(run: RunFile, where: str) -> None:
    """Refuse a metric that is not known, and what the task lacks or cannot use."""
    task = find_task(run.task)
    deciding = (*task.deciding, *([VALID_JSON] if run.data.json_schema else []))
    _check_judge(run, task, where)
    if run.decision.weights:
        for name in run.decision.weights:
            _known(f"{where}: decision.weights", name, (*task.weighable, TOKENS))
    elif run.decision.primary != JUDGED:
        _known(f"{where}: decision.primary", run.decision.primary, deciding)
    if run.budget.given and not can_race(run.decision.primary):
        raise InputError(
            f"{where}: decision.weights", run.decision.primary,
            f"no weight on {', '.join(WHOLE)} where there is a [budget]",
            "Paths race on a value that each answer has: weigh such, or leave the budget out.",
        )  # fmt: skip
    if run.changes is not None and "documents" not in task.data:
        raise InputError(
            f"{where}: changes", run.changes.documents, f"no [changes] for {task.name}",
            "Leave it out: where nothing is looked up in documents, none of them can change.",
        )  # fmt: skip
    for key in task.data:
        if getattr(run.data, key) is None:
            raise InputError(f"{where}: data.{key}", None, "a value", f"Add the key {key!r}.")
    for key in ("documents", "questions", "examples"):
        given = getattr(run.data, key)
        if key not in task.data and given is not None:
            raise InputError(
                f"{where}: data.{key}", given, f"{' and '.join(task.data)} for {task.name}",
                "Remove it, or name another task.",
            )  # fmt: skip
    _check_constraints(run, task, where)


def _check_judge(run: RunFile, task: Task, where: str) -> None:
    """Refuse a judge of answers that are no texts, and a decision by one where it cannot be had."""
    if run.judge is not None and not has_references(task):
        raise InputError(
            f"{where}: judge", run.judge.model, "a task whose examples have references",
            "Remove [judge]: metrics tell whether these answers are right.",
        )  # fmt: skip
    if run.decision.primary != JUDGED:
        return
    if run.judge is None:
        raise InputError(
            f"{where}: decision.primary", JUDGED, "[judge] beside it",
            f"Add [judge] with its model, or decide by {task.deciding[0]}.",
        )  # fmt: skip
    if run.budget.given:
        raise InputError(
            f"{where}: decision.primary", JUDGED, f"{', '.join(task.deciding)} with a [budget]",
            "Answers are judged after a race: name one of these, or leave the budget out.",
        )  # fmt: skip


def _check_constraints(run: RunFile, task: Task, where: str) -> None:
    """Refuse what would make no difference to a task's answers."""
    given = {"data.glossary": run.data.glossary, "data.json_schema": run.data.json_schema}
    given |= {f"answering.{key}": getattr(run.answering, key) for key in ("min_words", "max_words")}
    for key, value in given.items():
        if value is not None and not has_references(task):
            raise InputError(
                f"{where}: {key}", value, "a task whose examples have references", "Remove it."
            )
    if run.answering.instruction is not None and not asks_by_instruction(task):
        raise InputError(
            f"{where}: answering.instruction", run.answering.instruction,
            f"nothing for {task.name}, which chooses among wordings of its own", "Remove it.",
        )  # fmt: skip


def _known(where: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        remedy = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(where, name, ", ".join(known), f"Change this value.{remedy}")


def _explained(error: ValidationError, where: str) -> InputError:
    first = error.errors()[0]
    names = [str(part) for part in first["loc"]]
    field = f"{where}: {'.'.join(names) or 'the whole file'}"
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        near = difflib.get_close_matches(names[-1], known, n=1, cutoff=0.4)
        there = [name for name, table in TABLES.items() if names[-1] in table.model_fields]
        remedy = f"Did you mean {near[0]!r}?" if near else "Remove it."
        if there:
            remedy = f"It belongs under [{there[0]}]."
        return InputError(field, names[-1], ", ".join(known), remedy)
    if first["type"] == "missing":
        return InputError(field, None, "a value", f"Add the key {names[-1]!r}.")
    return InputError(field, first["input"], first["msg"], "Change this value.")


TABLES: dict[str, type[Value]] = {
    "data": Data, "general": GeneralData, "changes": ChangesData, "models": ModelSpec,
    "index": IndexSpec, "training": TrainingSpec, "answering": AnsweringSpec,
    "decision": DecisionSpec, "judge": JudgeSpec, "limits": Limits, "budget": Budget,
    "facts": Facts, "hosted": HostedSpec, "prices": Price,
}  # fmt: skip


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model = TABLES[str(location[0])] if location else RunFile
    return sorted(model.model_fields)
