"""Misspelled questions are the same for every path, and what is lost to them is paired."""

from collections.abc import Callable

import pytest

from tasks.artifacts import Answer, Answers, Cost, ExampleSet, Prompt, Question, Scorecard, System
from tasks.evaluation.robustness import answer_misspelled, lost_to_misspelling
from tasks.results.record import RunRecord, answers_of
from tasks.store import get_rows, put_rows

pytestmark = pytest.mark.usefixtures("home")


def test_dev_questions_are_asked_with_slips_that_only_seed_and_id_decide(tiny_model) -> None:
    rows = [
        Question(id=f"q{n}", question="Which lighthouse was lit?", answers=("red",), split=split)
        for n, split in enumerate(("dev", "dev", "train"))
    ]
    examples = ExampleSet(questions=put_rows(rows), counts=())
    prompt = Prompt(name="p", instruction="Be brief.", max_new_tokens=2)
    system = System(model=tiny_model, prompt=prompt)
    made = get_rows(answer_misspelled(system, examples, 0.5, 7, 2).blob, Answer)
    other = system.model_copy(update={"prompt": prompt.model_copy(update={"name": "other"})})
    again = get_rows(answer_misspelled(other, examples, 0.5, 7, 2).blob, Answer)
    assert [row.question_id for row in made] == ["q0", "q1"]
    assert made[0].question != made[1].question != "Which lighthouse was lit?"
    assert [row.question for row in made] == [row.question for row in again]
    assert made[0].expected == ("red",)


def test_the_loss_is_paired_by_question(
    record: RunRecord, make_card: Callable[..., Scorecard]
) -> None:
    card = make_card(record.scorecards[0].system, [0.9, 0.5] * 10)
    rows = [
        row.model_copy(update={"scores": {"f1": row.scores["f1"] - 0.25}})
        for row in answers_of(card)
    ]
    cost = Cost(
        seconds=1, tokens=1, energy_kwh=None, energy_method=None, device="cpu", dtype="bfloat16",
        machine="m", run="now",
    )  # fmt: skip
    answers = Answers(
        blob=put_rows(rows), system="s", questions_sha="q", split="dev", n=20, cost=cost
    )
    found = lost_to_misspelling(card, answers)
    assert found["misspelled"].value == pytest.approx(0.45)
    lost = found["lost_to_misspelling"]
    assert lost.value == pytest.approx(0.25)
    assert lost.high - lost.low < 1e-9  # every question lost the same, so nothing is unsure
