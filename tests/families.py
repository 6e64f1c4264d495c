"""Tiny random decoders of several families, each with a tokenizer and template that behave so."""

from pathlib import Path
from typing import Any, NamedTuple

from tests.tiny import SENTENCES

TURNS = "{% for message in messages %}"
END = "{% endfor %}"
OPEN = "{% if add_generation_prompt %}"
CHATML = (
    TURNS + "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    + END + OPEN + "<|im_start|>assistant\n{% endif %}"
)  # fmt: skip
ALTERNATE = (  # a system's turn is refused, as Mistral's first template and Gemma's do
    TURNS + "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
)  # fmt: skip
LLAMA = (
    "{% set said = namespace(first='') %}" + TURNS
    + "{% if message['role'] == 'system' %}"
    "{% set said.first = '<<SYS>>\n' + message['content'] + '\n<</SYS>>\n\n' %}"
    "{% elif message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + said.first + message['content'] + ' [/INST]' }}"
    "{% set said.first = '' %}{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}"
    + END
)  # fmt: skip
MISTRAL = (
    "{{ bos_token }}" + ALTERNATE + "{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}" + END
)  # fmt: skip
ZEPHYR = (
    TURNS + "{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    + END + OPEN + "{{ '<|assistant|>\n' }}{% endif %}"
)  # fmt: skip
FALCON = (
    TURNS + "{{ message['role'] | capitalize + ': ' + message['content'] + '\n' }}"
    + END + OPEN + "{{ 'Assistant:' }}{% endif %}"
)  # fmt: skip
GEMMA = (
    "{{ bos_token }}" + ALTERNATE
    + "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\n' }}"
    "{{ message['content'] | trim + '<end_of_turn>\n' }}"
    + END + OPEN + "{{ '<start_of_turn>model\n' }}{% endif %}"
)  # fmt: skip


class Family(NamedTuple):
    """A family: its architecture, how its tokenizer cuts, and its template (None: a base model).

    `words`: pieces of words after a space, with a token before every text, as Llama's; else bytes
    as GPT-2's. `asked` is the prompt of the question `What?` under the instruction `Be brief.`,
    `ends` what ends an answer, `linear` the layers that an adapter is for.
    """

    architecture: str
    words: bool
    template: str | None
    special: tuple[str, ...]
    ends: str
    asked: str
    linear: frozenset[str]


SHAPES: dict[str, dict[str, Any]] = {
    name: {"intermediate_size": 256, "num_key_value_heads": 2}
    for name in ("Llama", "Mistral", "Qwen2")
}
SHAPES["Gemma"] = {"intermediate_size": 256, "num_key_value_heads": 1, "head_dim": 32}
SHAPES["Gemma2"] = SHAPES["Gemma"] | {"final_logit_softcapping": 30.0, "sliding_window": 64}
SHAPES["Falcon"] = {"ffn_hidden_size": 256}
GATED = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
WORDS = ("<unk>", "<s>", "</s>")
FAMILIES = {
    "llama-2-chat": Family(
        "Llama", True, LLAMA, WORDS, "</s>",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat? [/INST]", GATED,
    ),
    "llama-2-base": Family(
        "Llama", True, None, WORDS, "</s>", "<s>Be brief.\nWhat?\nAnswer:", GATED,
    ),
    "mistral": Family(
        "Mistral", True, MISTRAL, WORDS, "</s>", "<s>[INST] Be brief.\n\nWhat? [/INST]", GATED,
    ),
    "zephyr": Family(
        "Mistral", True, ZEPHYR, WORDS, "</s>",
        "<|system|>\nBe brief.</s>\n<|user|>\nWhat?</s>\n<|assistant|>\n", GATED,
    ),
    "orca": Family(  # ends turns with another token than texts
        "Llama", True, CHATML, (*WORDS, "<|im_start|>", "<|im_end|>"), "<|im_end|>",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat?<|im_end|>\n"
        "<|im_start|>assistant\n", GATED,
    ),
    "falcon": Family(
        "Falcon", False, FALCON, ("<|endoftext|>",), "<|endoftext|>",
        "System: Be brief.\nUser: What?\nAssistant:",
        frozenset({"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    ),
    "qwen2": Family(
        "Qwen2", False, CHATML, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|im_end|>",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat?<|im_end|>\n"
        "<|im_start|>assistant\n", GATED,
    ),
    "gemma": Family(
        "Gemma", True, GEMMA, ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        "<bos><start_of_turn>user\nBe brief.\n\nWhat?<end_of_turn>\n<start_of_turn>model\n", GATED,
    ),
    "gemma-2": Family(  # caps its logits
        "Gemma2", True, GEMMA, ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        "<bos><start_of_turn>user\nBe brief.\n\nWhat?<end_of_turn>\n<start_of_turn>model\n", GATED,
    ),
}  # fmt: skip


def build_family(folder: Path, name: str) -> Path:
    """Write a random model of two layers with its tokenizer, as safetensors."""
    import torch
    import transformers

    family = FAMILIES[name]
    tokenizer = _tokenizer(family)
    config = getattr(transformers, f"{family.architecture}Config")(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512, initializer_range=0.2, pad_token_id=None,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        **SHAPES[family.architecture],
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{family.architecture}ForCausalLM")(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(family: Family) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    first, alphabet = family.special[0], []
    pieces = Tokenizer(models.BPE(unk_token=first if family.words else None))
    scheme = "never" if family.architecture.startswith("Gemma") else "always"
    if family.words:
        pieces.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
        pieces.decoder = decoders.Metaspace(prepend_scheme=scheme)
        alphabet = sorted({*"".join(SENTENCES), *map(chr, range(32, 127)), "\n"})
    else:
        pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        pieces.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(family.special), initial_alphabet=alphabet,
        show_progress=False,
    ))  # fmt: skip
    bos = next((one for one in family.special if one in ("<s>", "<bos>")), None)
    eos = next(one for one in ("</s>", "<eos>", "<|im_end|>", "<|endoftext|>")
               if one in family.special)  # fmt: skip
    if bos is not None:
        pieces.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, pieces.token_to_id(bos))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, bos_token=bos, eos_token=eos,
        additional_special_tokens=[one for one in family.special if one not in (bos, eos)],
    )  # fmt: skip
    tokenizer.chat_template = family.template
    return tokenizer
