import json

import pytest
import torch

from tasks.artifacts import ModelRef
from tasks.core.errors import InputError
from tasks.models.loading import load_base, load_decoder
from tasks.prompts import chat
from tasks.run import TrainingSpec
from tasks.store import local_folder
from tasks.task.question_answering import target
from tasks.training import method
from tasks.training.finetune import finetune
from tasks.training.method import check_method, load_to_train, lora_config
from tests.tasks.training.test_finetune import PROMPT, SPEC, bare, questions

pytestmark = pytest.mark.usefixtures("home")


def test_options_go_to_peft_by_its_names() -> None:
    spec = TrainingSpec(rank=4, lora_alpha=12, lora_dropout=0.25, use_rslora=True, use_dora=True)
    config = lora_config(spec)
    assert (config.r, config.lora_alpha, config.lora_dropout) == (4, 12, 0.25)
    assert config.use_rslora
    assert config.use_dora


@pytest.mark.parametrize(("rslora", "rank"), [(False, 16), (True, 16), (False, 64)])
def test_an_adapter_is_scaled_by_two_unless_told(rslora: bool, rank: int) -> None:
    config = lora_config(TrainingSpec(rank=rank, use_rslora=rslora))
    assert config.lora_alpha / (rank**0.5 if rslora else rank) == 2


@pytest.mark.parametrize(
    "options", [{"use_dora": True}, {"use_rslora": True}, {"lora_dropout": 0.1}]
)
def test_an_adapter_of_any_kind_is_trained_and_served(
    tiny_model: ModelRef, options: dict[str, object]
) -> None:
    spec = SPEC.model_copy(update={"epochs": 2.0, "learning_rate": 4e-3, **options})
    made = finetune(tiny_model, [(PROMPT, bare(questions(copies=4)))], (), spec, 7)
    settings = json.loads((local_folder(made.adapter.blob) / "adapter_config.json").read_text())
    assert {name: settings[name] for name in options} == options
    losses = [point.value for point in made.curve if point.name == "validation_loss"]
    assert losses[-1] < losses[0] < 7
    ids = torch.tensor([list(range(2, 40))])
    with torch.no_grad():
        tuned = load_decoder(tiny_model.ref, made.adapter).model(ids).logits
        base = load_base(tiny_model.ref).model(ids).logits
    assert (tuned - base).abs().max() > 0.1


def test_all_weights_are_trained_kept_as_safetensors_and_served(tiny_model: ModelRef) -> None:
    spec = TrainingSpec(method="full", full_learning_rate=1e-2, epochs=12, max_tokens=200)
    asked = questions(copies=12)
    made = finetune(tiny_model, [(PROMPT, bare(asked))], (), spec, 7)
    assert made.adapter.rank is None
    folder = local_folder(made.adapter.blob)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}
    held = json.loads((folder / "config.json").read_text())
    assert str(load_base(tiny_model.ref).model.dtype) == f"torch.{held['dtype']}"
    losses = [point.value for point in made.curve if point.name == "validation_loss"]
    assert min(losses) < 0.7  # from about 7
    decoder = load_decoder(tiny_model.ref, made.adapter)
    heads = [decoder.render(chat(PROMPT, one.question, None)) for one in asked[:10]]
    tails = [target(one) + decoder.tokenizer.eos_token for one in asked[:10]]
    found = decoder.score(heads, tails)
    mean = -sum(one.log_probability for one in found) / sum(one.tokens for one in found)
    assert mean < 0.7  # the same weights, in 16 bits where the machine has them


def test_all_weights_are_trained_in_fp32(tiny_model: ModelRef) -> None:
    decoder = load_to_train(tiny_model.ref, TrainingSpec(method="full"))
    assert decoder.model.dtype == torch.float32


def test_all_weights_learn_at_a_rate_of_their_own() -> None:
    assert TrainingSpec(method="full").rate == TrainingSpec().full_learning_rate
    assert TrainingSpec().rate == TrainingSpec().learning_rate


def test_four_bits_are_refused_where_there_is_no_gpu(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method, "device_and_dtype", lambda: ("cpu", torch.float32))
    spec = TrainingSpec(method="qlora")
    with pytest.raises(InputError) as caught:
        check_method(spec)
    assert caught.value.where == "training.method"
    assert caught.value.value == "qlora"
    assert "CUDA GPU and bitsandbytes" in caught.value.remedy
    with pytest.raises(InputError):
        finetune(tiny_model, [(PROMPT, bare(questions()))], (), spec, 7)
