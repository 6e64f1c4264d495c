"""Loads a decoder: weights in safetensors or GGUF, its tokenizer, an adapter merged."""

import shutil
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tasks.artifacts import Adapter
from tasks.machine import device_and_dtype
from tasks.models.chat_tokenizer import ChatTokenizer
from tasks.models.decoder import Decoder
from tasks.models.references import weights_digest, weights_folder
from tasks.models.weights import check_base, check_vocabulary, load_whole
from tasks.services import services
from tasks.store import local_folder, scratch


@lru_cache(maxsize=1)
def load_decoder(ref: str, adapter: Adapter | None = None) -> Decoder:
    """Load a decoder in the dtype that is here, with what was tuned of it if anything was.

    Raises:
        InputError: weights, tokenizer or adapter don't fit together.
    """
    if adapter is None:
        decoder = load_base(ref)
    else:
        tuned = local_folder(adapter.blob)
        check_base(ref, tuned)
        if adapter.rank is None:
            decoder = load_base(ref, tuned)
        else:
            base = load_base(ref)
            decoder = Decoder(merged(base.model, tuned), base.tokenizer)
    decoder.model.eval()
    _unfreeze(decoder.model)
    return decoder


def _unfreeze(model: Any) -> None:
    """Let weights that an adapter froze take gradients, though nothing here asks for any.

    Torch multiplies a slice of a batch, such as its last tokens, by a frozen matrix row by row,
    with a copy of the matrix for each row (aten's `should_fold`): over a vocabulary that takes
    gigabytes, and longer than all else.
    """
    for weight in model.parameters():
        if weight.is_floating_point():
            weight.requires_grad_(True)


def load_base(
    ref: str, weights: Path | None = None, *, dtype: Any = None, **settings: Any
) -> Decoder:
    """A fresh decoder from a reference, or from `weights` of its kind with its tokenizer.

    `settings` go to transformers' loader; the dtype is the one that is here unless named.

    Raises:
        InputError: weights and tokenizer don't fit together.
    """
    from transformers import AutoModelForCausalLM

    device, usual = device_and_dtype()
    if settings:  # quantised weights are put where they stay
        settings["device_map"] = {"": device}
    folder = weights or safetensors_folder(ref)
    model = load_whole(AutoModelForCausalLM, folder, ref, dtype=dtype or usual, **settings)
    tokenizer = load_tokenizer(ref).tokenizer
    check_vocabulary(ref, model, tokenizer)
    return Decoder(model if settings else model.to(device), tokenizer)


def load_tokenizer(ref: str) -> ChatTokenizer:
    """A model's tokenizer with its chat template, without the model."""
    from transformers import AutoTokenizer

    return ChatTokenizer(AutoTokenizer.from_pretrained(safetensors_folder(ref)))


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
    from transformers.utils import logging

    logging.disable_progress_bar()  # progress is told by `tasks.progress`
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=name, quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )  # fmt: skip
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(target)
