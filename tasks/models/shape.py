"""A model's size by its own config: what memory and time are estimated from."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from tasks.models.kinds import generates


class Shape(NamedTuple):
    """Parameters, layers and width of a model; None where they are not known."""

    params: float | None = None
    layers: int | None = None
    hidden: int | None = None


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that a model of this config has, told without its weights.

    Transformers lays the model out on torch's meta device, where weights take no memory, and its
    parameters are counted, tied ones once. Nothing is known of an architecture that transformers
    lacks: code that comes with a model is never run.
    """
    if "model_type" not in config:
        return Shape()
    told = {key: config[key] for key in config if key not in ("auto_map", "quantization_config")}
    return _laid_out(json.dumps(told, sort_keys=True))


@lru_cache(maxsize=64)
def _laid_out(config: str) -> Shape:
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    told = json.loads(config)
    kind = AutoModelForCausalLM if generates(told) else AutoModel
    try:
        settings = AutoConfig.for_model(**told)
        with torch.device("meta"):
            model = kind.from_config(settings)
    except Exception:  # a config may be wrong in any way: that is told where it is loaded
        return Shape()
    text = settings.get_text_config()
    return Shape(
        float(sum(weight.numel() for weight in model.parameters())),
        getattr(text, "num_hidden_layers", None),
        getattr(text, "hidden_size", None),
    )
