"""Labelled examples near a text, unlike one another: the demonstrations that `rag` shows."""

from collections.abc import Sequence

import numpy as np

from tasks.artifacts import Passage, Search
from tasks.core.mmr import mmr
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.search import Found, Searcher

# Of nearness against novelty. The vote of 8 of 120 tickets (`examples/tickets`) is right as often
# as without novelty (0.75; with 0.5: 0.71), and shows 4.1 labels in place of 3.2.
WEIGHT = 0.7
POOL = 4  # times as many are found as are shown, to choose among


def nearest_examples(
    searcher: Searcher, texts: Sequence[str], how: Search, own: Sequence[str] = ()
) -> Found:
    """At most `how.k` labelled examples for each text, nearest first, chosen by MMR.

    The index holds the training examples; `own` names for each text the example that it is, which
    is not found. Of an example cut into several chunks the nearest one is shown, unless it brings
    its whole text as its second tag: see `data.examples.training_corpus`.
    """
    found = searcher.search(texts, how.model_copy(update={"k": POOL * how.k + bool(own)}))
    names = own or [""] * len(texts)
    pools = [_others(pool, name) for pool, name in zip(found, names, strict=True)]
    different = list({one.text: None for pool in pools for one in pool})
    if not different:
        return ((),) * len(texts)
    encode = searcher.load(searcher.index.encoder).encode
    vectors = dict(zip(different, encode(different, "document"), strict=True))
    asked = encode(list(texts), "query")
    return tuple(
        _shown(pool, np.stack([vectors[one.text] for one in pool]), text, how.k) if pool else ()
        for pool, text in zip(pools, asked, strict=True)
    )


def _others(pool: Sequence[Passage], own: str) -> list[Passage]:
    """The best passage of each other example, best first."""
    best: dict[str, Passage] = {}
    for one in pool:
        if one.document != own:
            best.setdefault(one.document, one)
    return list(best.values())


def _shown(pool: Sequence[Passage], vectors: Vectors, text: Vectors, k: int) -> tuple[Passage, ...]:
    relevance = vectors @ text
    chosen = mmr(relevance, vectors @ vectors.T, k, WEIGHT)
    return tuple(_whole(pool[i]) for i in sorted(chosen, key=lambda i: (-relevance[i], i)))


def _whole(one: Passage) -> Passage:
    """An example with its answer as the only tag, and all of its text where that is known."""
    return one.model_copy(
        update={"text": one.tags[-1] if one.tags[1:] else one.text, "tags": one.tags[:1]}
    )
