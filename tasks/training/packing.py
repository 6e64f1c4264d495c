"""A batch laid out to be computed: short rows stand in one where that costs less than padding.

No token sees another row, and positions begin anew with each: loss and gradients are those of the
padded batch.
"""

import heapq
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from tasks.models.tree import takes_masks

# Columns, in units of the hidden size, over which attention costs as much as the rest of a layer.
# Forward and backward of LoRA on Llamas of 4 layers on one core: 3.3 at hidden size 256, 3.2 at
# 576; in bf16 3.7 and more.
ATTENTION = 3.0
UNLABELLED = -100
Rows = tuple[tuple[int, ...], ...]  # which rows of a batch stand in each row that is computed


class Layout(NamedTuple):
    """Tokens, and the next token of each where there is a loss, else -100; both (rows, columns).

    `mask` is (rows, columns), 1 at tokens, or if packed (rows, 1, columns, columns), true where a
    token is seen. Packed tokens are told their `positions`.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor | None = None


def lay_out(tokens: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, config: Any) -> Layout:
    """A batch padded behind its rows, packed where that costs less and the model takes it."""
    targets = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=UNLABELLED)
    lengths = mask.sum(1).tolist()
    shared = together(lengths, config.get_text_config().hidden_size)
    if len(shared) == len(lengths) or not takes_masks(config, max(lengths)):
        return Layout(tokens, targets, mask)
    return pack(tokens, targets, lengths, shared)


def together(lengths: Sequence[int], hidden: int) -> Rows:
    """Which rows of a batch share one, at the least cost; each by itself where none should.

    Attention grows with the square of a row's length, the rest of a layer with the length.
    """
    reach = ATTENTION * hidden

    def cost(rows: int, width: float) -> float:
        return rows * width * (1 + width / reach)

    best: Rows = tuple((row,) for row in range(len(lengths)))
    least = cost(len(lengths), max(lengths))
    for count in range(len(lengths) - 1, 0, -1):
        if cost(count, sum(lengths) / count) >= least:  # even without a gap; fewer cost more
            break
        held = _evenly(lengths, count)
        found = cost(count, max(sum(lengths[row] for row in rows) for rows in held))
        if found < least:
            best, least = held, found
    return best


def _evenly(lengths: Sequence[int], count: int) -> Rows:
    """The longest first, each to the one of so many rows that is shortest so far."""
    filled: list[tuple[int, tuple[int, ...]]] = [(0, ())] * count
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        size, held = filled[0]
        heapq.heapreplace(filled, (size + lengths[row], (*held, row)))
    return tuple(held for _, held in filled)


def pack(
    tokens: torch.Tensor, targets: torch.Tensor, lengths: Sequence[int], shared: Rows
) -> Layout:
    """Lay out rows one behind the other; padding sees what else is no row's, and nobody sees it."""
    device = tokens.device

    def laid(parts: list[list[int]], filler: int) -> torch.Tensor:
        rows = [torch.tensor(part) for part in parts]
        return pad_sequence(rows, batch_first=True, padding_value=filler).to(device)

    own = laid([[row for row in held for _ in range(lengths[row])] for held in shared], -1)
    at = laid([[n for row in held for n in range(lengths[row])] for held in shared], 0)
    return Layout(
        tokens=tokens[own, at],
        targets=targets[own, at].masked_fill(own < 0, UNLABELLED),
        mask=(own[:, :, None] == own[:, None]).tril()[:, None],
        positions=at,
    )
