"""A finished run whose answers a judge judged, made of one without."""

from typing import Any

from tasks.artifacts import Agreement, Cost, Judge, ModelRef, Scorecard
from tasks.core.stats import Interval
from tasks.results.record import RunRecord
from tasks.run import JudgeSpec

OTHER = ModelRef(ref="hf:a/judge", name="judge", size_class="mid", weights="w1")
COST = Cost(
    seconds=4, tokens=700, energy_kwh=None, energy_method=None, device="cpu", dtype="x",
    machine="m", run="now",
)  # fmt: skip
AGREED = Agreement(
    n=40, accuracy=Interval(0.8, 0.65, 0.91), kappa=Interval(0.6, 0.35, 0.84),
    yes_where_no=Interval(0.25, 0.09, 0.5), no_where_yes=Interval(0.15, 0.05, 0.4),
    tokens_in=660, tokens_out=40, cost=COST,
)  # fmt: skip


def judged(record: RunRecord, model: ModelRef = OTHER, **fields: Any) -> RunRecord:
    """The same run with a judge, which judged every answer."""
    judge = Judge(model=model, question="Is it right?", instruction="")

    def by(card: Scorecard) -> Scorecard:
        cost = {"judge_tokens": 1000, "judge_seconds": 2.0, "judge_money": None,
                "judge_reused_from": None}  # fmt: skip
        metrics = card.metrics | {"judged": Interval(0.5, 0.3, 0.7)}
        return card.model_copy(update={"metrics": metrics, "cost": card.cost | cost})

    run = record.run.model_copy(update={"judge": JudgeSpec(model=model.ref, labels="j.jsonl")})
    plan = record.plan.model_copy(update={"judge": judge})
    cards = tuple(map(by, record.scorecards))
    held = {"run": run, "plan": plan, "scorecards": cards, **fields}
    return record.model_copy(update=held)
