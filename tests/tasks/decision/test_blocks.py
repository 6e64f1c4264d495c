import math
from itertools import pairwise

import pytest

from tasks.artifacts import Answer, ExampleSet, ModelRef, System
from tasks.decision.blocks import answer_block, joined, race_questions
from tasks.evaluation.evaluate import questions_digest
from tasks.machine import PROCESS
from tasks.store import get_rows, put_rows
from tests.tasks.asking import BARE, question


@pytest.fixture
def examples(home: object) -> ExampleSet:
    counts = {"train": 3, "dev": 5, "test": 2}
    rows = [question(n, split) for split, count in counts.items() for n in range(count)]
    return ExampleSet(questions=put_rows(rows), counts=())


def test_blocks_of_a_race_follow_one_order_and_join_to_all_answers(
    tiny_model: ModelRef, examples: ExampleSet
) -> None:
    system = System(model=tiny_model, prompt=BARE)
    parts = [
        answer_block(system, examples, start, stop, seed=3, batch_size=2)
        for start, stop in ((0, 2), (2, 5))
    ]
    whole = joined(parts)
    rows = get_rows(whole.blob, Answer)
    asked = race_questions(examples, 3)
    assert [row.question_id for row in rows] == [question.id for question in asked]
    assert {question.split for question in asked} == {"dev"}
    clusters = [question.cluster for question in asked]
    assert sum(a != b for a, b in pairwise(clusters)) == len(set(clusters)) - 1
    assert (whole.n, whole.questions_sha) == (5, questions_digest(asked))
    assert whole.cost.seconds == math.fsum(part.cost.seconds for part in parts)
    assert whole.cost.tokens == sum(part.cost.tokens for part in parts)
    unknown = parts[0].model_copy(
        update={"cost": parts[0].cost.model_copy(update={"energy_kwh": None, "run": "earlier"})}
    )
    mixed = joined([unknown, parts[1]])
    assert (mixed.cost.energy_kwh, mixed.cost.run) == (None, PROCESS)  # some of it was measured now
    assert joined([unknown]).cost.run == "earlier"
