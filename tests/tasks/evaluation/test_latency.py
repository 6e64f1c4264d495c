"""Single answers are timed one by one, and the 95th percentile says how sure it is."""

import pytest

from tasks.artifacts import ExampleSet, ModelRef, Prompt, Question, SplitCount, System
from tasks.evaluation import latency
from tasks.evaluation.latency import time_answers, waiting
from tasks.models.loading import load_decoder
from tasks.store import put_rows

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def examples() -> ExampleSet:
    rows = [
        Question(id=f"q{n}", question=f"Which buoy {n}?", answers=("red",), split="dev")
        for n in range(6)
    ]
    return ExampleSet(
        questions=put_rows(rows), counts=(SplitCount(split="dev", kind="all", count=6),)
    )


def test_every_question_is_asked_alone_and_timed(
    tiny_model: ModelRef, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    decoder = load_decoder(tiny_model.ref, None)
    generate = decoder.generate

    def counting(prompts, *args, **kwargs):
        asked.append(len(prompts))
        return generate(prompts, *args, **kwargs)

    monkeypatch.setattr(decoder, "generate", counting)
    monkeypatch.setattr(latency, "load_answerer", lambda ref, adapter: decoder)
    system = System(
        model=tiny_model, prompt=Prompt(name="p", instruction="Be brief.", max_new_tokens=2)
    )
    cost = time_answers(system, examples, seed=1)
    assert asked == [1] * 7  # the first is asked once more, before the clock runs
    assert len(cost.samples) == 6
    assert all(sample > 0 for sample in cost.samples)
    assert sum(cost.samples) <= cost.seconds
    assert waiting(cost)["seconds_p95"].value == max(cost.samples)


def test_no_more_questions_are_timed_than_a_percentile_needs(
    tiny_model: ModelRef, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "TIMED", 2)
    system = System(
        model=tiny_model, prompt=Prompt(name="p", instruction="Be brief.", max_new_tokens=2)
    )
    assert len(time_answers(system, examples, seed=1).samples) == 2
