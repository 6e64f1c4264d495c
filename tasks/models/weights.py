"""Weights read from safetensors and held against what config and tokenizer ask for."""

import json
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tasks.core.errors import InputError
from tasks.models.references import base_name

BASE = "base_model_name_or_path"  # as peft calls it
SHOWN = 3  # keys that a message names
WHOLE_MODEL = "Get the model's whole folder again, config.json and weights of one version."


def load_whole(auto: Any, folder: Path, ref: str, **options: Any) -> Any:
    """A model all of whose weights are in its folder; `auto` is transformers' class for its kind.

    Raises:
        InputError: weights are missing, left over or of another shape than the config says.
    """
    model, told = _read(auto, folder, options)
    _check(ref, told["missing_keys"], told["unexpected_keys"], told["mismatched_keys"])
    return model


def load_body(auto: Any, folder: Path, ref: str, **options: Any) -> Any:
    """A model whose embeddings and layers are in its folder; what stands on them may be new.

    Raises:
        InputError: weights of its body are missing, left over or of another shape.
    """
    model, told = _read(auto, folder, options)
    parts = body_parts(model)

    def inside(key: str) -> bool:
        # A checkpoint of the body alone has no prefix before its keys.
        return key.removeprefix(f"{model.base_model_prefix}.").split(".")[0] in parts

    _check(
        ref,
        {key for key in told["missing_keys"] if inside(key)},
        {key for key in told["unexpected_keys"] if inside(key)},
        {found for found in told["mismatched_keys"] if inside(found[0])},
    )
    return model


def body_parts(model: Any) -> tuple[str, ...]:
    """What a body has that every task needs: its children with its embeddings or its layers.

    A pooler is none of them: many checkpoints lack it, and it serves one task.
    """
    words = model.get_input_embeddings()
    return tuple(
        name
        for name, child in model.base_model.named_children()
        if any(part is words or isinstance(part, torch.nn.ModuleList) for part in child.modules())
    )


def _read(auto: Any, folder: Path, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    # peft and TRL ask for the attribute by its old name.
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
    with _quiet():  # what it reports is checked here, and progress is told by `tasks.progress`
        model, told = auto.from_pretrained(
            folder, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True,
            **options,
        )  # fmt: skip
    return model, told


@contextmanager
def _quiet() -> Iterator[None]:
    from transformers.utils import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check(
    ref: str,
    missing: Collection[str],
    unexpected: Collection[str],
    mismatched: Collection[tuple[str, Any, Any]],
) -> None:
    if missing or unexpected:
        both = (("missing", missing), ("unexpected", unexpected))
        found = "; ".join(f"{_some(keys)} {what}" for what, keys in both if keys)
        allowed = "weights with exactly the keys that its config.json asks for"
        raise InputError("models.ref", f"{ref}: {found}", allowed, WHOLE_MODEL)
    for key, held, wanted in sorted(mismatched, key=str):
        found = f"{ref}: {key} {tuple(held)}"
        allowed = f"{tuple(wanted)}, as its config.json says"
        raise InputError("models.ref", found, allowed, WHOLE_MODEL)


def _some(keys: Collection[str]) -> str:
    shown = ", ".join(sorted(keys)[:SHOWN])
    return shown if len(keys) <= SHOWN else f"{shown} and {len(keys) - SHOWN} more"


def check_vocabulary(ref: str, model: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer that gives tokens for which the weights have no embedding.

    More embeddings than tokens are usual: tables are padded to round sizes.
    """
    rows = int(model.get_input_embeddings().weight.shape[0])
    if len(tokenizer) > rows:
        raise InputError(
            "models.ref", f"{ref}: a tokenizer of {len(tokenizer)} tokens",
            f"at most {rows}, for which its weights have embeddings",
            "Put the tokenizer that the model was trained with beside its weights.",
        )  # fmt: skip


def check_base(ref: str, folder: Path) -> None:
    """Refuse what was tuned on another model than the one that is named."""
    files = (folder / "adapter_config.json", folder / "config.json")
    settings = json.loads(next(one for one in files if one.exists()).read_text(encoding="utf-8"))
    tuned, wanted = settings.get(BASE), base_name(ref)
    if tuned != wanted:
        raise InputError(
            "adapter", f"tuned on {tuned}", f"{wanted}, which answers",
            "Name the model that it was tuned on, or tune again.",
        )  # fmt: skip


def name_base(file: Path, base: str) -> None:
    """Note the base model in the settings of what was tuned, in place of a local folder."""
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings[BASE] = base
    file.write_text(json.dumps(settings, indent=2, sort_keys=True), encoding="utf-8")
