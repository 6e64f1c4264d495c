"""What only the LanceDB backend does: fuse two rankings, and search large tables by IVF."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts import Passage
from tasks.chunking import Chunk
from tasks.encoding import Vectors
from tasks.index import Request
from tasks.index_lancedb import count, finder, fused, vectors, write


def ranked(**scores: float) -> list[Passage]:
    return [
        Passage(document=name, title="", position=0, text=name, score=score, sha=name)
        for name, score in scores.items()
    ]


def order(passages: list[Passage]) -> list[tuple[str, float]]:
    return [(passage.document, passage.score) for passage in passages]


def test_fusion_adds_the_weighted_relative_scores() -> None:
    near, matching = ranked(a=0.9, b=0.6, c=0.5), ranked(c=30, b=20, d=10)
    assert order(fused(near, matching, 0.6)) == [("a", 0.6), ("c", 0.4), ("b", 0.35), ("d", 0)]


def test_ranking_of_weight_zero_adds_no_passage() -> None:
    near, matching = ranked(a=0.9, b=0.6), ranked(c=30, a=20)
    assert order(fused(near, matching, 1)) == [("a", 1), ("b", 0)]
    assert order(fused(near, matching, 0)) == [("c", 1), ("a", 0)]


def test_ranking_of_equal_scores_counts_in_full() -> None:
    assert order(fused(ranked(b=0.7, a=0.7), [], 0.5)) == [("a", 0.5), ("b", 0.5)]
    assert fused([], [], 0.5) == []


def clusters(rows: int) -> tuple[list[Chunk], Vectors]:
    """Chunks whose vectors lie around ten directions, one after the other."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(10, 16))
    matrix = centres[np.arange(rows) % 10] + 0.05 * rng.normal(size=(rows, 16))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    chunks = [
        Chunk(document=f"{n:04}", title="", source="", position=0, text=f"passage {n}", sha=f"{n}")
        for n in range(rows)
    ]
    return chunks, matrix.astype(np.float32)


@pytest.mark.parametrize("exact_below", [10_000, 400])
def test_vector_search_finds_the_nearest_with_and_without_ivf(
    tmp_path: Path, exact_below: int
) -> None:
    chunks, matrix = clusters(400)
    write(tmp_path, chunks, matrix, exact_below)
    request = Request(("a", "b"), matrix[[3, 14]], 5, "vector", 0.5, {})
    first, second = finder(tmp_path)(request)
    similarity = matrix @ matrix[3]
    nearest = sorted(range(400), key=lambda n: -similarity[n])[:5]
    assert [passage.document for passage in first] == [f"{n:04}" for n in nearest]
    assert second[0].document == "0014"
    assert [p.score for p in first] == pytest.approx(similarity[nearest], abs=1e-5)


def test_stored_vectors_come_back_by_sha(tmp_path: Path) -> None:
    chunks, matrix = clusters(30)
    write(tmp_path, chunks, matrix)
    stored = vectors(tmp_path)
    assert count(tmp_path) == len(stored) == 30
    for chunk, row in zip(chunks, matrix, strict=True):
        np.testing.assert_array_equal(stored[chunk.sha], row)
