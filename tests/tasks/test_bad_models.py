"""What models at fault get, decoders and encoders alike: one message each, with a way out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.artifacts import Adapter
from tasks.core.errors import InputError
from tasks.models.answerer import load_answerer
from tasks.models.classifier import load_classifier, token_ids, with_head
from tasks.models.loading import load_decoder
from tasks.models.references import base_name
from tasks.models.weights import name_base
from tasks.store import put_folder
from tests.tiny import build_tiny, build_tiny_encoder

pytestmark = pytest.mark.usefixtures("home")

WEIGHTS = "model.safetensors"
LABELS = ("a", "b")
Load = Callable[[str], object]
KINDS: dict[str, tuple[Callable[[Path], Path], Load, str]] = {
    "decoder": (build_tiny, load_decoder.__wrapped__, "model.layers.1.mlp.up_proj.weight"),
    "encoder": (
        build_tiny_encoder,
        lambda ref: with_head(ref, LABELS),
        "encoder.layer.1.output.dense.weight",
    ),
}


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    load_decoder.cache_clear()
    load_classifier.cache_clear()


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def explained(kind: str, folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        KINDS[kind][1](f"path:{folder}")
    assert caught.value.where == "models.ref"
    assert str(folder) in str(caught.value.value)
    assert caught.value.remedy
    return caught.value


def changed(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    held = load_file(folder / WEIGHTS)
    change(held)
    save_file(held, folder / WEIGHTS, metadata={"format": "pt"})


def test_missing_weights_are_named(kind: str, tmp_path: Path) -> None:
    build, _, key = KINDS[kind]
    changed(build(tmp_path / "m"), lambda held: held.pop(key))
    fault = explained(kind, tmp_path / "m")
    assert key in str(fault.value)
    assert "missing" in str(fault.value)
    assert "exactly the keys" in fault.allowed


def test_weights_that_the_config_does_not_ask_for_are_named(kind: str, tmp_path: Path) -> None:
    build, _, key = KINDS[kind]
    extra = key.replace("1", "7", 1)
    changed(build(tmp_path / "m"), lambda held: held.update({extra: torch.ones(2)}))
    fault = explained(kind, tmp_path / "m")
    assert f"{extra} unexpected" in str(fault.value)


def test_weights_of_another_shape_are_named_with_both(kind: str, tmp_path: Path) -> None:
    build, _, key = KINDS[kind]
    changed(build(tmp_path / "m"), lambda held: held.update({key: torch.ones(3, 5)}))
    fault = explained(kind, tmp_path / "m")
    assert "(3, 5)" in str(fault.value)
    assert "as its config.json says" in fault.allowed


def test_a_vocabulary_beyond_the_weights_is_counted(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = KINDS[kind][0](tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = len(tokenizer)
    tokenizer.add_tokens(["quay", "groyne"])
    tokenizer.save_pretrained(folder)
    fault = explained(kind, folder)
    assert f"a tokenizer of {rows + 2} tokens" in str(fault.value)
    assert f"at most {rows}" in fault.allowed
    assert "tokenizer that the model was trained with" in fault.remedy


def test_a_vocabulary_of_the_config_that_the_weights_do_not_have(kind: str, tmp_path: Path) -> None:
    folder = KINDS[kind][0](tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    rows = config["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": rows + 8}))
    fault = explained(kind, folder)
    assert f"({rows}, " in str(fault.value)
    assert f"({rows + 8}, " in fault.allowed


def test_an_adapter_for_another_base_names_both(kind: str, tmp_path: Path) -> None:
    folder, other = (KINDS[kind][0](tmp_path / name) for name in ("m", "other"))
    changed(other, lambda held: held.update({key: one + 1 for key, one in held.items()}))
    adapter = _adapter(kind, folder, tmp_path / "adapter")
    assert load_answerer(f"path:{folder}", adapter)
    with pytest.raises(InputError) as caught:
        load_answerer(f"path:{other}", adapter)
    assert caught.value.where == "adapter"
    assert base_name(f"path:{folder}") in str(caught.value.value)
    assert base_name(f"path:{other}") in caught.value.allowed
    assert "tune again" in caught.value.remedy


def _adapter(kind: str, base: Path, folder: Path) -> Adapter:
    from peft import LoraConfig, get_peft_model

    task = "CAUSAL_LM" if kind == "decoder" else "SEQ_CLS"
    loaded: Any = KINDS[kind][1](f"path:{base}")
    model = loaded.model if kind == "decoder" else loaded[0]
    # Peft guesses the layers of a Llama and of a BERT itself.
    tuned = get_peft_model(model, LoraConfig(r=2, task_type=task))
    tuned.save_pretrained(folder)
    tuned.config.save_pretrained(folder)
    name_base(folder / "adapter_config.json", base_name(f"path:{base}"))
    blob = put_folder(folder, "adapters")
    return Adapter(blob=blob, base=f"path:{base}", rank=2, with_passages=False)


def test_a_checkpoint_with_another_head_or_none_is_an_encoder_all_the_same(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = build_tiny_encoder(tmp_path / "masked", "bert-masked")
    model, tokenizer = with_head(f"path:{folder}", ("x", "y", "z"))
    model.save_pretrained(tmp_path / "three")
    tokenizer.save_pretrained(tmp_path / "three")
    again, _ = with_head(f"path:{tmp_path / 'three'}", LABELS)
    assert isinstance(again, type(model))
    assert isinstance(model, AutoModelForSequenceClassification._model_mapping[type(model.config)])
    assert again.config.id2label == {0: "a", 1: "b"}


@pytest.mark.parametrize(("family", "most"), [("bert", 64), ("roberta", 62)])
def test_a_text_longer_than_the_encoder_reads_is_named_with_its_length(
    tmp_path: Path, family: str, most: int
) -> None:
    folder = build_tiny_encoder(tmp_path / family, family)
    model, tokenizer = with_head(f"path:{folder}", LABELS)
    word = "red "
    (longest,) = token_ids(model, tokenizer, [word * (most - 2)])
    assert len(longest) == most
    assert model(input_ids=torch.tensor([longest])).logits.shape == (1, 2)
    with pytest.raises(InputError) as caught:
        token_ids(model, tokenizer, ["red", word * (most - 1)], ["short", "t9"])
    assert (caught.value.where, caught.value.value) == ("text of t9", f"{most + 1} tokens")
    assert f"at most {most} tokens" in caught.value.allowed
    with pytest.raises(InputError, match="at most 5 tokens"):
        token_ids(model, tokenizer, [word * 4], ["t1"], limit=5)
