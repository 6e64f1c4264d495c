"""A model's size is told by its config alone."""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from tasks.models.references import resolve
from tasks.models.shape import Shape, shape_of
from tasks.run import ModelSpec

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096,
    "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip
BERT = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 30522}


@pytest.mark.parametrize(
    ("config", "shape"),
    [(LLAMA, Shape(6_738_415_616, 32, 4096)), (BERT, Shape(109_482_240, 12, 768))],
)
def test_published_models_have_the_size_that_is_known(
    config: dict[str, object], shape: Shape
) -> None:
    assert shape_of(config) == shape


def test_code_that_comes_with_a_model_and_its_quantisation_change_nothing() -> None:
    more = {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    more["quantization_config"] = {"quant_method": "gptq"}
    assert shape_of(LLAMA | more) == shape_of(LLAMA)


@pytest.mark.parametrize(
    "config",
    [{}, {"hidden_size": 64}, {"model_type": "none-such", "auto_map": {"AutoModel": "a.B"}},
     LLAMA | {"hidden_size": "wide"}, LLAMA | {"num_attention_heads": 0}],
)  # fmt: skip
def test_what_cannot_be_laid_out_has_no_size(config: dict[str, object]) -> None:
    assert shape_of(config) == Shape()


@pytest.mark.usefixtures("home")
def test_a_folder_s_model_has_the_parameters_that_are_loaded(tiny_folder: Path) -> None:
    found = resolve(ModelSpec(ref=f"path:{tiny_folder}"))
    held = json.loads((tiny_folder / "config.json").read_text(encoding="utf-8"))
    assert found.params == AutoModelForCausalLM.from_pretrained(tiny_folder).num_parameters()
    assert (found.layers, found.hidden) == (held["num_hidden_layers"], held["hidden_size"])
    assert resolve(ModelSpec(ref=f"path:{tiny_folder}", params=5)).params == 5
