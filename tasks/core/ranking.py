"""How well a search found the known source of a question, and how two rankings become one.

A ranked list holds the source document of each retrieved passage, best first. Two passages of
one document are two entries, because they take two places in a prompt; so positions and `k`
count passages, and a document's first passage is its rank.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def recall_at(ranked_documents: Sequence[str], source: str, k: int) -> float:
    """1.0 if a passage of the source is among the first `k`, else 0.0.

    With one known source this is recall@k and hit rate@k alike. A list shorter than `k` is
    taken as it is; `k` = 0 finds nothing.

    Raises:
        ValueError: `k` is negative.
    """
    if k < 0:
        raise ValueError(f"k must be at least 0, not {k}")
    return float(source in ranked_documents[:k])


def reciprocal_rank(ranked_documents: Sequence[str], source: str) -> float:
    """1 / position of the source's first passage, counted from 1; 0.0 if there is none."""
    ranks = (rank for rank, document in enumerate(ranked_documents, start=1) if document == source)
    return 1 / next(ranks, float("inf"))


def ndcg_at(ranked_documents: Sequence[str], source: str, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`: 1 / log2(1 + rank of the source).

    One document is relevant, so the ideal is 1; its first passage alone counts, so that a source
    cut into many passages gains nothing by repeating itself (Järvelin & Kekäläinen 2002).

    Raises:
        ValueError: `k` is negative.
    """
    if recall_at(ranked_documents, source, k) == 0:
        return 0.0
    return 1 / math.log2(1 + 1 / reciprocal_rank(ranked_documents, source))


def fused_scores(
    near: Mapping[K, float], matching: Mapping[K, float], alpha: float
) -> dict[K, float]:
    """Relative-score fusion: alpha for the first ranking, 1 - alpha for the second.

    Each ranking's scores are scaled to 0 (its lowest) .. 1 (its highest), all of equal ones
    to 1; a ranking that misses an item adds nothing to it. A ranking of weight 0 is left out.
    """
    scores: dict[K, float] = {}
    for weight, ranking in ((alpha, near), (1 - alpha, matching)):
        if weight == 0 or not ranking:
            continue
        worst, best = min(ranking.values()), max(ranking.values())
        for item, score in ranking.items():
            share = (score - worst) / (best - worst) if best > worst else 1.0
            scores[item] = scores.get(item, 0.0) + weight * share
    return scores
