"""A local decoder behind three calls: `generate`, `choose` and `score`."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch

from tasks.core.errors import InputError
from tasks.models.batches import longest_first, timed
from tasks.models.chat_tokenizer import ChatTokenizer
from tasks.models.outputs import Choice, Generation, Likelihood
from tasks.models.tree import (
    Tree,
    batch_of,
    continuations,
    log_probabilities,
    log_probabilities_apart,
    takes_masks,
    tree_of,
)

LINE = "\n"


class _Until:
    """Stops each row whose new text holds a string, wherever tokens part it.

    Called with tokens of shape (rows, width and new ones); gives a truth value a row.
    """

    def __init__(self, text: str, tokenizer: Any, width: int) -> None:
        self.text, self.tokenizer, self.width = text, tokenizer, width
        # Each token but a special one brings a byte at least: no more can hold the text.
        self.most = len(text.encode()) + 1

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        tail = ids[:, max(self.width, ids.shape[1] - self.most) :]
        found = [self.text in one for one in self.tokenizer.batch_decode(tail)]
        return torch.tensor(found, device=ids.device)


class Decoder(ChatTokenizer):
    """A causal language model with its tokenizer, on the device and dtype that are here."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(tokenizer)
        self.model = model
        self.device = next(model.parameters()).device
        self._stops: list[int] | None = None

    def stops(self) -> list[int]:
        """Tokens that end a one-line answer: of sequence, of turn, and every one with a newline."""
        if self._stops is None:
            pieces = self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
            newline = [i for i, piece in enumerate(pieces) if "\n" in piece]
            ends = self.ends()
            self._stops = [*ends, *(i for i in newline if i not in ends)]
        return self._stops

    def ends(self) -> list[int]:
        """Tokens that end an answer of any number of lines: of sequence, of the model's turn."""
        told = self.model.generation_config.eos_token_id
        told = told if isinstance(told, list) else [told]
        known = {int(self.tokenizer.eos_token_id), self.turn_end}
        return sorted(known | {int(one) for one in told if one is not None})

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch_size: int = 32,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
        stop: str = LINE,
    ) -> list[Generation]:
        """Greedy continuations up to `stop`, in the order of the prompts.

        Without a `stop` only the end of sequence ends them. Prompts are batched by length, and
        what all of them begin with is computed once. `timings` is given each batch's seconds a
        prompt; a prompt that is too long is told by its name.
        """
        ids = self.encode(prompts)
        self._check_lengths(ids, max_new_tokens, names)
        shared, cache = self._shared(ids)

        def answered(batch: list[int]) -> list[Generation]:
            return self._generate([ids[i] for i in batch], shared, cache, max_new_tokens, stop)

        lengths = [len(row) for row in ids]
        return longest_first(lengths, timed(answered, timings), batch_size, step or "answering")

    def _check_lengths(self, ids: list[list[int]], new: int, names: Sequence[str]) -> None:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        at = max(range(len(ids)), key=lambda i: len(ids[i]), default=None)
        if limit is not None and at is not None and len(ids[at]) + new > limit:
            raise InputError(
                f"prompt of {names[at]}" if names else "prompt", f"{len(ids[at]) + new} tokens",
                f"at most {limit} tokens for this model",
                "Shorten it; lower index.k, index.chunk_tokens or answering.demonstrations; or set "
                "answering.text_words, to have texts cut.",
            )  # fmt: skip

    def _shared(self, ids: list[list[int]]) -> tuple[int, Any]:
        """How many tokens all prompts begin with, and the cache of what is computed of them."""
        shared = _shared_prefix(ids) if len(ids) > 1 else 0
        return shared, self._prefix_cache(ids[0][:shared]) if shared else None

    def _prefix_cache(self, prefix: list[int]) -> Any:
        tokens = torch.tensor([prefix], device=self.device)
        return self.model(input_ids=tokens, use_cache=True, logits_to_keep=1).past_key_values

    def _generate(
        self, rows: list[list[int]], shared: int, cache: Any, max_new_tokens: int, stop: str
    ) -> list[Generation]:
        width = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id
        tokens = [row[:shared] + [pad] * (width - len(row)) + row[shared:] for row in rows]
        mask = [[1] * shared + [0] * (width - len(row)) + [1] * (len(row) - shared) for row in rows]
        options: dict[str, Any] = {}
        if cache is not None:
            options["past_key_values"] = _repeated(cache, len(rows), self.model.config)
        if stop not in ("", LINE):
            options["stopping_criteria"] = [_Until(stop, self.tokenizer, width)]
        ends = self.stops() if stop == LINE else self.ends()
        out = self.model.generate(
            input_ids=torch.tensor(tokens, device=self.device),
            attention_mask=torch.tensor(mask, device=self.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=pad,
            **options,
        )[:, width:].tolist()
        over = {*ends, pad}  # what follows the text that stopped an answer is padding
        return [self._read(row, new, over, stop) for row, new in zip(rows, out, strict=True)]

    def _read(self, row: list[int], new: list[int], over: set[int], stop: str) -> Generation:
        end = next((i for i, token in enumerate(new) if token in over), len(new))
        # The stopping token itself was computed, and may carry text before its newline.
        text = self.tokenizer.decode(new[: end + 1], skip_special_tokens=True)
        spent = min(end + 1, len(new))
        if stop not in ("", LINE) and stop in text:
            spent = end  # what ended it was text, before the padding
        text = text.split(stop)[0] if stop else text
        return Generation(text.strip(), len(row), spent)

    @torch.inference_mode()
    def score(
        self, prompts: Sequence[str], continuations: Sequence[str], batch_size: int = 32,
        step: str = "",
    ) -> list[Likelihood]:  # fmt: skip
        """Log-probability of each continuation after its prompt, in order."""
        tails = self.encode(continuations)
        asked: dict[str, list[int]] = {}  # which continuations each prompt has
        for at, prompt in enumerate(prompts):
            asked.setdefault(prompt, []).append(at)
        trees = [tree_of([tails[at] for at in places]) for places in asked.values()]
        likely = self._likely(self.encode(list(asked)), trees, (), batch_size, step or "scoring")
        found = {
            at: Likelihood(value, len(tails[at]))
            for places, values in zip(asked.values(), likely, strict=True)
            for at, value in zip(places, values, strict=True)
        }
        return [found[at] for at in range(len(prompts))]

    @torch.inference_mode()
    def choose(
        self,
        prompts: Sequence[str],
        options: Sequence[str],
        batch_size: int = 32,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
    ) -> list[Choice]:
        """How likely each option is as the whole one-line answer to each prompt, in order.

        The end of the line counts, so that an option which begins another is not the likelier for
        being shorter.
        """
        ids, tails = self.encode(prompts), self.encode(options)
        self._check_lengths(ids, max(len(tail) for tail in tails), names)
        trees = [tree_of(tails)] * len(ids)
        likely = self._likely(ids, trees, self.stops(), batch_size, step or "choosing", timings)
        return [
            Choice(tuple(row), len(head), len(tails[row.index(max(row))]) + 1)
            for head, row in zip(ids, likely, strict=True)
        ]

    def _likely(
        self,
        heads: list[list[int]],
        trees: list[Tree],
        stops: Sequence[int],
        batch_size: int,
        step: str,
        timings: list[float] | None = None,
    ) -> list[list[float]]:
        """Log-probability of each continuation of each prompt; prompts are computed once."""
        lengths = [len(head) + len(tree.tokens) for head, tree in zip(heads, trees, strict=True)]
        if not takes_masks(self.model.config, max(lengths, default=0)):
            return self._likely_apart(heads, trees, stops, batch_size, step, timings)
        shared, cache = self._shared(heads)

        def scored(batch: list[int]) -> list[list[float]]:
            own = [trees[i] for i in batch]
            pad = int(self.tokenizer.pad_token_id)
            laid = batch_of([heads[i][shared:] for i in batch], own, shared, pad)
            before = _repeated(cache, len(batch), self.model.config) if shared else None
            return log_probabilities(self.model, laid, own, before, stops)

        return longest_first(lengths, timed(scored, timings), batch_size, step)

    def _likely_apart(
        self,
        heads: list[list[int]],
        trees: list[Tree],
        stops: Sequence[int],
        batch_size: int,
        step: str,
        timings: list[float] | None,
    ) -> list[list[float]]:
        """The same for models that take no tree: a row for each prompt with a continuation."""
        tails = [continuations(tree) for tree in trees]
        rows = [(head, tail) for head, own in zip(heads, tails, strict=True) for tail in own]
        pad = int(self.tokenizer.pad_token_id)

        def scored(batch: list[int]) -> list[float]:
            return log_probabilities_apart(self.model, [rows[i] for i in batch], pad, stops)

        lengths = [len(head) + len(tail) for head, tail in rows]
        found = iter(longest_first(lengths, timed(scored, timings), batch_size, step))
        return [list(islice(found, len(own))) for own in tails]


def _shared_prefix(ids: Sequence[list[int]]) -> int:
    """Length of what all rows begin with, leaving each at least one token of its own."""
    low, high = min(ids), max(ids)
    most = min(len(row) for row in ids) - 1
    return next((i for i in range(most) if low[i] != high[i]), max(most, 0))


def _repeated(cache: Any, times: int, config: Any) -> Any:
    from transformers import DynamicCache

    fresh = DynamicCache(config=config)
    for layer, held in enumerate(cache.layers):
        fresh.update(
            held.keys.expand(times, -1, -1, -1), held.values.expand(times, -1, -1, -1), layer
        )
    return fresh
