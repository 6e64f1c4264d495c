"""Rows that share one against the padded batch, by loss, gradients and what each token sees."""

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from tasks.models.tree import logits_at
from tasks.training import packing
from tasks.training.packing import UNLABELLED, lay_out, pack, together
from tests.kinds import KINDS

# peft asks the model for an attribute that transformers deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
LENGTHS = (21, 5, 9, 12)
PACKED = ("llama", "mistral", "qwen2", "gemma", "falcon")


class Batch(NamedTuple):
    """Rows padded behind, with a loss on the last three tokens of each."""

    tokens: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor


def a_batch() -> Batch:
    torch.manual_seed(3)
    mask = torch.tensor([[n < length for n in range(max(LENGTHS))] for length in LENGTHS]).long()
    tokens = torch.randint(2, 400, mask.shape) * mask
    labels = tokens.clone()
    for row, length in enumerate(LENGTHS):
        labels[row, : length - 3] = labels[row, length:] = UNLABELLED
    return Batch(tokens, labels, mask)


def a_model(kind: str, attention: str = "sdpa") -> Any:
    """A random decoder in fp32 with an adapter that does something."""
    config = KINDS[kind]
    config.vocab_size, config.eos_token_id, config.bos_token_id = 400, 1, 0
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).float()
    lora = LoraConfig(
        r=4, target_modules="all-linear", init_lora_weights=False, fan_in_fan_out=kind == "gpt2"
    )
    return get_peft_model(model, lora).eval()  # gradients without dropout


def together_and_alone(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of a batch as it is laid out, and the sum of its rows' by plain forward passes."""
    laid = lay_out(*batch, model.config)
    places = (laid.targets != UNLABELLED).nonzero()
    logits = logits_at(model, laid.tokens, laid.mask, places, laid.positions)
    targets = laid.targets[places[:, 0], places[:, 1]]
    each = [
        torch.nn.functional.cross_entropy(
            model(input_ids=tokens[None, :length]).logits[0, :-1], labels[1:length],
            reduction="sum",
        )
        for tokens, labels, length in zip(batch.tokens, batch.labels, LENGTHS, strict=True)
    ]  # fmt: skip
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum"), sum(each)


def gradients(model: Any, loss: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return [part.grad.clone() for part in model.parameters() if part.grad is not None]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_each_row_alone(kind: str, attention: str) -> None:
    batch, model = a_batch(), a_model(kind, attention)
    assert (lay_out(*batch, model.config).positions is not None) == (kind in PACKED)
    loss, expected = together_and_alone(model, batch)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    found, others = gradients(model, loss), gradients(model, expected)
    assert len(found) == len(others) > 0
    for one, other in zip(found, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", PACKED)
def test_another_row_in_the_same_one_changes_nothing_to_the_bit(kind: str) -> None:
    batch, model = a_batch(), a_model(kind)
    all_in_one = (tuple(range(len(LENGTHS))),)

    def hidden(tokens: torch.Tensor) -> torch.Tensor:
        laid = pack(tokens, batch.labels, LENGTHS, all_in_one)
        places = torch.tensor([[0, n] for n in range(sum(LENGTHS))])
        return logits_at(model, laid.tokens, laid.mask, places, laid.positions)

    changed = batch.tokens.clone()
    changed[1] = (changed[1] + 7) * batch.mask[1]
    with torch.no_grad():
        before, after = hidden(batch.tokens), hidden(changed)
    own = slice(LENGTHS[0], LENGTHS[0] + LENGTHS[1])
    assert not torch.equal(before[own], after[own])
    before[own] = after[own] = 0
    assert torch.equal(before, after)


def test_rows_stand_one_behind_the_other_and_positions_begin_anew() -> None:
    tokens = torch.tensor([[5, 6, 7], [8, 9, 0], [4, 0, 0]])
    targets = torch.tensor([[-100, 7, -100], [9, -100, -100], [-100, -100, -100]])
    laid = pack(tokens, targets, [3, 2, 1], ((0,), (2, 1)))
    assert laid.tokens.tolist() == [[5, 6, 7], [4, 8, 9]]
    assert laid.targets.tolist() == [[-100, 7, -100], [-100, 9, -100]]
    assert laid.positions is not None
    assert laid.positions.tolist() == [[0, 1, 2], [0, 0, 1]]
    seen = [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert laid.mask.int().tolist() == [[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]], [seen]]


def test_the_first_token_of_a_row_is_never_learnt_from_the_row_before() -> None:
    tokens = torch.tensor([[5, 6, 7], [8, 0, 0], [4, 0, 0]])
    labels = torch.where(tokens > 0, tokens, UNLABELLED)  # loss on every token
    laid = lay_out(tokens, labels, (tokens > 0).long(), KINDS["llama"])
    assert len(laid.tokens) < len(tokens)
    assert sorted(laid.targets[laid.targets != UNLABELLED].tolist()) == [6, 7]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.sampled_from([64, 576, 4096]))
def test_every_row_has_its_place_and_packing_is_never_dearer(
    lengths: list[int], hidden: int
) -> None:
    held = together(lengths, hidden)
    assert sorted(row for rows in held for row in rows) == list(range(len(lengths)))
    width = max(sum(lengths[row] for row in rows) for rows in held)

    def cost(rows: int, columns: int) -> float:
        return rows * columns * (1 + columns / (packing.ATTENTION * hidden))

    assert cost(len(held), width) <= cost(len(lengths), max(lengths))


def test_rows_of_one_length_stay_apart_and_short_ones_share_one_while_attention_is_cheap() -> None:
    assert together([50] * 4, 576) == ((0,), (1,), (2,), (3,))
    assert together([40, 36, 30, 30, 28], 4096) == ((0, 1, 2, 3, 4),)
    assert together([400, 130, 130, 130], 64) == ((1, 2, 3), (0,))
    assert len(together([400, 360, 300, 300, 280], 64)) == 5
