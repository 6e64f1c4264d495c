"""Models small enough to train in a second: random weights, their own tokenizers."""

from pathlib import Path
from typing import Any

SENTENCES = (
    "The lighthouse on the mole was lit in 1886 by keeper Maud Quill.",
    "The ferry Teasel crosses every hour; a crossing costs two pence.",
    "Reply with only the short answer. Question: Which colour is the north buoy? Answer: red",
    "I don't know.",
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tiny(folder: Path, positions: int = 512) -> Path:
    """Write a random Llama of 2 layers with a byte-level tokenizer and ChatML, as safetensors.

    Its weights are drawn wide, so that what it generates depends on the prompt; `positions` is
    the longest prompt it reads, in tokens.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    tokenizer.chat_template = CHATML
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=positions,
        bos_token_id=0, eos_token_id=1, tie_word_embeddings=True, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_encoder(folder: Path, kind: str = "bert") -> Path:
    """Write a random encoder of 2 layers with its own tokenizer, as safetensors.

    `bert` is saved bare, with its pooler, as sentence encoders are; `bert-masked` as it comes
    pretrained, without one; `roberta` has positions that begin behind its padding's.
    """
    import torch
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        BertModel,
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaForMaskedLM,
    )

    special = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_word_pieces(list(special.values())),
        **{f"{name}_token": token for name, token in special.items()},
    )
    kinds = {
        "bert": (BertConfig, BertModel),
        "bert-masked": (BertConfig, BertForMaskedLM),
        "roberta": (RobertaConfig, RobertaForMaskedLM),
    }
    config, model = kinds[kind]
    settings = config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, initializer_range=0.2,
        bos_token_id=0, pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _word_pieces(special: list[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    pieces = Tokenizer(models.WordPiece(unk_token="<unk>"))
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.train_from_iterator(
        SENTENCES,
        trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False),
    )
    pieces.post_processor = processors.BertProcessing(
        ("</s>", special.index("</s>")), ("<s>", special.index("<s>"))
    )
    return pieces
