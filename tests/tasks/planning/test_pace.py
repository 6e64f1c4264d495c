from pathlib import Path

from tasks.artifacts import Blob, ExampleSet, Judge, ModelRef, Question, SplitCount
from tasks.planning.pace import (
    estimate_seconds,
    hosted_sentences,
    judge_sentences,
    matmul_rate,
    paraphrase_sentences,
    sentence,
    with_estimates,
)
from tasks.results.outcome import Estimate, Plan, Planned
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tasks.store import put_rows

PATHS = ("prompt", "rag", "finetune", "finetune+rag")


def run_file(**training: float) -> RunFile:
    return parse_run(
        {
            "name": "grove",
            "data": {"documents": "d", "questions": "q.jsonl"},
            "models": [{"ref": "path:/m"}],
            "training": training,
        }
    )


def estimate(run: RunFile, params: float = 1e8, dev: int = 100) -> dict[str, float]:
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=params)
    planned = Planned(
        model=model, paths=PATHS, vetoes=(), reason=None, answer_gib=None, train_gib=None
    )
    counts = (
        SplitCount(split="train", kind="all", count=100),
        SplitCount(split="dev", kind="all", count=dev),
    )
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=counts)
    return dict(estimate_seconds(run, examples, [planned], rate=1e11))


def test_a_plan_is_told_what_each_path_will_take_and_an_unknown_size_nothing() -> None:
    def told(params: float | None) -> dict[str, Estimate]:
        model = ModelRef(ref="path:/m", name="m", size_class="small", params=params)
        planned = Planned(
            model=model, paths=("prompt", "finetune"), vetoes=(), reason=None, answer_gib=1.5,
            train_gib=2.5,
        )  # fmt: skip
        counts = tuple(SplitCount(split=one, kind="all", count=50) for one in ("train", "dev"))
        examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=counts)
        plan = with_estimates(run_file(), examples, Plan(memory_gib=8, models=(planned,)), 1e11)
        return {one.path: one for one in plan.models[0].estimates}

    prompt, tuned = told(1e8)["prompt"], told(1e8)["finetune"]
    assert (prompt.answer_gib, prompt.train_gib, prompt.train_seconds) == (1.5, None, None)
    assert prompt.answer_seconds == tuned.answer_seconds
    assert tuned.train_gib == 2.5
    assert (tuned.train_seconds or 0) > 0
    assert told(None) == {}


def test_passages_training_and_size_each_cost_time() -> None:
    seconds = estimate(run_file())
    assert seconds["prompt"] < seconds["finetune"] < seconds["finetune+rag"]
    assert seconds["rag"] < seconds["finetune+rag"]
    assert estimate(run_file(), params=2e8)["rag"] == 2 * seconds["rag"]
    assert estimate(run_file(), dev=200)["rag"] > seconds["rag"]
    assert estimate(run_file(epochs=6))["finetune"] > seconds["finetune"]
    assert estimate(run_file(epochs=6))["finetune+rag"] == seconds["finetune+rag"]


def test_a_long_run_is_offered_smaller_and_a_short_one_is_not() -> None:
    assert "--path prompt --path rag" in sentence({"rag": 60.0, "finetune+rag": 3000.0})
    assert "Smaller" not in sentence({"rag": 20.0, "finetune+rag": 100.0})
    assert sentence({"rag": 75.0}).startswith("About 2 min on this machine")


def test_matrix_products_have_a_plausible_rate() -> None:
    assert matmul_rate(0.05) > 1e8


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
    (told,) = judge_sentences(parse_run(table), examples, plan)
    assert "openai:j: up to 250 requests to https://api.openai.com/v1" in told
    assert "roughly 26 thousand tokens; it stops at hosted_tokens 99999." in told  # 105 each
    deciding = parse_run(table | {"decision": {"primary": "judged"}})
    assert "up to 450 requests" in judge_sentences(deciding, examples, plan)[0]
    here = plan.model_copy(update={"judge": judge.model_copy(update={"model": model})})
    assert judge_sentences(parse_run(table), examples, here) == ()


def test_a_search_and_a_learning_curve_take_their_time() -> None:
    plain = estimate(run_file(replay=0.0))
    both = {"try_learning_rate": (1e-3, 2e-3), "try_rank": (4, 8)}
    searched = estimate(run_file(replay=0.0, **both))  # type: ignore[arg-type]
    curved = estimate(run_file(replay=0.0, learning_curve=(0.25, 0.5)))  # type: ignore[arg-type]
    assert searched["prompt"] == curved["prompt"] == plain["prompt"]
    # four for an epoch, two of them for two, one for three: 7 epochs instead of 3
    assert searched["finetune"] - plain["finetune"] > plain["finetune"] / 3
    assert curved["finetune"] > 1.5 * plain["finetune"]


def test_paraphrases_are_trained_on_and_told_before_they_are_asked_for() -> None:
    spec = {"replay": 0.0, "paraphrase_with": "openai:m", "paraphrases": 3}
    run, plain = run_file(**spec), estimate(run_file(replay=0.0))  # type: ignore[arg-type]
    most = estimate(run)
    assert most["rag"] == plain["rag"]
    assert most["finetune"] - plain["finetune"] > 2 * (plain["finetune"] - plain["prompt"])
    counts = (SplitCount(split="train", kind="all", count=100),)
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=counts)
    hosted = ModelRef(ref="openai:m", name="m", size_class="large", open_weights=False)
    local = ModelRef(ref="path:/m", name="m", size_class="small", params=1e9)
    told = "is asked for up to 270 paraphrases of training questions first"
    assert paraphrase_sentences(run, examples, None, 1e11) == ()
    assert paraphrase_sentences(run, examples, hosted, 1e11) == (f"openai:m {told}.",)
    assert paraphrase_sentences(run, examples, local, 1e11) == (f"path:/m {told}, about 15 min.",)
