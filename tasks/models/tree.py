"""Many continuations of one prompt, scored in one pass: the prompt is computed once.

The continuations of a prompt stand beside one another as a tree: what several begin with is there
once, every token sees the prompt and its own ancestors, and takes the position that it would have
after the prompt alone (as in SpecInfer's tree attention, arXiv:2305.09781). It needs a model that
takes an attention mask of four dimensions and positions, as transformers' rotary decoders do;
others score each continuation in a row of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

POSITIONS = 256  # whose logits over the vocabulary are held at once: 50 MB for 49,152 words


class Tree(NamedTuple):
    """Continuations as a tree: each node's token, its parent (-1: the prompt) and its depth.

    Parents come before their children; `ends` is the node at which each continuation ends.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    ends: tuple[int, ...]


def tree_of(continuations: Sequence[Sequence[int]]) -> Tree:
    """The tree of some continuations, as token ids; one may begin another, or be empty."""
    nodes: dict[tuple[int, ...], int] = {(): -1}
    ends = []
    for tail in continuations:
        for length in range(1, len(tail) + 1):
            nodes.setdefault(tuple(tail[:length]), len(nodes) - 1)
        ends.append(nodes[tuple(tail)])
    paths = list(nodes)[1:]
    return Tree(
        tokens=tuple(path[-1] for path in paths),
        parents=tuple(nodes[path[:-1]] for path in paths),
        depths=tuple(len(path) - 1 for path in paths),
        ends=tuple(ends),
    )


def continuations(tree: Tree) -> list[list[int]]:
    """The continuations that a tree was made of, as token ids."""
    paths: list[list[int]] = []
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append([*(paths[parent] if parent >= 0 else ()), token])
    return [paths[end] if end >= 0 else [] for end in tree.ends]


def takes_masks(config: Any, length: int) -> bool:
    """Whether a model of this config heeds a mask and positions of one's own over so many tokens.

    ALiBi and learnt positions are not told where a token stands, recurrent layers pass by every
    mask, and a mask of one's own overrules a sliding window, which must then be wide enough.
    """
    text = config.get_text_config()
    recurrent = set(getattr(text, "layer_types", None) or ()) - {
        "full_attention", "sliding_attention",
    }  # fmt: skip
    window = getattr(text, "sliding_window", None) or length
    rotary = bool(getattr(text, "rope_parameters", None)) and not getattr(text, "alibi", False)
    return rotary and not recurrent and length <= window


class Batch(NamedTuple):
    """Rows of a prompt's last tokens, padded before, and the nodes of a tree, padded behind.

    `shared` tokens that all prompts begin with are in a cache. `mask` is (rows, 1, tokens,
    shared + tokens), true where a token is seen; `width` is the number of columns of prompts.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    width: int


def batch_of(heads: Sequence[Sequence[int]], trees: Sequence[Tree], shared: int, pad: int) -> Batch:
    """Lay out prompts (without what is shared) and the tree of each."""
    width = max(len(head) for head in heads)
    nodes = max(len(tree.tokens) for tree in trees)
    size = width + nodes
    tokens = torch.full((len(heads), size), pad)
    positions = torch.zeros((len(heads), size), dtype=torch.long)
    mask = torch.eye(size, dtype=torch.bool).repeat(len(heads), 1, 1)  # padding sees itself alone
    seen = {tree: _ancestors(tree) for tree in set(trees)}
    for row, (head, tree) in enumerate(zip(heads, trees, strict=True)):
        start, end = width - len(head), width + len(tree.tokens)
        tokens[row, start:end] = torch.tensor([*head, *tree.tokens])
        depths = [len(head) + depth for depth in tree.depths]
        positions[row, start:end] = shared + torch.tensor([*range(len(head)), *depths])
        mask[row, start:width, start:width] = torch.ones(len(head), len(head)).tril().bool()
        mask[row, width:end, start:width] = True
        mask[row, width:end, width:end] = seen[tree]
    before = torch.ones((len(heads), size, shared), dtype=torch.bool)
    return Batch(tokens, positions, torch.cat([before, mask], -1)[:, None], width)


def _ancestors(tree: Tree) -> torch.Tensor:
    """(nodes, nodes), true where a row's node is the column's or descends from it."""
    seen = torch.eye(len(tree.tokens), dtype=torch.bool)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            seen[node] |= seen[parent]
    return seen


def log_probabilities(
    model: Any, batch: Batch, trees: Sequence[Tree], cache: Any, stops: Sequence[int] = ()
) -> list[list[float]]:
    """Log-probability in nats of each continuation of each row, and of stopping after it.

    The end counts as any token of `stops`; without them a continuation may go on.
    """
    body, head = body_and_head(model)
    device = body.device
    hidden = body(
        input_ids=batch.tokens.to(device), attention_mask=added(batch.mask.to(device), body),
        position_ids=batch.positions.to(device), past_key_values=cache,
        use_cache=cache is not None,
    ).last_hidden_state[:, batch.width - 1 :]  # fmt: skip
    rows = max(1, POSITIONS // hidden.shape[1])
    found = []
    for start in range(0, len(trees), rows):
        logits = head(hidden[start : start + rows]).float()
        totals = logits.logsumexp(-1)
        for at, tree in enumerate(trees[start : start + rows]):
            found.append(_read(tree, logits[at], totals[at], stops))
    return found


def added(mask: torch.Tensor, body: Any) -> torch.Tensor:
    """A mask, true where a token is seen, as what attention adds to its scores."""
    dtype = next(body.parameters()).dtype
    unseen = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return unseen.masked_fill_(~mask, torch.finfo(dtype).min)


def _read(
    tree: Tree, logits: torch.Tensor, totals: torch.Tensor, stops: Sequence[int]
) -> list[float]:
    """Sums along the tree; row 0 of `logits` is the prompt's last token, row n + 1 node n."""
    places = torch.tensor(tree.parents, dtype=torch.long, device=logits.device) + 1
    words = torch.tensor(tree.tokens, dtype=torch.long, device=logits.device)
    steps = (logits[places, words] - totals[places]).tolist()
    sums: list[float] = []
    for step, parent in zip(steps, tree.parents, strict=True):
        sums.append(step + (sums[parent] if parent >= 0 else 0.0))
    likely = [sums[end] if end >= 0 else 0.0 for end in tree.ends]
    if not stops:
        return likely
    ends = torch.tensor(tree.ends, dtype=torch.long, device=logits.device) + 1
    stopping = logits[ends][:, list(stops)].logsumexp(-1) - totals[ends]
    return [one + stop for one, stop in zip(likely, stopping.tolist(), strict=True)]


