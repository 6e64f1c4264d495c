"""A judge within a flow: asked once, its verdicts decide, a limit leaves what was measured."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import judging as joined
from flows.judging import agree, collect_labelled, judge_card
from flows.steps import Stages
from flows.systems import Built, Inputs, score
from tasks.artifacts import ExampleSet, Judge, ModelRef, Question, System
from tasks.evaluation import judging
from tasks.evaluation.evaluate import choose_prompt
from tasks.models.loading import load_decoder
from tasks.models.spending import BudgetError
from tasks.results.record import answers_of
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tasks.store import put_rows
from tests.files import write_rows
from tests.tasks.asking import BARE
from tests.tiny import build_tiny

pytestmark = pytest.mark.usefixtures("home", "prefect_url")


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    load_decoder.cache_clear()


@pytest.fixture
def model(tmp_path: Path) -> ModelRef:
    ref = f"path:{build_tiny(tmp_path / 'm', positions=1024)}"
    return ModelRef(ref=ref, name="tiny", size_class="small", params=1.2e5, weights=str(tmp_path))


def run_of(model: ModelRef, primary: str = "judged", **tables: Any) -> RunFile:
    return parse_run({
        "name": "locks", "task": "translation", "data": {"examples": "e"} | tables.pop("data", {}),
        "models": [{"ref": model.ref}], "judge": {"model": model.ref, "labels": "judged.jsonl"},
        "decision": {"primary": primary}, "answering": {"batch_size": 4, "max_new_tokens": 4},
        **tables,
    })  # fmt: skip


def inputs_of(run: RunFile, model: ModelRef) -> Inputs:
    rows = [
        Question(id=f"{split}{n}", question=f"Gate {n}", answers=("Tor",), split=split)
        for split in ("train", "dev") for n in range(5)
    ]  # fmt: skip
    examples = ExampleSet(questions=put_rows(rows), counts=(), pairs=True)
    judge = Judge(model=model, question="Good?", instruction="Translate.")
    return Inputs(run, examples, None, None, judge=judge)  # type: ignore[arg-type]


def in_a_flow(function: Any) -> tuple[Any, dict[str, bool]]:
    """What a function makes of stages in one flow run, and which of them were reused."""
    stages = Stages()

    @flow(name="judging")
    def once() -> Any:
        return function(stages)

    return once(), {stage.name: stage.reused for stage in stages.done}


def test_a_rerun_asks_nobody_and_judged_answers_are_what_is_decided_by(
    model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(model, data={"misspelled": 0.5})
    prompt = BARE.model_copy(update={"task": "translation", "max_new_tokens": 4})
    inputs, built = inputs_of(run, model), Built(System(model=model, prompt=prompt), None, "m")
    card, first = in_a_flow(lambda stages: score(stages, inputs, built, "dev", {}))
    names = ["answer dev: prompt", "judge dev: prompt", "answer misspelled: prompt",
             "judge misspelled: prompt"]  # fmt: skip
    assert first == dict.fromkeys(names, False)
    rows = answers_of(card)
    assert {row.scores["judged"] for row in rows} <= {0.0, 1.0}
    assert card.metrics["judged"].value == sum(row.scores["judged"] for row in rows) / 5
    assert {"misspelled", "lost_to_misspelling", "chrf"} <= set(card.metrics)

    def nobody(*_: Any) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(judging, "load_answerer", nobody)
    again, second = in_a_flow(lambda stages: score(stages, inputs, built, "dev", {}))
    assert second == dict.fromkeys(names, True)
    assert again.metrics == card.metrics
    other = inputs._replace(judge=inputs.judge.model_copy(update={"question": "Is it?"}))
    with pytest.raises(AssertionError, match="a model is loaded"):
        in_a_flow(lambda stages: score(stages, other, built, "dev", {}))


def test_without_a_judge_answers_stay_as_they_are(model: ModelRef) -> None:
    run = parse_run({"name": "x", "task": "translation", "data": {"examples": "e"},
                     "models": [{"ref": model.ref}]})  # fmt: skip
    card: Any = object()
    assert judge_card(Stages(), run, None, card) is card
    assert collect_labelled(Stages(), run, Path()) is None
    assert agree(Stages(), run, None, None) is None


def test_people_are_agreed_with_once_from_a_file_beside_the_run_file(
    model: ModelRef, tmp_path: Path
) -> None:
    run = run_of(model)
    rows = [{"text": f"Gate {n}", "answer": "Tor", "good": n % 2 == 0} for n in range(6)]
    write_rows(tmp_path / "judged.jsonl", rows)
    judge = inputs_of(run, model).judge

    def ask(stages: Stages) -> Any:
        return agree(stages, run, judge, collect_labelled(stages, run, tmp_path))

    found, first = in_a_flow(ask)
    again, second = in_a_flow(ask)
    assert found.n == 6
    assert (first["judge labelled answers"], second["judge labelled answers"]) == (False, True)
    assert again == found


def test_a_limit_leaves_what_was_measured_unless_the_judge_decides(
    model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spent(*_: Any, **__: Any) -> None:
        raise BudgetError("limits.hosted_tokens", "9", "at most 8", "Raise it.")

    monkeypatch.setattr(joined, "judge_rows", spent)
    card: Any = type("Card", (), {"answers": {"uri": "u", "digest": "d"}, "split": "dev",
                                  "path": "rag"})()  # fmt: skip
    judge = inputs_of(run_of(model), model).judge
    assert judge_card(Stages(), run_of(model, "chrf"), judge, card) is card
    with pytest.raises(BudgetError):
        judge_card(Stages(), run_of(model), judge, card)


def test_prompts_are_chosen_by_the_tasks_own_metric_where_a_judge_decides(model: ModelRef) -> None:
    run = run_of(model)
    assert (run.prompt_metric, run_of(model, "chrf").prompt_metric) == ("chrf", "chrf")
    inputs = inputs_of(run, model)
    prompt = choose_prompt(model, "prompt", None, None, inputs.examples, run.answering, 0.1,
                           run.prompt_metric, 7, "translation")  # fmt: skip
    assert prompt.task == "translation"
