"""What can't be done, or mustn't; a veto names the number that caused it."""

import math
from dataclasses import dataclass

from tasks.core.errors import InputError
from tasks.core.stats import Interval

FACT, ESTIMATE, MEASURED = "fact", "estimate", "measured"
PATHS = ("prompt", "rag", "finetune", "finetune+rag")
TUNED = ("finetune", "finetune+rag")
RETRIEVING = ("rag", "finetune+rag")


@dataclass(frozen=True)
class Veto:
    """A path ruled out: which limit, the number seen, the number allowed, and on what basis.

    `limit` is the name of a limit in the run file where there is one; set to `value` it would
    not veto. `basis` is fact, estimate or measured. Both numbers are None where none exists.
    """

    path: str
    limit: str
    value: float | None
    allowed: float | None
    basis: str
    text: str


def fact_vetoes(
    *,
    open_weights: bool,
    documents: int,
    examples: int,
    min_examples: int,
    answer_gib: float | None = None,
    train_gib: float | None = None,
    memory_gib: float | None = None,
    changes_every_days: float | None = None,
    retrain_every_days: float = 30,
    generates: bool = True,
) -> tuple[Veto, ...]:
    """Vetoes that need no measurement, from facts and from memory estimates.

    `documents` counts documents to retrieve from, `examples` training examples; None: unknown
    or without limit, which vetoes nothing. Knowledge that changes faster than it is trained
    again vetoes fine-tuning alone: with retrieval the passages stay fresh.
    """
    found: list[Veto] = []
    if not open_weights:
        found += _each(
            TUNED, "open_weights", None, None, FACT,
            "{path}: the weights are out of reach, so there is nothing to tune",
        )  # fmt: skip
    if not generates:
        found += _each(
            ("prompt",), "generates", None, None, FACT,
            "{path}: an encoder writes no text, so there is nothing to prompt",
        )  # fmt: skip
    if documents < 1:
        found += _each(
            RETRIEVING, "documents", documents, 1, FACT,
            f"{{path}}: {documents} documents to retrieve from, at least 1 is needed",
        )  # fmt: skip
    if examples < min_examples:
        found += _each(
            TUNED, "min_examples", examples, min_examples, FACT,
            f"{{path}}: {examples} training examples, at least {min_examples} are needed",
        )  # fmt: skip
    found += _memory(PATHS, "answer", answer_gib, memory_gib)
    found += _memory(TUNED, "train", train_gib, memory_gib)
    if changes_every_days is not None and changes_every_days < retrain_every_days:
        found += _each(
            ("finetune",), "retrain_every_days", changes_every_days, retrain_every_days, FACT,
            f"{{path}}: the knowledge changes every {changes_every_days:g} days, "
            f"faster than it is trained again, every {retrain_every_days:g} days",
        )  # fmt: skip
    return tuple(found)


def measured_vetoes(
    path: str,
    *,
    forgetting: Interval | None = None,
    max_forgetting: float | None = None,
    seconds_per_question: Interval | None = None,
    max_seconds_per_question: float | None = None,
    train_seconds: float | None = None,
    max_train_seconds: float | None = None,
) -> tuple[Veto, ...]:
    """Vetoes on one path from what was measured of it.

    `forgetting` is the drop in general accuracy from before to after tuning, paired by item.
    An interval vetoes only if it lies beyond the limit as a whole; the veto's value is then its
    low end, the number nearest to the limit. None: not measured or without limit.

    Raises:
        InputError: a measurement or a limit is not a number.
    """
    found = [
        _beyond(path, "max_forgetting", forgetting, max_forgetting, "of general accuracy lost"),
        _beyond(
            path, "seconds_per_question", seconds_per_question, max_seconds_per_question,
            "seconds a question",
        ),
    ]  # fmt: skip
    if _exceeds("train_seconds", train_seconds, max_train_seconds):
        text = f"{path}: {train_seconds:.4g} seconds to train, {max_train_seconds:g} are allowed"
        found.append(Veto(path, "train_seconds", train_seconds, max_train_seconds, MEASURED, text))
    return tuple(veto for veto in found if veto is not None)


def _memory(
    paths: tuple[str, ...], purpose: str, need: float | None, there: float | None
) -> tuple[Veto, ...]:
    if not _exceeds("memory_gib", need, there):
        return ()
    text = f"{{path}}: about {need:.3g} GiB needed to {purpose}, {there:.3g} GiB there"
    return _each(paths, "memory_gib", need, there, ESTIMATE, text)


def _beyond(
    path: str, limit: str, seen: Interval | None, allowed: float | None, unit: str
) -> Veto | None:
    if seen is None or not _exceeds(limit, seen.low, allowed):
        return None
    text = (
        f"{path}: {seen.value:.3g} {unit} ({seen.low:.3g} to {seen.high:.3g}), "
        f"{allowed:.3g} allowed"
    )
    return Veto(path, limit, seen.low, allowed, MEASURED, text)


def _exceeds(where: str, value: float | None, allowed: float | None) -> bool:
    for number in (value, allowed):
        if number is not None and math.isnan(number):
            raise InputError(where, number, "a number", "Measure it, or leave the limit out.")
    return value is not None and allowed is not None and value > allowed


def _each(
    paths: tuple[str, ...],
    limit: str,
    value: float | None,
    allowed: float | None,
    basis: str,
    text: str,
) -> tuple[Veto, ...]:
    return tuple(Veto(path, limit, value, allowed, basis, text.format(path=path)) for path in paths)
