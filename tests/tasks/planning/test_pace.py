import pytest

from tasks.artifacts import Blob, ExampleSet, ModelRef, SplitCount
from tasks.decision.racing import Speed
from tasks.planning.pace import Also, estimate_seconds, matmul_rate, with_estimates
from tasks.planning.preview import path_plan
from tasks.planning.told import paraphrase_sentences
from tasks.results.outcome import Estimate, Plan, Planned
from tasks.run import RunFile
from tasks.run.reading import parse_run

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


def estimate(
    run: RunFile, params: float = 1e8, dev: int = 100, changed: int = 0
) -> dict[str, float]:
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=params)
    planned = Planned(
        model=model, paths=PATHS, vetoes=(), reason=None, answer_gib=None, train_gib=None
    )
    counts = (
        SplitCount(split="train", kind="all", count=100),
        SplitCount(split="dev", kind="all", count=dev),
    )
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=counts)
    return dict(estimate_seconds(run, examples, [planned], rate=1e11, also=Also(changed)))


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
    asked = estimate(run_file(), changed=10)  # once more where passages are found again
    more = {path: asked[path] - seconds[path] for path in PATHS}
    assert more["finetune"] == pytest.approx(more["prompt"])
    assert more["rag"] == pytest.approx(estimate(run_file(), dev=120)["rag"] - seconds["rag"])
    assert estimate(run_file(epochs=6))["finetune"] > seconds["finetune"]
    assert estimate(run_file(epochs=6))["finetune+rag"] == seconds["finetune+rag"]


def test_one_adapter_for_both_paths_takes_half_the_training_and_is_counted_once() -> None:
    two, one = estimate(run_file()), estimate(run_file(one_adapter=True))
    answering = {path: estimate(run_file(epochs=1e-9, epochs_with_passages=1e-9))[path]
                 for path in PATHS}  # fmt: skip
    assert one["finetune+rag"] == pytest.approx(answering["finetune+rag"], rel=1e-6)
    apart = (
        two["finetune+rag"] - answering["finetune+rag"] + two["finetune"] - answering["finetune"]
    )
    assert 0.4 < (one["finetune"] - answering["finetune"]) / apart < 0.6


def test_a_plan_tells_of_a_shared_training_at_the_first_path_that_needs_it() -> None:
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=1e8)
    planned = Planned(
        model=model, paths=PATHS, vetoes=(), reason=None, answer_gib=None, train_gib=None
    )
    counts = tuple(SplitCount(split=one, kind="all", count=50) for one in ("train", "dev"))
    examples = ExampleSet(questions=Blob(uri="u", sha="s", bytes=1), counts=counts)
    run, here = run_file(one_adapter=True), Speed(1e11, 10.0)
    told = {path: path_plan(run, planned, path, examples, here).seconds for path in PATHS}
    whole = estimate_seconds(run, examples, [planned], 1e11)
    assert told == pytest.approx(whole)
    assert (told["finetune"] or 0) > (told["finetune+rag"] or 0) > 0


def test_matrix_products_have_a_plausible_rate() -> None:
    assert matmul_rate(0.05) > 1e8


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
    assert paraphrase_sentences(run, examples, local, 1e11) == (f"path:/m {told}, about 12 min.",)
