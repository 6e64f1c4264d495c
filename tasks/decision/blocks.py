"""Answers in blocks: a race's questions in the order that all paths share."""

import math
from collections.abc import Iterable, Sequence

from tasks.artifacts import Answer, Answers, ExampleSet, Question, System
from tasks.core.sequential import question_order
from tasks.data.collect import read_questions
from tasks.evaluation.evaluate import answer_questions, questions_digest
from tasks.machine import PROCESS
from tasks.store import get_rows, put_rows
from tasks.task.metrics import MACRO_F1, values

UNASKED = -1  # number of a label that is answered but nowhere expected


def answer_block(
    system: System, examples: ExampleSet, start: int, stop: int, seed: int, batch_size: int
) -> Answers:
    """A system's answers to dev questions `start` to `stop` (exclusive) of a race's order."""
    questions = race_questions(examples, seed)[start:stop]
    return answer_questions(system, questions, "dev", batch_size)


def race_questions(examples: ExampleSet, seed: int) -> tuple[Question, ...]:
    """The dev questions in the order in which every path of a race answers them."""
    dev = read_questions(examples, "dev")
    order = question_order([one.id for one in dev], [one.cluster for one in dev], seed)
    return tuple(dev[at] for at in order)


def raced_labels(questions: Iterable[Question], metric: str) -> tuple[str, ...]:
    """The expected labels where macro-F1 is raced, by number; of any other metric none."""
    return tuple(sorted({one.answers[0] for one in questions})) if metric == MACRO_F1 else ()


def recorded(rows: Sequence[Answer], metric: str, labels: Sequence[str]) -> list[float]:
    """What a race records of each answer: its value, or with `labels` the number of its label."""
    if not labels:
        return values(rows, metric)
    number = {label: at for at, label in enumerate(labels)}
    return [number.get(row.answer, UNASKED) for row in rows]


def joined(parts: Sequence[Answers]) -> Answers:
    """Blocks of one system's answers as one; seconds and energy are those of all of them.

    Of blocks measured by several runs the newest is named; energy that one lacks, all lack.
    """
    rows = [row for part in parts for row in get_rows(part.blob, Answer)]
    costs = [part.cost for part in parts]
    here = next((cost for cost in costs if cost.run == PROCESS), costs[-1])
    energies = [cost.energy_kwh for cost in costs if cost.energy_kwh is not None]
    cost = here.model_copy(
        update={
            "seconds": math.fsum(one.seconds for one in costs),
            "tokens": sum(one.tokens for one in costs),
            "energy_kwh": math.fsum(energies) if len(energies) == len(costs) else None,
            "samples": tuple(sample for one in costs for sample in one.samples),
        }
    )
    asked = [
        Question(id=row.question_id, question=row.question, answers=row.expected) for row in rows
    ]
    return parts[0].model_copy(
        update={
            "blob": put_rows(rows), "n": len(rows), "cost": cost,
            "questions_sha": questions_digest(asked),
        }
    )  # fmt: skip