def log_probabilities_apart(
    model: Any, rows: Sequence[tuple[list[int], list[int]]], pad: int, stops: Sequence[int] = ()
) -> list[float]:
    """Log-probability in nats of each row's continuation after its prompt, and of stopping then."""
    width = max(len(head) + len(tail) for head, tail in rows)
    tokens = torch.full((len(rows), width), pad)
    mask = torch.zeros_like(tokens)
    places: list[tuple[int, int]] = []  # (row, position) whose next token counts
    for row, (head, tail) in enumerate(rows):
        tokens[row, : len(head) + len(tail)] = torch.tensor([*head, *tail])
        mask[row, : len(head) + len(tail)] = 1
        places += [(row, len(head) - 1 + at) for at in range(len(tail) + bool(stops))]
    device = model.device
    logits = logits_at(model, tokens.to(device), mask.to(device), torch.tensor(places)).float()
    likely = logits - logits.logsumexp(-1, keepdim=True)
    each = iter(likely)
    sums = []
    for _, tail in rows:
        total = sum(float(next(each)[token]) for token in tail)
        sums.append(total + float(next(each)[list(stops)].logsumexp(-1)) if stops else total)
    return sums


def logits_at(model: Any, tokens: Any, mask: Any, places: Any, positions: Any = None) -> Any:
    """Logits at chosen (row, column) places only: (places, vocabulary).

    The head over a large vocabulary is the dearest layer of a small model, and most positions
    of a prompt need none. With `positions` the mask says of each token which it sees.
    """
    body, head = body_and_head(model)
    told = {"attention_mask": mask}
    if positions is not None:
        told = {"attention_mask": added(mask, body), "position_ids": positions}
    hidden = body(input_ids=tokens, use_cache=False, **told).last_hidden_state
    return head(hidden[places[:, 0], places[:, 1]])


def body_and_head(model: Any) -> tuple[Any, Callable[[torch.Tensor], torch.Tensor]]:
    """What makes hidden states, and what makes logits of them as the model itself does.

    Gemma 2 caps its logits, Granite divides them and Cohere multiplies them, by their configs.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    layer, config = inner.get_output_embeddings(), inner.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    scale = getattr(config, "logit_scale", None) or 1.0
    scale /= getattr(config, "logits_scaling", None) or 1.0

    def head(hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = layer(hidden)
        if scale != 1:
            logits = logits * scale
        return logits if cap is None else torch.tanh(logits / cap) * cap

    return inner.base_model, head
