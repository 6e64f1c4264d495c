"""What is told of a run before anything is spent."""

from pathlib import Path

from tasks.artifacts import Blob, ExampleSet, Judge, ModelRef, Question, SplitCount
from tasks.planning.pace import ANSWERING_SHARE, Also, total_seconds
from tasks.planning.told import (
    changes_sentences,
    hosted_sentences,
    judge_sentences,
    time_sentence,
)
from tasks.results.outcome import Plan, Planned
from tasks.run.reading import parse_run
from tasks.store import put_rows


def test_a_long_run_is_offered_smaller_and_a_short_one_is_not() -> None:
    assert "--path prompt --path rag" in time_sentence({"rag": 60.0, "finetune+rag": 3000.0})
    assert "Smaller" not in time_sentence({"rag": 20.0, "finetune+rag": 100.0})
    assert time_sentence({"rag": 75.0}).startswith("About 2 min on this machine")


def test_a_hosted_model_is_announced_with_its_requests_price_and_limit(home: Path) -> None:
    run = parse_run(
        {
            "name": "grove",
            "data": {"documents": "d", "questions": "q.jsonl"},
            "models": [{"ref": "openai:m"}],
            "budget": {"money": 2.5},
            "prices": {"m": {"input_per_million": 30, "output_per_million": 60}},
        }
    )
    model = ModelRef(ref="openai:m", name="m", size_class="large", open_weights=False)
    planned = Planned(
        model=model, paths=("prompt",), vetoes=(), reason=None, answer_gib=None, train_gib=None
    )
    counts = (
        SplitCount(split="dev", kind="all", count=100),
        SplitCount(split="test", kind="all", count=50),
    )
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=counts)
    (told,) = hosted_sentences(run, examples, [planned])
    assert told.startswith("openai:m: up to 198 requests to https://api.openai.com/v1")  # 48 trials
    assert "0.27 USD" in told  # for some 60 tokens a request
    assert told.endswith("it stops at money 2.5.")
    advised = planned.model_copy(update={"paths": ()})
    assert hosted_sentences(run, examples, [advised]) == ()


def test_a_hosted_judge_is_announced_with_its_requests(home: Path) -> None:
    rows = [
        Question(id=f"q{n}", question="a" * 80, answers=("b" * 40,), split="train")
        for n in range(4)
    ]
    counts = (
        SplitCount(split="dev", kind="all", count=100),
        SplitCount(split="test", kind="all", count=50),
    )
    examples = ExampleSet(questions=put_rows(rows), counts=counts, pairs=True)
    table = {
        "name": "locks", "task": "translation", "data": {"examples": "e", "misspelled": 0.1},
        "models": [{"ref": "path:/m"}], "judge": {"model": "openai:j"},
        "limits": {"hosted_tokens": 99999},
    }  # fmt: skip
    model = ModelRef(ref="path:/m", name="m", size_class="small")
    planned = Planned(
        model=model, paths=("prompt", "rag"), vetoes=(), reason=None, answer_gib=None,
        train_gib=None,
    )  # fmt: skip
    hosted = model.model_copy(update={"ref": "openai:j", "open_weights": False})
    judge = Judge(model=hosted, question="?", instruction="")
    plan = Plan(memory_gib=1, models=(planned,), judge=judge)
    (told,) = judge_sentences(parse_run(table), examples, plan, 1e11)
    assert "openai:j: up to 250 requests to https://api.openai.com/v1" in told
    assert "roughly 26 thousand tokens; it stops at hosted_tokens 99999." in told  # 105 each
    deciding = parse_run(table | {"decision": {"primary": "judged"}})
    assert "up to 450 requests" in judge_sentences(deciding, examples, plan, 1e11)[0]
    (told,) = judge_sentences(parse_run(table), examples, plan, 1e11, Also(labelled=30))
    assert "up to 280 requests" in told


def test_a_judge_that_is_here_takes_its_time_and_is_told_to_judge_itself(home: Path) -> None:
    rows = [Question(id="q", question="a" * 80, answers=("b" * 40,), split="train")]
    counts = (SplitCount(split="dev", kind="all", count=100),)
    examples = ExampleSet(questions=put_rows(rows), counts=counts, pairs=True)
    run = parse_run({
        "name": "locks", "task": "translation", "data": {"examples": "e"},
        "models": [{"ref": "path:/m"}], "judge": {"model": "path:/j"},
    })  # fmt: skip
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=1e9, weights="w")
    planned = Planned(
        model=model, paths=("prompt", "rag"), vetoes=(), reason=None, answer_gib=None,
        train_gib=None,
    )  # fmt: skip
    other = model.model_copy(update={"ref": "path:/j", "weights": "j"})
    plans = [
        Plan(memory_gib=1, models=(planned,), judge=judge)
        for judge in (None, *(Judge(model=one, question="?", instruction="")
                              for one in (other, other.model_copy(update={"weights": "w"}))))
    ]  # fmt: skip
    assert judge_sentences(run, examples, plans[0], 1e11) == ()
    (told,) = judge_sentences(run, examples, plans[1], 1e11, Also(labelled=50))
    assert told == "The judge: path:/j is asked about up to 250 answers, about 19 min of the time."
    *_, warned = judge_sentences(run, examples, plans[2], 1e11)
    assert warned == ("The judge: Warning: it judges itself (path:/m); models favour their own.")
    (paths, alone), (same, beside) = (
        total_seconds(run, examples, plan, 1e11, Also(labelled=50)) for plan in plans[:2]
    )
    assert paths == same
    assert round((beside - alone) / 60) == 19


def test_what_is_asked_about_changes_is_told_with_its_time(home: Path) -> None:
    run = parse_run({
        "name": "grove", "data": {"documents": "d", "questions": "q.jsonl"},
        "models": [{"ref": "path:/m"}],
    })  # fmt: skip
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=())
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=1e9)
    planned = Planned(
        model=model, paths=("prompt", "rag"), vetoes=(), reason=None, answer_gib=None,
        train_gib=None,
    )  # fmt: skip
    plan = Plan(memory_gib=1, models=(planned,))
    assert changes_sentences(run, examples, plan, 1e11, Also()) == ()
    (told,) = changes_sentences(run, examples, plan, 1e11, Also(changed=30))
    assert told.startswith("The 30 questions about changed documents are asked of every path, ")
    # 60 tokens of each, and two passages of 64 for the two times that `rag` is asked
    minutes = 30 * 436 * 2e9 / (ANSWERING_SHARE * 1e11) / 60
    assert told.endswith(f"followed: about {round(minutes)} min of the time.")
