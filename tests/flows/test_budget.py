"""How models share a budget, with functions in the place of their measurement."""

import math
from typing import Any

import pytest

from flows import adapt as flow
from flows.measure import Measured
from flows.steps import Stages
from flows.systems import Inputs
from tasks.artifacts import Blob, ExampleSet, ModelRef
from tasks.core.race import Cost
from tasks.results.outcome import Plan, Planned
from tasks.run import RunFile
from tasks.run.reading import parse_run

RUN = {
    "name": "grove",
    "data": {"documents": "d", "questions": "q.jsonl"},
    "models": [{"ref": f"path:/{name}"} for name in "abc"],
    "budget": {"seconds": 90},
}


def planned(name: str, *paths: str) -> Planned:
    model = ModelRef(ref=f"path:/{name}", name=name, size_class="small")
    return Planned.model_validate(
        {"model": model, "paths": paths, "vetoes": (), "reason": None if paths else "too large",
         "answer_gib": None, "train_gib": None}
    )  # fmt: skip


PLAN = Plan(memory_gib=1, models=(planned("a", "rag"), planned("b"), planned("c", "prompt", "rag")))


def inputs(**tables: Any) -> Inputs:
    run: RunFile = parse_run(RUN | tables)
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=())
    return Inputs(run, examples, None, None)  # type: ignore[arg-type]


def test_each_measured_model_gets_its_share_of_what_those_before_it_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, Cost]] = []

    def stand_in(stages: Stages, given: Inputs, one: Planned, budget: Cost) -> Any:
        seen.append((one.model.name, budget))
        return Measured(None, (), (), (), None, Cost(30)) if one.paths else None  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "measured_or_advised", stand_in)
    flow.each_model(Stages(), inputs(), PLAN)
    assert [(name, budget.seconds) for name, budget in seen] == [("a", 45), ("b", 60), ("c", 60)]
    assert all(budget.money == math.inf for _, budget in seen)
    seen.clear()
    flow.each_model(Stages(), inputs(), PLAN, Cost(seconds=50))  # spent before any model
    assert [(name, budget.seconds) for name, budget in seen] == [("a", 20), ("b", 10), ("c", 10)]


def test_a_race_takes_a_budget_and_two_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "race", lambda *given: "raced")
    monkeypatch.setattr(flow, "measure", lambda *given: "measured")
    done = [
        flow.measured_or_advised(Stages(), given, one, Cost())
        for given in (inputs(), inputs(budget={}))
        for one in (PLAN.models[0], PLAN.models[2])
    ]
    assert done == ["measured", "raced", "measured", "measured"]
