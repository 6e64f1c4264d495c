"""What runs already is measured as any path is, and asked what the run file asks for besides.

Stages are called as plain functions: what Prefect adds to them is tested elsewhere.
"""

from pathlib import Path
from typing import Any

import pytest

from flows.measure import measure_running
from flows.systems import Inputs
from tasks.artifacts import (
    ExampleSet,
    ModelRef,
    Prompt,
    Question,
    Retrieval,
    SplitCount,
    System,
)
from tasks.results.outcome import Planned
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tasks.store import put_rows
from tests.tiny import build_tiny

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.filterwarnings("default")]

RUNS = "models:/harbour@champion"


def plainly(label: str, step: Any, **inputs: Any) -> Any:
    """A stage without Prefect."""
    return step.fn.__wrapped__(**inputs)


@pytest.fixture
def examples() -> ExampleSet:
    rows = [
        Question(id=f"{split}{n}", question=f"Which lighthouse {n}?", answers=("red",), split=split)
        for split in ("dev", "test")
        for n in range(4)
    ] + [Question(id="none", question="Who knows?", answers=(), answerable=False, split="dev")]
    counts = (SplitCount(split="dev", kind="all", count=5),)
    return ExampleSet(questions=put_rows(rows), counts=counts)


@pytest.fixture
def runs(tmp_path: Path) -> System:
    folder = build_tiny(tmp_path / "tiny")
    model = ModelRef(ref=f"path:{folder}", name="tiny", size_class="small", params=1.2e5)
    return System(model=model, prompt=Prompt(name="p", instruction="Be brief.", max_new_tokens=2))


def run_of(**tables: Any) -> RunFile:
    data = {"documents": "d", "questions": "q", **tables.pop("data", {})}
    return parse_run({"name": "x", "data": data, "models": [{"ref": RUNS}], **tables})


def planned(runs: System) -> Planned:
    return Planned(
        model=runs.model.model_copy(update={"ref": RUNS, "name": "harbour 3"}),
        paths=(runs.path,), vetoes=(), reason=None, answer_gib=None, train_gib=None, system=runs,
    )  # fmt: skip


def inputs(run: RunFile, examples: ExampleSet) -> Inputs:
    nothing = Retrieval.model_construct()  # it searches nothing
    return Inputs(run, examples, None, nothing)


def test_it_is_listed_under_its_own_name_and_reads_the_test_questions_as_a_winner_does(
    runs: System, examples: ExampleSet
) -> None:
    found = measure_running(plainly, inputs(run_of(), examples), planned(runs), runs)  # type: ignore[arg-type]
    assert (found.verdict.model, found.verdict.path, found.verdict.basis) == (
        RUNS, "prompt", "measured",
    )  # fmt: skip
    assert [(card.model, card.split, card.n) for card in found.scorecards] == [
        (RUNS, "dev", 5), (RUNS, "test", 4),
    ]  # fmt: skip
    assert found.verdict.test is not None
    assert found.trainings == ()
    assert not {"misspelled", "seconds_p95", "fresh"} & set(found.scorecards[0].metrics)


def test_what_the_run_file_asks_for_besides_is_measured_on_dev_questions_alone(
    runs: System, examples: ExampleSet
) -> None:
    run = run_of(data={"misspelled": 0.5}, limits={"seconds_p95": 1e-9, "min_refused": 0.9})
    found = measure_running(plainly, inputs(run, examples), planned(runs), runs)  # type: ignore[arg-type]
    (dev,) = found.scorecards  # nothing within the limits, so nothing reads the test questions
    assert {"misspelled", "lost_to_misspelling", "seconds_p95", "refused_unanswerable"} <= set(
        dev.metrics
    )
    assert found.verdict.path is None
    assert {veto.limit for veto in found.verdict.vetoes} == {"seconds_p95"}
