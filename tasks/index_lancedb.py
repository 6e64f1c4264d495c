"""The embedded index: one LanceDB table in a folder, searched by vector, by BM25 or by both."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tasks.artifacts import Passage
from tasks.chunking import Chunk

if TYPE_CHECKING:
    from tasks.encoding import Vectors
    from tasks.index import Found, Request

TABLE = "passages"
EXACT_BELOW = 50_000  # rows; a full scan of so many vectors still takes milliseconds
# What hybrid search takes from each ranking, at least. Fixed, for scores are scaled by the last
# one taken: the order of the first few must not depend on k.
FUSED_FROM = 50

Ranked: TypeAlias = list[Passage]


def write(
    folder: Path, chunks: Sequence[Chunk], vectors: "Vectors", exact_below: int = EXACT_BELOW
) -> None:
    """Write chunks and their vectors into an empty folder and index the words.

    From `exact_below` rows on, vector search is approximate (IVF, cosine).
    """
    import lancedb
    import pyarrow as pa
    from lancedb.index import FTS, IvfFlat

    columns = {
        name: pa.array([getattr(chunk, name) for chunk in chunks])
        for name in ("document", "title", "source", "position", "text", "sha")
    }
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    table = lancedb.connect(folder).create_table(TABLE, pa.table(columns))
    table.create_index("text", config=FTS())
    if len(chunks) >= exact_below:
        table.create_index("vector", config=IvfFlat(distance_type="cosine"))


def vectors(folder: Path) -> dict[str, "Vectors"]:
    """The stored vectors by their chunk's sha."""
    rows = _opened(folder).search().select(["sha", "vector"]).to_arrow()
    stored = rows["vector"].combine_chunks()
    matrix = stored.flatten().to_numpy(zero_copy_only=False).reshape(len(stored), -1)
    return dict(zip(rows["sha"].to_pylist(), matrix, strict=True))


def count(folder: Path) -> int:
    """Number of chunks in the index."""
    return int(_opened(folder).count_rows())


def finder(folder: Path) -> "Callable[[Request], Found]":
    """Open an index for any number of requests."""
    table = _opened(folder)

    def find(request: "Request") -> "Found":
        ranked = SEARCHES[request.mode](table, request, request.k)
        return tuple(tuple(passages[: request.k]) for passages in ranked)

    return find


def fused(near: Ranked, matching: Ranked, alpha: float) -> Ranked:
    """Merge two rankings by relative score: alpha for vector search, 1 - alpha for keywords.

    Each ranking's scores are scaled to 0 (its last) .. 1 (its best); a ranking that misses a
    passage adds nothing. A ranking of weight 0 is left out, so alpha 1 gives vector search's
    order and alpha 0 keyword search's.
    """
    scores: dict[tuple[str, int], float] = {}
    passages: dict[tuple[str, int], Passage] = {}
    for weight, ranking in ((alpha, near), (1 - alpha, matching)):
        if weight == 0 or not ranking:
            continue
        worst, best = ranking[-1].score, ranking[0].score
        for passage in ranking:
            key = (passage.document, passage.position)
            share = (passage.score - worst) / (best - worst) if best > worst else 1.0
            scores[key] = scores.get(key, 0.0) + weight * share
            passages[key] = passage
    return _ordered(_scored(passages[key], score) for key, score in scores.items())


def _by_vector(table: Any, request: "Request", k: int) -> list[Ranked]:
    """Cosine similarity, all queries in one call."""

    def fetch(limit: int) -> list[Ranked]:
        search = table.search(request.vectors, vector_column_name="vector")
        search = _filtered(search.distance_type("cosine"), request, "_distance")
        rows = search.limit(limit).to_list()
        ranked: list[Ranked] = [[] for _ in request.texts]
        for row in rows:
            # One query alone comes back without its number.
            ranked[row.get("query_index", 0)].append(_passage(row, 1 - row["_distance"]))
        return [_ordered(passages) for passages in ranked]

    return _past_ties(fetch, k)


def _by_words(table: Any, request: "Request", k: int) -> list[Ranked]:
    """BM25 of the words alone: quotes and operators in a query mean nothing."""
    from lancedb.query import MatchQuery

    def fetch(limit: int) -> list[Ranked]:
        searches = (
            _filtered(table.search(MatchQuery(text, "text"), query_type="fts"), request, "_score")
            for text in request.texts
        )
        return [
            _ordered(_passage(row, row["_score"]) for row in search.limit(limit).to_list())
            for search in searches
        ]

    return _past_ties(fetch, k)


def _by_both(table: Any, request: "Request", k: int) -> list[Ranked]:
    depth = max(FUSED_FROM, k)
    near, matching = _by_vector(table, request, depth), _by_words(table, request, depth)
    return [
        fused(one[:depth], other[:depth], request.alpha)
        for one, other in zip(near, matching, strict=True)
    ]


SEARCHES: dict[str, Callable[[Any, "Request", int], list[Ranked]]] = {
    "vector": _by_vector,
    "keyword": _by_words,
    "hybrid": _by_both,
}


def _past_ties(fetch: Callable[[int], list[Ranked]], k: int) -> list[Ranked]:
    """Fetch until no tie straddles the k-th place: LanceDB breaks ties in no stable order."""
    limit = k + 8
    while True:
        ranked = fetch(limit)
        if all(len(some) < limit or some[-1].score < some[k - 1].score for some in ranked):
            return ranked
        limit *= 4


def _opened(folder: Path) -> Any:
    import lancedb

    return lancedb.connect(folder).open_table(TABLE)


def _filtered(search: Any, request: "Request", score: str) -> Any:
    """Filter before ranking, and read no vectors back."""
    from lancedb.expr import col, lit

    for field, value in request.where.items():
        search = search.where(col(field) == lit(value))
    return search.select(["document", "title", "position", "text", "sha", score])


def _passage(row: dict[str, Any], score: float) -> Passage:
    return Passage(
        document=row["document"],
        title=row["title"],
        position=row["position"],
        text=row["text"],
        score=_rounded(score),
        sha=row["sha"],
    )


def _scored(passage: Passage, score: float) -> Passage:
    return passage.model_copy(update={"score": _rounded(score)})


def _rounded(score: float) -> float:
    """Six decimals, so that equal passages tie whatever the order of the sums."""
    return round(float(score), 6)


def _ordered(passages: Iterable[Passage]) -> Ranked:
    return sorted(passages, key=lambda one: (-one.score, one.document, one.position))
