"""Options scored beside one another against each scored alone, in the plain way."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
)

from tasks.core.errors import InputError
from tasks.core.labels import normalised
from tasks.models import decoder as module
from tasks.models.decoder import Decoder
from tasks.models.tree import tree_of
from tests.kinds import KINDS

PROMPTS = [
    "Text: The reader has no power.\nLabel:", "Text: Where is my parcel?\nLabel:",
    "Text: Please close my account and send me whatever is left on it, soon.\nLabel:",
]  # fmt: skip
OPTIONS = [" card", " card lost", " card lost abroad", " refund", " parcel", ""]


def a_decoder(folder: Path, family: str, attention: str = "sdpa") -> Decoder:
    """A random model of a family in fp32, with the tiny model's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    config = KINDS[family]
    config.vocab_size, config.eos_token_id, config.bos_token_id = len(tokenizer), 1, 0
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    return Decoder(model.float().eval(), tokenizer)


def alone(decoder: Decoder, prompt: str, option: str) -> float:
    """Log-probability of one option and of any end after it, from one plain forward pass."""
    head, tail = decoder.encode([prompt])[0], decoder.encode([option])[0] if option else []
    with torch.no_grad():
        likely = decoder.model(torch.tensor([head + tail])).logits[0].log_softmax(-1)
    each = [float(likely[len(head) - 1 + i, token]) for i, token in enumerate(tail)]
    return sum(each) + float(likely[-1, decoder.stops()].logsumexp(-1))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", KINDS)
def test_options_beside_one_another_are_as_likely_as_each_alone(
    tiny_folder: Path, family: str, attention: str
) -> None:
    decoder = a_decoder(tiny_folder, family, attention)
    found = decoder.choose(PROMPTS, OPTIONS, batch_size=2)
    for prompt, one in zip(PROMPTS, found, strict=True):
        expected = [alone(decoder, prompt, option) for option in OPTIONS]
        assert one.log_probabilities == pytest.approx(expected, abs=2e-4)
        assert one.tokens_in == len(decoder.encode([prompt])[0])


def test_a_shared_beginning_and_the_size_of_batches_change_nothing(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = a_decoder(tiny_folder, "llama")
    head = "Choose among card, refund, parcel.\n\n"
    prompts = [head + prompt for prompt in PROMPTS]
    together = decoder.choose(prompts, OPTIONS)
    single = [decoder.choose([prompt], OPTIONS)[0] for prompt in prompts]
    monkeypatch.setattr(module, "_shared_prefix", lambda _: 0)
    unshared = decoder.choose(prompts, OPTIONS)
    for one, *others in zip(together, single, unshared, strict=True):
        for other in others:
            assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=2e-4)


def test_prompts_are_computed_once_whatever_the_number_of_options(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = a_decoder(tiny_folder, "llama")
    sizes = []
    real = module.batch_of

    def noted(*given: Any) -> Any:
        laid = real(*given)
        sizes.append(tuple(laid.tokens.shape))
        return laid

    monkeypatch.setattr(module, "batch_of", noted)
    decoder.choose(PROMPTS[:1], OPTIONS)
    ((rows, columns),) = sizes
    nodes = len(tree_of(decoder.encode(OPTIONS)).tokens)
    assert (rows, columns) == (1, len(decoder.encode(PROMPTS[:1])[0]) + nodes)
    assert nodes < sum(map(len, decoder.encode(OPTIONS)))  # what they begin with is there once


def test_a_label_that_begins_another_is_not_chosen_for_being_shorter(tiny_folder: Path) -> None:
    """Taught to answer the longer one: without the end, the shorter would be as likely."""
    decoder = a_decoder(tiny_folder, "llama")
    head, tail = decoder.encode([PROMPTS[0], " card lost"])
    ids = torch.tensor([[*head, *tail, decoder.tokenizer.eos_token_id]])
    labels = ids.clone()
    labels[:, : len(head)] = -100
    optimiser = torch.optim.AdamW(decoder.model.parameters(), lr=3e-3)
    for _ in range(40):
        decoder.model(input_ids=ids, labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    begun, whole = decoder.score(PROMPTS[:1] * 2, [" card", " card lost"])
    assert begun.log_probability >= whole.log_probability  # a beginning always is
    (choice,) = decoder.choose(PROMPTS[:1], OPTIONS)
    shares = normalised(choice.log_probabilities)
    assert OPTIONS[shares.index(max(shares))] == " card lost"
    assert shares[OPTIONS.index(" card")] < 0.05
    assert choice.tokens_out == len(tail) + 1


def test_several_continuations_of_a_prompt_score_as_each_alone(tiny_folder: Path) -> None:
    decoder = a_decoder(tiny_folder, "llama")
    prompts = [PROMPTS[0], PROMPTS[1], PROMPTS[0], PROMPTS[1], PROMPTS[0]]
    tails = [" card", " refund", " card lost", " parcel", " card"]
    together = decoder.score(prompts, tails)
    for prompt, tail, one in zip(prompts, tails, together, strict=True):
        (single,) = decoder.score([prompt], [tail])
        assert one.tokens == single.tokens
        assert one.log_probability == pytest.approx(single.log_probability, abs=2e-4)


def test_a_prompt_too_long_for_the_model_is_told_by_its_name(tiny_folder: Path) -> None:
    decoder = a_decoder(tiny_folder, "llama")
    prompts = ["short", "word " * 300]
    for ask in (
        lambda: decoder.choose(prompts, OPTIONS, names=["a", "b"]),
        lambda: decoder.generate(prompts, 4, names=["a", "b"]),
    ):
        with pytest.raises(InputError) as caught:
            ask()
        assert caught.value.where == "prompt of b"
        assert "256 tokens" in caught.value.allowed
        assert int(str(caught.value.value).split()[0]) > 300


def test_a_tree_holds_what_options_share_once_and_each_end() -> None:
    tree = tree_of([(5,), (5, 6), (5, 6, 7), (8,), (5, 6), ()])
    assert tree.tokens == (5, 6, 7, 8)
    assert tree.parents == (-1, 0, 1, -1)
    assert tree.depths == (0, 1, 2, 0)
    assert tree.ends == (0, 1, 2, 3, 1, -1)
