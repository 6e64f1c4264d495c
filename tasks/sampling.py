"""Which training questions serve for what: learning, validation, demonstrations, prompt choice."""

import random
from collections.abc import Sequence

from tasks.artifacts import Question


def shuffled(questions: Sequence[Question], seed: int) -> list[Question]:
    """The questions in an order that depends on their ids and the seed alone."""
    ordered = sorted(questions, key=lambda question: question.id)
    random.Random(seed).shuffle(ordered)
    return ordered


def hold_out(
    questions: Sequence[Question], share: float, seed: int
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Split training questions into those learnt from and those that stop the training early."""
    ordered = shuffled(questions, seed)
    held = max(1, round(len(ordered) * share))
    return tuple(ordered[held:]), tuple(ordered[:held])


def sample(questions: Sequence[Question], count: int, seed: int) -> tuple[Question, ...]:
    """Up to `count` questions, every kind in its proportion."""
    kinds: dict[str, list[Question]] = {}
    for question in shuffled(questions, seed):
        kinds.setdefault(question.kind, []).append(question)
    share = min(1.0, count / max(len(questions), 1))
    return tuple(
        question for rows in kinds.values() for question in rows[: max(1, round(len(rows) * share))]
    )
