from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasks.artifacts import Prompt, Scorecard, System
from tasks.core.stats import Interval
from tasks.decision.decide import decide_on, measured, verdict_on
from tasks.results.outcome import Planned
from tasks.results.record import RunRecord
from tasks.run import RunFile

MakeCard = Callable[..., Scorecard]
LOW, HIGH = [0.1, 0.2] * 10, [0.9, 1.0] * 10


@pytest.fixture
def systems(record: RunRecord) -> dict[str, System]:
    """The same model along two paths, as measured in the small finished run."""
    prompt, tuned, _ = (card.system for card in record.scorecards)
    bare = Prompt(name="bare", instruction="Answer.")
    return {
        "prompt": prompt,
        "rag": prompt.model_copy(update={"retrieval": tuned.retrieval, "prompt": bare}),
        "finetune": prompt.model_copy(update={"adapter": tuned.adapter}),
    }


@pytest.fixture
def planned(record: RunRecord) -> Planned:
    return record.plan.models[0]


def with_cost(card: Scorecard, metrics: dict[str, Interval], train_seconds: float) -> Scorecard:
    return card.model_copy(
        update={
            "metrics": card.metrics | metrics,
            "cost": {**card.cost, "train_seconds": train_seconds},
        }
    )


@pytest.fixture
def cards(systems: dict[str, System], make_card: MakeCard) -> Callable[..., list[Scorecard]]:
    def make(scores: dict[str, Sequence[float]], **metrics: Interval) -> list[Scorecard]:
        return [
            with_cost(
                make_card(systems[path], values),
                metrics if path == "finetune" else {},
                50.0 if path == "finetune" else 0.0,
            )
            for path, values in scores.items()
        ]

    return make


def limited(run: RunFile, **limits: Any) -> RunFile:
    return run.model_copy(update={"limits": run.limits.model_copy(update=limits)})


def test_the_decision_reads_every_questions_primary_score(
    systems: dict[str, System], make_card: MakeCard
) -> None:
    card = make_card(systems["rag"], HIGH)
    found = measured(card)
    assert found.path == "rag"
    assert found.scores == tuple(HIGH)
    assert found.clusters == tuple(f"d{n // 2}" for n in range(20))
    exact = measured(card.model_copy(update={"primary": "exact_match"}))
    assert exact.scores == tuple(float(score == 1) for score in HIGH)


def test_a_costlier_path_that_is_ahead_wins(
    run_file: RunFile, planned: Planned, cards: Callable[..., list[Scorecard]]
) -> None:
    decision, vetoes = decide_on(run_file, planned, cards({"prompt": LOW, "rag": HIGH}))
    assert decision.path == "rag"
    assert vetoes == ()


def test_equal_paths_leave_the_simplest(
    run_file: RunFile, planned: Planned, cards: Callable[..., list[Scorecard]]
) -> None:
    decision, _ = decide_on(run_file, planned, cards({"prompt": LOW, "rag": LOW}))
    assert decision.path == "prompt"


FORGOT = Interval(0.3, 0.2, 0.4)
SLOW = Interval(2.0, 1.5, 2.5)


@pytest.mark.parametrize(
    ("limits", "vetoed"),
    [
        ({"max_forgetting": 0.1}, {("max_forgetting", 0.2)}),
        ({"max_forgetting": 0.25}, set()),  # not the whole interval is beyond
        ({"max_forgetting": None}, set()),
        ({"max_forgetting": None, "seconds_per_question": 1.0}, {("seconds_per_question", 1.5)}),
        ({"max_forgetting": None, "seconds_per_question": 2.0}, set()),
        ({"max_forgetting": None, "seconds_p95": 2.0}, {("seconds_p95", 2.5)}),
        ({"max_forgetting": None, "seconds_p95": 3.0}, set()),
        ({"max_forgetting": None, "money_per_question": 0.01}, {("money_per_question", 0.02)}),
        (
            {"max_forgetting": None, "energy_wh_per_question": 0.09},
            {("energy_wh_per_question", 0.1)},
        ),
        ({"max_forgetting": None, "energy_wh_per_question": 0.11}, set()),
        ({"max_forgetting": None, "min_refused": 0.9}, {("min_refused", 0.8)}),
        ({"max_forgetting": None, "min_refused": 0.7}, set()),
        ({"max_forgetting": None, "train_seconds": 49.0}, {("train_seconds", 50.0)}),
        ({"max_forgetting": None, "train_seconds": 51.0}, set()),
    ],
)
def test_a_measurement_wholly_beyond_its_limit_vetoes_the_path(
    run_file: RunFile,
    planned: Planned,
    cards: Callable[..., list[Scorecard]],
    limits: dict[str, float | None],
    vetoed: set[tuple[str, float]],
) -> None:
    made = cards(
        {"prompt": LOW, "finetune": HIGH}, forgetting=FORGOT, seconds_per_question=SLOW,
        seconds_p95=Interval(3.0, 2.5, 9.0), money_per_question=Interval(0.03, 0.02, 0.04),
        refused_unanswerable=Interval(0.7, 0.5, 0.8),
    )  # fmt: skip
    made[0] = made[0].model_copy(update={"cost": {**made[0].cost, "energy_kwh": 0.0}})
    decision, vetoes = decide_on(limited(run_file, **limits), planned, made)
    assert {(veto.limit, veto.value) for veto in vetoes} == vetoed
    assert decision.path == ("prompt" if vetoed else "finetune")


def test_limits_that_no_path_keeps_give_a_verdict_that_names_the_numbers(
    run_file: RunFile, planned: Planned, cards: Callable[..., list[Scorecard]]
) -> None:
    slow = {"seconds_per_question": SLOW}
    made = [with_cost(card, slow, 0.0) for card in cards({"prompt": LOW, "rag": HIGH})]
    run = limited(run_file, seconds_per_question=1.0)
    decision, vetoes = decide_on(run, planned, made)
    verdict = verdict_on(run, planned, decision, vetoes, None, 0)
    assert (verdict.path, verdict.basis, verdict.test) == (None, "measured", None)
    assert "no path measured stays within the limits" in verdict.reasons[0]
    assert "2 seconds a question (1.5 to 2.5), 1 allowed" in verdict.reasons[1]
    assert {flip.setting for flip in verdict.flip_when} == {"seconds_per_question"}


def test_a_verdict_carries_the_plans_vetoes_and_the_test_score(
    run_file: RunFile,
    record: RunRecord,
    planned: Planned,
    systems: dict[str, System],
    make_card: MakeCard,
    cards: Callable[..., list[Scorecard]],
) -> None:
    veto = record.outcome.verdicts[0].vetoes[0]
    barred = planned.model_copy(update={"vetoes": (veto,)})
    decision, vetoes = decide_on(run_file, barred, cards({"prompt": LOW, "rag": HIGH}))
    assert vetoes == (veto,)
    test = make_card(systems["rag"], HIGH, split="test")
    verdict = verdict_on(run_file, barred, decision, vetoes, test, 3)
    assert (verdict.basis, verdict.path, verdict.model) == ("measured", "rag", planned.model.ref)
    assert verdict.test is not None
    assert (verdict.test.n, verdict.test.times_read) == (20, 3)
    assert verdict.test.score == test.metrics["f1"]
    assert verdict_on(run_file, barred, decision, vetoes, None, 0).test is None
