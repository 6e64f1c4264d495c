"""What a model is, by its own config: one that writes text, or an encoder that tells labels."""

import re
from collections.abc import Mapping
from typing import Any

from tasks.core.errors import InputError

WRITING = ("ForCausalLM", "LMHeadModel")  # how classes of models that write text end
# Words of names that only encoders have; BERT's many descendants end in its name, or RoBERTa's.
ENCODERS, DESCENDANTS = frozenset(("electra", "minilm", "mpnet")), ("bert", "berta")


def generates(config: Mapping[str, Any], name: str = "") -> bool:
    """Whether a model of this config writes text.

    An encoder is a model that transformers can train to fill in masked words, unless its config
    makes a decoder of it. Its architecture counts, never its name; only a model without a config
    is told by that, and taken to write text unless it is an encoder's.
    """
    if not config:
        words = re.split(r"[^a-z0-9]+", name.lower())
        return not any(word in ENCODERS or word.endswith(DESCENDANTS) for word in words)
    named = config.get("architectures") or ()
    if config.get("is_decoder") or any(one.endswith(WRITING) for one in named):
        return True
    if config.get("is_encoder_decoder") or "model_type" not in config:
        return True
    # It takes seconds to import, so that what is plain without it is said before.
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return config["model_type"] not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def cannot_write(ref: str, task: str) -> InputError:
    """The fault of asking an encoder for text."""
    return InputError(
        "models.ref", ref, f"a model that writes text, as {task} needs; this is an encoder",
        "Name a decoder (…ForCausalLM), or a task with labels: task = 'classification'.",
    )  # fmt: skip
