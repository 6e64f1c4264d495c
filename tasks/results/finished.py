"""A finished run, read back from its folder: what it measured, and what it was run with."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from tasks.artifacts import Answer, Blob, PathName, Scorecard, Value
from tasks.core.across import ModelChoice
from tasks.core.decide import Verdict
from tasks.core.errors import InputError, reason
from tasks.core.race import State
from tasks.core.veto import MEASURED
from tasks.results.outcome import Outcome, Planned
from tasks.run import RunFile
from tasks.run.overrides import blaming
from tasks.run.reading import parse_run
from tasks.store import get_rows
from tasks.task.metrics import TOKENS, parts, single

Tables = dict[str, dict[str, Any]]
NOTHING: Mapping[str, Mapping[str, Any]] = {}


class Finished(NamedTuple):
    """A finished run: `cards` of all splits, `verdicts` and `races` by model.

    `across` is the last step over models, as it was decided then.
    """

    folder: Path
    run: RunFile
    models: tuple[Planned, ...]
    cards: tuple[Scorecard, ...]
    verdicts: dict[str, Verdict]
    races: dict[str, State]
    across: ModelChoice | None = None

    def dev(self, model: str) -> tuple[Scorecard, ...]:
        """A model's scorecards on the dev questions, simplest path first."""
        order = self.run.decision.order
        cards = [card for card in self.cards if (card.model, card.split) == (model, "dev")]
        return tuple(sorted(cards, key=lambda card: order.index(card.path)))

    def test(self, model: str, path: str | None) -> Scorecard | None:
        """The scorecard of a path that was tested."""
        wanted = model, path, "test"
        return next((c for c in self.cards if (c.model, c.path, c.split) == wanted), None)


def read_finished(folder: Path, changes: Mapping[str, Mapping[str, Any]] = NOTHING) -> Finished:
    """Read `scorecards.json` and what stands beside it; `changes` go over the run file's tables.

    Without `run.json` and `plan.json`, which older runs did not write, settings are those of
    `verdict.json` and the defaults.

    Raises:
        InputError: no such folder, no scorecards, a file that is no JSON or not what a run writes,
            a score that is no number, a changed setting out of range.
    """
    if not folder.is_dir():
        raise InputError(
            "RUN_FOLDER", str(folder), "a folder that is there",
            "Name that of a finished run: runs/<name>/<time>.",
        )  # fmt: skip
    written = _json(folder / "scorecards.json")
    cards = tuple(_card(folder, row) for row in written.get("scorecards", ()))
    outcome = _maybe(folder / "verdict.json", Outcome)
    if not cards and outcome is None:
        raise InputError(
            str(folder / "scorecards.json"), "no scorecard", "at least one, or a verdict.json",
            "Name the folder of a finished run: runs/<name>/<time>.",
        )  # fmt: skip
    verdicts = {one.model: one for one in outcome.verdicts} if outcome else {}
    run = _run(folder, cards, verdicts, changes)
    races = folder / "race.json"
    return Finished(
        folder=folder,
        run=run,
        models=_models(folder, cards, verdicts),
        cards=cards,
        verdicts=verdicts,
        races=_valid(races, TypeAdapter(dict[str, State])) if races.exists() else {},
        across=outcome.across if outcome else None,
    )


def answers_in(card: Scorecard, metric: str) -> tuple[Answer, ...]:
    """The answers behind a scorecard, each with a score of this metric.

    Raises:
        InputError: the answers are gone, or one has no such score or none that is a number.
    """
    where = f"answers of {card.path} ({card.model})"
    try:
        blob = Blob(uri=card.answers["uri"], sha=card.answers["digest"], bytes=0)
        rows = get_rows(blob, Answer)
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            where, reason(error) if isinstance(error, OSError) else str(error)[:200],
            "the answers that the run kept, each with its scores",
            "Run again: what else is kept costs nothing.",
        ) from error  # fmt: skip
    needed = [name for name in parts(single(metric, rows)) if name != TOKENS]
    for row in rows:
        for name in needed:
            _check_score(where, row, name, rows)
    return rows


