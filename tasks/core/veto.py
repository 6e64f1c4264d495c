"""What can't be done, or mustn't; a veto names the number that caused it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tasks.core.errors import InputError
from tasks.core.stats import Interval

FACT, ESTIMATE, MEASURED = "fact", "estimate", "measured"
PATHS = ("prompt", "rag", "finetune", "finetune+rag")
TUNED = ("finetune", "finetune+rag")
RETRIEVING = ("rag", "finetune+rag")
FAR = 5  # estimates of time were seen off by a factor of 2 at most, on machines that were busy


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
    for path in PATHS:
        found += memory_vetoes(path, answer_gib, train_gib, memory_gib)
    if changes_every_days is not None and changes_every_days < retrain_every_days:
        found += _each(
            ("finetune",), "retrain_every_days", changes_every_days, retrain_every_days, FACT,
            f"{{path}}: the knowledge changes every {changes_every_days:g} days, "
            f"faster than it is trained again, every {retrain_every_days:g} days",
        )  # fmt: skip
    return tuple(found)


def memory_vetoes(
    path: str, answer_gib: float | None, train_gib: float | None, memory_gib: float | None
) -> tuple[Veto, ...]:
    """Vetoes on a path that needs more GiB by estimate, to answer or to be tuned, than are there.

    None: unknown, or without limit. What training needs is nothing to an untuned path.
    """
    needs = (("answer", answer_gib), ("train", train_gib if path in TUNED else None))
    return tuple(
        Veto(
            path, "memory_gib", need, memory_gib, ESTIMATE,
            f"{path}: about {need:.3g} GiB needed to {purpose}, {memory_gib:.3g} GiB there",
        )
        for purpose, need in needs
        if _exceeds("memory_gib", need, memory_gib)
    )  # fmt: skip


class Bound(NamedTuple):
    """A limit beside what was measured; `least` says that the limit is a minimum.

    None: not measured, or without limit. A single number is an interval of no width.
    """

    limit: str
    seen: Interval | None
    allowed: float | None
    unit: str
    least: bool = False


def measured_vetoes(path: str, bounds: Iterable[Bound]) -> tuple[Veto, ...]:
    """Vetoes on one path from what was measured of it.

    An interval vetoes only if it lies beyond the limit as a whole; the veto's value is then the
    end that is nearest to the limit.

    Raises:
        InputError: a measurement or a limit is not a number.
    """
    vetoes = (_beyond(path, bound) for bound in bounds)
    return tuple(veto for veto in vetoes if veto is not None)


def estimated_vetoes(
    path: str, seconds: Mapping[str, tuple[float, float | None]], far: float = FAR
) -> tuple[Veto, ...]:
    """Vetoes from estimates of time so far beyond a limit that no measurement is needed.

    `seconds` gives for a limit's name the estimate and what is allowed. An estimate vetoes where
    even a `far`-th of it is beyond the limit; that is the veto's value.
    """
    return tuple(
        Veto(
            path, limit, estimate / far, allowed, ESTIMATE,
            f"{path}: {limit} of about {estimate:.3g} by estimate, {allowed:g} allowed",
        )
        for limit, (estimate, allowed) in seconds.items()
        if _exceeds(limit, estimate / far, allowed)
    )  # fmt: skip


def _beyond(path: str, bound: Bound) -> Veto | None:
    seen, allowed = bound.seen, bound.allowed
    if seen is None or allowed is None:
        return None
    near = seen.high if bound.least else seen.low
    numbers = (allowed, near) if bound.least else (near, allowed)
    if not _exceeds(bound.limit, *numbers):
        return None
    width = f" ({seen.low:.3g} to {seen.high:.3g})" if seen.low < seen.high else ""
    limit = f"at least {allowed:g} wanted" if bound.least else f"{allowed:.3g} allowed"
    text = f"{path}: {seen.value:.4g} {bound.unit}{width}, {limit}"
    return Veto(path, bound.limit, near, allowed, MEASURED, text)


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
