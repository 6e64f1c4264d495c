"""Weights on the hub: a plan needs none of them, a run fetches those that it will use."""

import shutil
from pathlib import Path

import pytest

from tasks.artifacts import Corpus, ExampleSet, SplitCount
from tasks.core.errors import InputError
from tasks.planning.plan import make_plan
from tasks.planning.weights import fetch_weights
from tasks.run.reading import parse_run
from tasks.store import put_rows

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def on_hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with a model of which only the config is here; gives its folder."""
    root = tmp_path / "cache" / "models--org--tiny"
    snapshot = root / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("0" * 40)
    shutil.copy(tiny_folder / "config.json", snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return snapshot


def test_weights_are_fetched_after_the_plan_is_made(on_hub: Path, tiny_folder: Path) -> None:
    run = parse_run({
        "name": "locks", "task": "translation", "data": {"examples": "e.jsonl"},
        "models": [{"ref": "hf:org/tiny", "params": 1.2e5}, {"ref": f"path:{tiny_folder}"}],
        "judge": {"model": "hf:org/tiny"}, "training": {"paraphrase_with": "hf:org/tiny"},
    })  # fmt: skip
    counts = (SplitCount(split="train", kind="all", count=120),)
    examples = ExampleSet(questions=put_rows([]), counts=counts)
    plan = make_plan(run, Corpus(documents=put_rows([]), count=9), examples)
    assert plan.models[0].reason is None
    assert plan.models[0].paths == plan.models[1].paths
    assert plan.models[0].model.weights is None
    with pytest.raises(InputError, match="safetensors"):
        fetch_weights(plan)
    shutil.copytree(tiny_folder, on_hub, dirs_exist_ok=True)
    (on_hub / "chat_template.jinja").unlink()
    fetched = fetch_weights(plan)
    assert fetched.models[1] == plan.models[1]
    assert fetched.models[0].plain_template
    assert fetched.judge is not None
    assert fetched.paraphraser is not None
    weights = {fetched.models[0].model.weights, fetched.judge.model.weights}
    assert weights == {fetched.paraphraser.weights}
    assert None not in weights


def test_a_model_that_the_hub_does_not_have_is_refused_by_the_plan(
    on_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.services import services

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *given, **more: None)
    services.cache_clear()
    run = parse_run({
        "name": "x", "data": {"documents": "d", "questions": "q"},
        "models": [{"ref": "hf:org/other"}],
    })  # fmt: skip
    examples = ExampleSet(questions=put_rows([]), counts=())
    with pytest.raises(InputError, match="a repository on the model hub") as caught:
        make_plan(run, Corpus(documents=put_rows([]), count=9), examples)
    assert caught.value.value == "hf:org/other"
