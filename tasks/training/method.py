"""What of a model is trained, and how it is kept: a LoRA adapter, or all weights."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import InputError
from tasks.machine import device_and_dtype
from tasks.models.references import base_name
from tasks.run import TrainingSpec

if TYPE_CHECKING:
    from tasks.models.decoder import Decoder

RSLORA_ALPHA = 8.0  # over the root of rank 16: the scale 2 that LoRA has with twice its rank


def check_method(spec: TrainingSpec) -> None:
    """Refuse what this machine cannot train.

    Raises:
        InputError: QLoRA without a CUDA GPU or without bitsandbytes.
    """
    if spec.method != "qlora":
        return
    device, _ = device_and_dtype()
    installed = find_spec("bitsandbytes") is not None
    if device != "cuda" or not installed:
        there = "installed" if installed else "not installed"
        raise InputError(
            "training.method", "qlora", "lora or full on this machine",
            f"qlora needs a CUDA GPU and bitsandbytes: here the device is {device} and "
            f"bitsandbytes is {there}.",
        )  # fmt: skip


def decoder_lora(spec: TrainingSpec) -> Any:
    """An adapter on every linear layer but the head, found by structure; None to train all."""
    if spec.method == "full":
        return None
    return lora_config(spec, target_modules="all-linear", task_type="CAUSAL_LM")


def load_to_train(ref: str, spec: TrainingSpec) -> "Decoder":
    """A fresh decoder to train: fp32 weights for full fine-tuning, 4-bit ones for QLoRA.

    It is never shared: training changes it.
    """
    import torch

    from tasks.models.loading import load_base, load_decoder

    check_method(spec)
    load_decoder.cache_clear()  # whatever was loaded makes room
    if spec.method == "lora":
        return load_base(ref)
    if spec.method == "full":  # updates of a small rate would be lost in bf16
        return load_base(ref, dtype=torch.float32)
    from transformers import BitsAndBytesConfig

    four_bits = BitsAndBytesConfig(  # NF4 with nested constants: QLoRA, arXiv:2305.14314
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=device_and_dtype()[1],
    )  # fmt: skip
    return load_base(ref, quantization_config=four_bits)


def lora_config(spec: TrainingSpec, **places: Any) -> Any:
    """peft's settings from the run file; `places` says what is adapted."""
    from peft import LoraConfig

    alpha = spec.lora_alpha or (RSLORA_ALPHA if spec.use_rslora else 2 * spec.rank)
    return LoraConfig(
        r=spec.rank, lora_alpha=alpha, lora_dropout=spec.lora_dropout,
        use_rslora=spec.use_rslora, use_dora=spec.use_dora, **places,
    )  # fmt: skip


def save_trained(model: Any, spec: TrainingSpec, folder: Path, ref: str) -> Path:
    """Write what was trained as safetensors with its settings; equal weights, equal files."""
    from tasks.models.weights import name_base

    if spec.method == "full":
        model.to(device_and_dtype()[1]).save_pretrained(folder)
        name_base(folder / "config.json", base_name(ref))
        return folder
    lora = model.peft_config["default"]
    lora.target_modules = sorted(lora.target_modules)  # a set is written in another order each time
    model.save_pretrained(folder, safe_serialization=True)
    name_base(folder / "adapter_config.json", base_name(ref))
    (folder / "README.md").unlink(missing_ok=True)  # a card with placeholders and local paths
    return folder
