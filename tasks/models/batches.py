"""Rows of tokens in batches of similar length, smaller ones where memory is short."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from tasks.progress import progress

Made = TypeVar("Made")


def timed(
    compute: Callable[[list[int]], list[Made]], timings: list[float] | None
) -> Callable[[list[int]], list[Made]]:
    """The same, noting the seconds that each batch takes for a prompt."""

    def noted(batch: list[int]) -> list[Made]:
        began = time.perf_counter()
        made = compute(batch)
        if timings is not None:
            timings.append((time.perf_counter() - began) / len(batch))
        return made

    return noted


def longest_first(
    lengths: Sequence[int],
    compute: Callable[[list[int]], list[Made]],
    batch_size: int,
    step: str,
) -> list[Made]:
    """What `compute` makes of batches of rows of similar length, in the rows' own order.

    Out of memory halves the batch, from there on.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    done: dict[int, Made] = {}
    with progress(step, len(order)) as advance:
        while order:
            batch = order[-batch_size:]
            try:
                made = compute(batch)
            except (torch.cuda.OutOfMemoryError, MemoryError):
                if len(batch) == 1:
                    raise
                batch_size //= 2
                continue
            del order[-batch_size:]
            done.update(zip(batch, made, strict=True))
            advance(len(batch))
    return [done[i] for i in range(len(lengths))]
