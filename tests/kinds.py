"""Configs of tiny decoders, by how their layers know which tokens stand where."""

from typing import Any

from transformers import (
    FalconConfig,
    GemmaConfig,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

SIZES: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "max_position_embeddings": 256, "initializer_range": 0.2,
}  # fmt: skip
KINDS = {
    "llama": LlamaConfig(**SIZES),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "qwen2": Qwen2Config(**SIZES),
    "gemma": GemmaConfig(**SIZES, head_dim=16),
    "falcon": FalconConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, alibi=False,
        initializer_range=0.2, max_position_embeddings=256,
    ),
    # What heeds no mask: learnt positions, ALiBi, a window narrower than prompts, convolutions.
    "gpt2": GPT2Config(
        n_embd=64, n_layer=2, n_head=4, n_positions=256, initializer_range=0.2, resid_pdrop=0,
    ),
    "falcon-alibi": FalconConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, alibi=True,
        initializer_range=0.2, max_position_embeddings=256,
    ),
    "mistral-window": MistralConfig(**SIZES, sliding_window=8),
    "lfm2": Lfm2Config(**SIZES, layer_types=["conv", "full_attention"]),
}  # fmt: skip
