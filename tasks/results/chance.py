"""What classification scores without reading a text, beside what the paths score."""

from collections.abc import Sequence

from tasks.artifacts import Scorecard
from tasks.core.labels import Chance, chance_level
from tasks.results.markdown import metric_name
from tasks.results.record import RunRecord, answers_of


def chance_of(record: RunRecord, cards: Sequence[Scorecard]) -> Chance | None:
    """The level of chance on the questions of these scorecards; None where answers are no labels.

    Where paths answered different numbers of questions, on all that any of them answered.
    """
    trained = {
        row.kind: row.count for row in record.examples.counts if row.split == "train" and row.count
    }
    if not (record.examples.labels and cards and trained):
        return None
    most = max(cards, key=lambda card: card.n)
    return chance_level([row.expected[0] for row in answers_of(most)], trained)


def chance_text(record: RunRecord, cards: Sequence[Scorecard]) -> str:
    """The same in a sentence or two; empty where answers are no labels."""
    chance = chance_of(record, cards)
    if chance is None:
        return ""
    which = "the most frequent label in training"
    if chance.alike > 1:
        which = f"one of the {chance.alike} most frequent labels in training"
    scores = ", ".join(f"{metric_name(name)} {value:.3f}" for name, value in chance.scores.items())
    return (
        f"Always answering `{chance.label}`, {which}: {scores}. "
        f"Guessing evenly: accuracy {chance.guessed:.3f}."
    )
