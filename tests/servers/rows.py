"""What tests of the Weaviate backend share: rows, unit vectors, and a collection of them."""

from collections.abc import Sequence

import numpy as np

from tasks.core import digest
from tasks.retrieval.backend import Query, Row, collection_name, entry, row_id
from tasks.retrieval.chunking import Chunk
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.weaviate_backend import Weaviate

DIMENSION = 16


def rows_of(
    texts: dict[str, str], date: str | None = None, tags: tuple[str, ...] = ()
) -> list[Row]:
    """A row for each line of each text."""
    chunks = [
        Chunk(
            document=name, title=name.title(), source=f"{name}.md", position=at, text=line,
            sha=digest.of_text(line), document_sha=digest.of_text(text), date=date, tags=tags,
        )
        for name, text in texts.items()
        for at, line in enumerate(text.splitlines())
    ]  # fmt: skip
    return [Row(row_id(entry(chunk)), chunk) for chunk in chunks]


def numbered(count: int, start: int = 0) -> list[Row]:
    """Rows of documents `00000`, `00001`, …, whose texts say their number."""
    return rows_of({f"{n:05}": f"passage number {n}" for n in range(start, start + count)})


def unit(count: int, seed: int = 3, dimension: int = DIMENSION) -> Vectors:
    """Unit vectors in random directions."""
    made = np.random.default_rng(seed).normal(size=(count, dimension))
    vectors: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def query(*texts: str, vectors: Vectors | None = None, k: int = 5, **where: str) -> Query:
    """A query by words, or one by vectors."""
    return Query(texts or ("-",) * (0 if vectors is None else len(vectors)), vectors, k, where)


def made(name: str, rows: Sequence[Row], vectors: Vectors, settings: str = "0" * 12) -> str:
    """Write a collection and commit it; its address."""
    backend, collection = Weaviate(), collection_name(name, settings)
    backend.create(collection, vectors.shape[1])
    backend.write(collection, rows, vectors)
    return backend.commit(collection, '{"rows": 1}')
