"""Each estimate stands beside what was measured, and says where nothing was."""

from tasks.results.outcome import Estimate
from tasks.results.record import RunRecord
from tasks.results.report import render_report
from tasks.results.report_estimates import estimates


def planned(record: RunRecord) -> RunRecord:
    """The small finished run with estimates, its model going by its reference."""
    told = tuple(
        Estimate(path=path, answer_gib=1.0, answer_seconds=8.0, train_gib=train,
                 train_seconds=train and 60.0)
        for path, train in (("prompt", None), ("finetune+rag", 2.0))
    )  # fmt: skip
    (one,) = record.plan.models
    models = (one.model_copy(update={"estimates": told}),)
    cards = tuple(
        card.model_copy(update={
            "model": one.model.ref, "cost": card.cost | {"answer_peak_gib": 1.5}
        })
        for card in record.scorecards
    )  # fmt: skip
    plan = record.plan.model_copy(update={"models": models})
    return record.model_copy(update={"plan": plan, "scorecards": cards})


def test_every_estimate_has_its_measurement_and_their_ratio(record: RunRecord) -> None:
    run = planned(record)
    ref = run.plan.models[0].model.ref
    title, table, note = estimates(run, ref, run.cards("dev"))
    assert title == "### Estimates beside measurements"
    rows = table.splitlines()[2:]
    assert rows == [
        "| `prompt` | GiB to answer | 1 | 1.5 | 1.50 |",
        "| `prompt` | seconds to answer | 8 | 4 | 0.50 |",
        "| `finetune+rag` | GiB to answer | 1 | 1.5 | 1.50 |",
        "| `finetune+rag` | seconds to answer | 8 | 4 | 0.50 |",
        "| `finetune+rag` | GiB to train | 2 | not measured | - |",
        "| `finetune+rag` | seconds to train | 60 | 90 | 1.50 |",
    ]
    assert "What was reused" in note


def test_a_run_without_estimates_has_no_such_table(record: RunRecord) -> None:
    assert estimates(record, "SmolLM2-135M", record.cards("dev")) == []
    assert "Estimates beside" not in render_report(record)