def _check_score(where: str, row: Answer, metric: str, rows: Sequence[Answer]) -> None:
    if metric not in row.scores:
        known = ", ".join(sorted(set.intersection(*(set(one.scores) for one in rows))))
        raise InputError(f"metric of {where}", metric, known, "Decide by one of these.")
    if not math.isfinite(row.scores[metric]):
        raise InputError(
            f"{where}: {row.question_id}: {metric}", row.scores[metric], "a finite number",
            "Run again with this question mended or left out.",
        )  # fmt: skip


def _card(folder: Path, row: Any) -> Scorecard:
    try:
        card = Scorecard.model_validate(row)
    except ValidationError as error:
        raise _fault(folder / "scorecards.json", error) from error
    for name, interval in card.metrics.items():
        if math.isnan(interval.value):
            raise InputError(
                f"{folder / 'scorecards.json'}: {card.path}: {name}", interval.value, "a number",
                "Run again: nothing can be decided by it.",
            )  # fmt: skip
    return card


def _run(
    folder: Path,
    cards: tuple[Scorecard, ...],
    verdicts: Mapping[str, Verdict],
    changes: Mapping[str, Mapping[str, Any]],
) -> RunFile:
    path = folder / "run.json"
    if path.exists():
        table = _json(path)
    else:
        said = [{"min_gain": v.min_gain, "confidence": v.confidence} for v in verdicts.values()]
        table = {
            "name": "run",
            "data": {"documents": "", "questions": ""},
            "models": [{"ref": ref} for ref in dict.fromkeys(card.model for card in cards)],
            "decision": {
                "primary": cards[0].primary if cards else "f1",
                **(said[0] if said else {}),
            },
        }
    for name, keys in changes.items():
        table[name] = {**(table.get(name) or {}), **keys}
    with blaming(changes):
        return parse_run(table, str(path))


def _models(
    folder: Path, cards: tuple[Scorecard, ...], verdicts: Mapping[str, Verdict]
) -> tuple[Planned, ...]:
    path = folder / "plan.json"
    models: tuple[Planned, ...] = ()
    if path.exists():
        plan: _Plan = _valid(path, TypeAdapter(_Plan))
        models = plan.models
    known = {planned.model.ref for planned in models}
    others = [ref for ref in dict.fromkeys(card.model for card in cards) if ref not in known]
    return (*models, *(_planned(ref, cards, verdicts) for ref in others))


class _Plan(Value, extra="ignore"):
    """What is read of a plan."""

    models: tuple[Planned, ...]


def _planned(ref: str, cards: tuple[Scorecard, ...], verdicts: Mapping[str, Verdict]) -> Planned:
    own = [card for card in cards if (card.model, card.split) == (ref, "dev")]
    paths: tuple[PathName, ...] = tuple(card.path for card in own)
    model = next(card.system.model for card in cards if card.model == ref)
    vetoes = verdicts[ref].vetoes if ref in verdicts else ()
    return Planned(
        model=model.model_copy(update={"ref": ref}),
        paths=paths,
        vetoes=tuple(veto for veto in vetoes if veto.basis != MEASURED),
        reason=None,
        answer_gib=None,
        train_gib=None,
    )


def _maybe(path: Path, model: type[Outcome]) -> Outcome | None:
    return _valid(path, TypeAdapter(model)) if path.exists() else None


def _valid(path: Path, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.validate_python(_json(path))
    except ValidationError as error:
        raise _fault(path, error) from error


def _fault(path: Path, error: ValidationError) -> InputError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return InputError(
        f"{path}: {where}",
        first["input"],
        first["msg"],
        "Name the folder of a run by this version.",
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError | UnicodeError) else str(error)
        raise InputError(
            str(path), why, "a JSON file that a finished run wrote",
            "Name the folder of a finished run: runs/<name>/<time>.",
        ) from error  # fmt: skip
    if not isinstance(found, dict):
        raise InputError(str(path), type(found).__name__, "an object", "Name another folder.")
    return found
