"""What a scorecard says of quality, retrieval, cost and forgetting."""

import math
from typing import Any

import pytest

from tasks.artifacts import Answer, Answers, Cost, GeneralScore, ModelRef, Scorecard, System
from tasks.core.stats import Interval
from tasks.evaluation.evaluate import scorecard
from tasks.results.record import RunRecord
from tasks.store import put_rows
from tests.tasks.asking import BARE

pytestmark = pytest.mark.usefixtures("home")


def answered(n: int, kind: str, f1: float, **scores: float) -> Answer:
    return Answer(
        question_id=f"q{n}", cluster=f"d{n // 2}", kind=kind, question="?", expected=("a",),
        prompt="p", passages=(), answer="a", tokens_in=8, tokens_out=2,
        scores={"f1": f1, "exact_match": f1, "contains": f1, "refused": 0.0, **scores},
    )  # fmt: skip


COST = Cost(
    seconds=6.0, tokens=80, energy_kwh=0.008, energy_method="counters", device="cpu",
    dtype="float32", machine="m", run="then", samples=(0.5, 1.0, 0.75),
)  # fmt: skip
ROWS = (
    *(answered(n, "seen", 1.0, recall_at_k=1.0, mrr=0.5) for n in range(6)),
    *(answered(n, "lost", 0.0) for n in range(6, 8)),
)


def answers(**cost: Any) -> Answers:
    return Answers(
        blob=put_rows(ROWS), system="s", questions_sha="qs", split="dev", n=len(ROWS),
        cost=COST.model_copy(update=cost),
    )  # fmt: skip


def carded(model: ModelRef, **given: Any) -> Scorecard:
    system = System(model=model, prompt=BARE, adapter=given.pop("adapter", None))
    return scorecard(
        system, given.pop("answers", answers()), "f1", given.get("general"), given.get("base"),
        given.get("training"), given.get("run", "now"),
    )  # fmt: skip


def test_a_scorecard_has_means_with_intervals_for_all_and_for_each_kind(
    tiny_model: ModelRef,
) -> None:
    card = carded(tiny_model)
    assert card.metrics["f1"].value == 0.75
    assert 0 <= card.metrics["f1"].low < 0.75 < card.metrics["f1"].high <= 1
    assert {kind: found["f1"].value for kind, found in card.by_kind.items()} == {
        "seen": 1.0, "lost": 0.0,
    }  # fmt: skip
    assert (card.n, card.split, card.path, card.questions_digest) == (8, "dev", "prompt", "qs")
    assert card.answers == {"uri": answers().blob.uri, "digest": answers().blob.sha}


def test_retrieval_metrics_are_of_questions_with_a_known_source_alone(
    tiny_model: ModelRef,
) -> None:
    card = carded(tiny_model)
    assert card.metrics["recall_at_k"].value == 1.0
    assert card.metrics["mrr"].value == 0.5
    assert "mrr" not in card.by_kind["lost"]


def test_costs_are_shared_out_and_say_which_run_measured_them(tiny_model: ModelRef) -> None:
    card = carded(tiny_model)
    assert card.cost["seconds_per_question"] == 0.75
    assert card.cost["tokens_per_question"] == 10
    assert card.cost["energy_kwh_per_question"] == pytest.approx(0.001)
    assert card.cost["train_seconds"] == 0
    assert card.cost["reused_from"] == "then"
    assert carded(tiny_model, run="then").cost["reused_from"] is None
    seconds = card.metrics["seconds_per_question"]
    assert seconds.value == pytest.approx(0.75)
    assert 0 <= seconds.low < seconds.high < math.inf


def test_energy_that_was_not_measured_is_none_and_not_zero(tiny_model: ModelRef) -> None:
    card = carded(tiny_model, answers=answers(energy_kwh=None, energy_method=None, samples=()))
    assert card.cost["energy_kwh_per_question"] is None
    assert card.cost["energy_kwh"] is None
    assert "seconds_per_question" not in card.metrics


def test_one_batch_alone_gives_no_interval_of_seconds(tiny_model: ModelRef) -> None:
    card = carded(tiny_model, answers=answers(samples=(0.5,)))
    assert "seconds_per_question" not in card.metrics
    assert card.cost["seconds_per_question"] > 0


def kept(*correct: int) -> GeneralScore:
    accuracy = Interval(sum(correct) / len(correct), 0.0, 1.0)
    return GeneralScore(accuracy=accuracy, loss=Interval(3.0, 2.0, 4.0), correct=correct)


def test_forgetting_is_of_tuned_systems_alone(tiny_model: ModelRef, record: RunRecord) -> None:
    base, after = kept(1, 1, 1, 1), kept(1, 1, 0, 1)
    adapter, training = record.trainings[0].adapter, record.trainings[0]
    plain = carded(tiny_model, general=base, base=base)
    assert "forgetting" not in plain.metrics
    assert plain.metrics["general_accuracy"].value == 1
    tuned = carded(tiny_model, general=after, base=base, adapter=adapter, training=training)
    assert tuned.path == "finetune"
    assert tuned.metrics["forgetting"].value == pytest.approx(0.25)
    assert tuned.metrics["general_accuracy"].value == 0.75
    assert tuned.metrics["general_loss"].value == 3
    assert tuned.cost["train_seconds"] == 90
    assert tuned.cost["train_reused_from"] is None  # measured by the run named "now"
    assert carded(tiny_model, run="later", training=training).cost["train_reused_from"] == "now"
    assert "general_accuracy" not in carded(tiny_model).metrics
