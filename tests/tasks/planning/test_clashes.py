"""Limits that no path can keep are told before anything is trained, with both numbers."""

import pytest

from tasks.artifacts import Corpus, ExampleSet, Question, SplitCount
from tasks.core.errors import InputError
from tasks.core.veto import Veto
from tasks.planning.clashes import check_limits
from tasks.planning.plan import make_plan
from tasks.results.outcome import Plan
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tasks.store import put_rows

pytestmark = pytest.mark.usefixtures("home")


def run_of(ref: str, **tables: object) -> RunFile:
    return parse_run({
        "name": "harbour",
        "data": {"documents": "documents", "questions": "questions.jsonl"},
        "models": [{"ref": ref, "params": 1.2e5}],
        **tables,
    })  # fmt: skip


def examples(unanswerable: int = 0) -> ExampleSet:
    rows = [
        Question(id=f"q{n}", question="When?", answers=(), answerable=False, split="dev")
        for n in range(unanswerable)
    ]
    count = SplitCount(split="train", kind="all", count=120)
    return ExampleSet(questions=put_rows(rows), counts=(count,))


def plan(run: RunFile) -> Plan:
    return make_plan(run, Corpus(documents=put_rows([]), count=9), examples())


@pytest.fixture
def tiny(tiny_model) -> str:
    return str(tiny_model.ref)


@pytest.mark.parametrize(
    ("limits", "paths", "numbers"),
    [
        ({"train_seconds": 1e-6}, ["finetune"], ("train_seconds of about", "1e-06 allowed")),
        ({"seconds_per_question": 1e-9}, ["prompt", "rag"], ("by estimate, 1e-09 allowed",)),
        ({"min_examples": 500}, ["finetune"], ("120 training examples", "at least 500")),
    ],
)
def test_a_limit_below_what_is_certain_names_both_numbers(tiny, limits, paths, numbers) -> None:
    run = run_of(tiny, limits=limits, decision={"paths": paths})
    with pytest.raises(InputError) as caught:
        check_limits(run, plan(run), examples())
    assert caught.value.where == f"limits, for {tiny}"
    assert all(number in str(caught.value.value) for number in numbers)


def test_limits_that_one_path_keeps_are_no_clash(tiny) -> None:
    run = run_of(tiny, limits={"train_seconds": 1e-6})
    made = plan(run)
    check_limits(run, made, examples())
    assert made.models[0].paths == ("prompt", "rag")


def test_less_memory_than_the_libraries_take_is_a_clash(tiny) -> None:
    run = run_of(tiny, limits={"memory_gib": 0.1})
    with pytest.raises(InputError, match=r"limits\.memory_gib: found 0\.1; allowed: at least 0\.5"):
        check_limits(run, plan(run), examples())


def test_a_model_too_large_for_this_machine_clashes_with_nothing() -> None:
    run = run_of("hf:mistralai/Mistral-7B-Instruct-v0.3", limits={"memory_gib": 0.5})
    check_limits(run, plan(run), examples())


def test_refusals_cannot_be_asked_for_without_questions_that_have_no_answer(tiny) -> None:
    run = run_of(tiny, limits={"min_refused": 0.8})
    with pytest.raises(InputError, match=r"0\.8 of 0 dev questions"):
        check_limits(run, plan(run), examples())
    check_limits(run, plan(run), examples(unanswerable=3))


def test_advice_for_a_model_too_slow_here_is_for_a_faster_machine(tiny) -> None:
    from tasks.planning.plan import advise

    run = run_of(tiny, limits={"seconds_per_question": 1e-9})
    (planned,) = plan(run).models
    assert {veto.limit for veto in planned.vetoes} == {"seconds_per_question"}
    verdict = advise(run, planned)
    assert "no path is fast enough here" in " ".join(verdict.reasons)
    assert isinstance(verdict.vetoes[0], Veto)
