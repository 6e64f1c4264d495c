"""How well a search found the known source of a question.

A ranked list holds the source document of each retrieved passage, best first. Two passages of
one document are two entries, because they take two places in a prompt; so positions and `k`
count passages, and a document's first passage is its rank.
"""

from collections.abc import Sequence


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
