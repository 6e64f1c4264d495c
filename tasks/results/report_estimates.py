"""The report's table of estimates beside what was measured."""

from collections.abc import Sequence

from tasks.artifacts import Scorecard
from tasks.results.markdown import short, table
from tasks.results.outcome import Estimate
from tasks.results.record import RunRecord


def estimates(record: RunRecord, model: str, cards: Sequence[Scorecard]) -> list[str]:
    """What each path was expected to take before anything was loaded, and what it took."""
    planned = next((one for one in record.plan.models if one.model.ref == model), None)
    by_path = {one.path: one for one in planned.estimates} if planned else {}
    rows = [
        row
        for card in cards
        if card.path in by_path
        for row in _rows(record, card, by_path[card.path])
    ]
    if not rows:
        return []
    note = (
        "Memory is estimated upwards, for what the model needs; on a CPU the peak measured is that "
        "of the whole process, with all that stays loaded. Seconds follow from the machine's speed "
        "in a burst of matrix products."
    )
    if any(card.cost.get("reused_from") for card in cards):
        note += " What was reused was measured when its run says so, under another load."
    heads = ("path", "what", "estimated", "measured", "measured / estimated")
    return ["### Estimates beside measurements", table(heads, rows), note]


def _rows(
    record: RunRecord, card: Scorecard, told: Estimate
) -> list[tuple[str, str, str, str, str]]:
    training = record.training_of(card)
    pairs = (
        ("GiB to answer", told.answer_gib, card.cost.get("answer_peak_gib")),
        ("seconds to answer", told.answer_seconds, card.cost.get("answer_seconds")),
        ("GiB to train", told.train_gib, training.cost.peak_gib if training else None),
        ("seconds to train", told.train_seconds, training.cost.seconds if training else None),
    )
    return [
        (f"`{card.path}`", what, short(guess), *_beside(guess, seen))
        for what, guess, seen in pairs
        if guess is not None
    ]


def _beside(guess: float, seen: float | None) -> tuple[str, str]:
    if seen is None:
        return "not measured", "-"
    return short(seen), f"{seen / guess:.2f}" if guess else "-"
