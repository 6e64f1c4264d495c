"""Loads a decoder: weights in safetensors or GGUF, its tokenizer, a LoRA adapter merged."""

import shutil
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tasks.artifacts import Adapter
from tasks.machine import device_and_dtype
from tasks.models.decoder import Decoder
from tasks.models.references import weights_digest, weights_folder
from tasks.models.weights import check_base, check_vocabulary, load_whole
from tasks.services import services
from tasks.store import local_folder, scratch

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"
)


@lru_cache(maxsize=1)
def load_decoder(ref: str, adapter: Adapter | None = None) -> Decoder:
    """Load a decoder in the dtype that is here, with a LoRA adapter if there is one.

    Raises:
        InputError: weights, tokenizer or adapter don't fit together.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device, dtype = device_and_dtype()
    folder = safetensors_folder(ref)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_whole(AutoModelForCausalLM, folder, ref, dtype=dtype).to(device)
    check_vocabulary(ref, model, tokenizer)
    if adapter is not None:
        tuned = local_folder(adapter.blob)
        check_base(ref, tuned)
        model = merged(model, tuned)
    return Decoder(model.eval(), _prepared(tokenizer))


def merged(model: Any, folder: Path) -> Any:
    """A model with a LoRA adapter merged into its weights: as fast as without one.

    Beside the weights an adapter takes about half of the speed. Merged into SmolLM2 in bf16 it
    was as near to fp32 as beside it: 0.03 of total variation. A weight that two layers share,
    as tied embeddings do, would change both: such an adapter stays beside.
    """
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    tuned = PeftModel.from_pretrained(model, folder)
    uses = Counter(id(weight) for _, weight in tuned.named_parameters(remove_duplicate=False))
    adapted = [layer for layer in tuned.modules() if isinstance(layer, BaseTunerLayer)]
    if any(uses[id(layer.get_base_layer().weight)] > 1 for layer in adapted):
        return tuned
    return tuned.merge_and_unload()


def _prepared(tokenizer: Any) -> Any:
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer


def safetensors_folder(ref: str) -> Path:
    """A folder with the model in safetensors; GGUF weights are converted once and cached."""
    source = weights_folder(ref)
    quantised = sorted(source.glob("*.gguf"))
    if any(source.glob("*.safetensors")) or not quantised:
        return source
    target = services().home / "converted" / weights_digest(ref)
    if not target.exists():
        part = scratch("converted")
        _convert(source, quantised[0].name, part)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(part, target)
    return target


def _convert(source: Path, name: str, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=name, quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )  # fmt: skip
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(target)
