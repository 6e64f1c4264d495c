"""Which training questions serve for what: learning, validation, demonstrations, prompt choice."""

import random
from collections.abc import Sequence

from tasks.artifacts import Question
from tasks.core.errors import InputError

LEAST_TO_TUNE = 2  # one question to learn from and one to stop the training early by


def shuffled(questions: Sequence[Question], seed: int) -> list[Question]:
    """The questions in an order that depends on their ids and the seed alone."""
    ordered = sorted(questions, key=lambda question: question.id)
    random.Random(seed).shuffle(ordered)
    return ordered


def hold_out(
    questions: Sequence[Question], share: float, seed: int
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Split training questions into those learnt from and those that stop the training early.

    At least one stands on each side; `share` is below a half.

    Raises:
        InputError: fewer than `LEAST_TO_TUNE` questions.
    """
    if len(questions) < LEAST_TO_TUNE:
        raise InputError(
            "train questions", len(questions), f"at least {LEAST_TO_TUNE}",
            "Add some: one to learn from, one to stop the training by.",
        )  # fmt: skip
    ordered = shuffled(questions, seed)
    held = max(1, round(len(ordered) * share))
    return tuple(ordered[held:]), tuple(ordered[:held])


def sample(questions: Sequence[Question], count: int, seed: int) -> tuple[Question, ...]:
    """`count` questions, or all if they are fewer: every kind in its proportion.

    Each kind has one at least; if there are more kinds than `count`, the largest have.
    """
    kinds: dict[str, list[Question]] = {}
    for question in shuffled(questions, seed):
        kinds.setdefault(question.kind, []).append(question)
    # Each kind's questions stand at even steps from 0 to 1; the first `count` of all are taken.
    places = [
        (at / len(rows), -len(rows), kind, at) for kind, rows in kinds.items()
        for at in range(len(rows))
    ]  # fmt: skip
    return tuple(kinds[kind][at] for _, _, kind, at in sorted(places)[:count])


def first_answer(question: Question) -> str:
    """The first accepted answer: what is learnt, and shown in demonstrations."""
    return question.answers[0]


def varied(pool: Sequence[Question], count: int, seed: int) -> tuple[Question, ...]:
    """`count` training questions to show, each from another source while there is one."""
    ordered = shuffled(pool, seed)
    first = {question.cluster: question for question in reversed(ordered)}
    fresh = [question for question in ordered if first[question.cluster] is question]
    rest = [question for question in ordered if first[question.cluster] is not question]
    return tuple([*fresh, *rest][:count])
