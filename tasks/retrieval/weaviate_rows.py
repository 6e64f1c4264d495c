"""Rows as Weaviate holds them, and back: properties, filters, vectors."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.artifacts import Passage
from tasks.core.words import words
from tasks.retrieval.backend import Entry, Ranked, Row
from tasks.retrieval.encoding import Vectors

PASSAGE = ("document", "title", "source", "position", "text", "sha")

# 0.98 of the exact ten nearest is the least that is allowed at 100,000 rows. Of vectors with 48
# strong directions in 384, 300 queries: 0.993 found, in 8 ms; 1.000 of 20,000 rows.
EF_MIN, EF_MAX, EF_CONSTRUCTION = 256, 512, 128


def properties() -> list[Any]:
    """A collection's properties: filtered by whole values, searched in `words` alone."""
    from weaviate.classes.config import DataType, Property, Tokenization

    def text(name: str, filterable: bool = True, kind: DataType = DataType.TEXT) -> Property:
        return Property(
            name=name, data_type=kind, tokenization=Tokenization.FIELD,
            index_filterable=filterable, index_searchable=False,
        )  # fmt: skip

    searched = Property(
        name="words", data_type=DataType.TEXT, tokenization=Tokenization.WORD,
        index_filterable=False, index_searchable=True,
    )  # fmt: skip
    return [
        *(text(name) for name in ("document", "title", "source", "date", "sha")),
        text("tags", kind=DataType.TEXT_ARRAY),
        text("text", filterable=False),
        text("document_sha", filterable=False),
        Property(name="position", data_type=DataType.INT, index_filterable=True),
        searched,
    ]


def vector_config() -> Any:
    """Vectors of one's own in HNSW by cosine, unquantised whatever the server's default is."""
    from weaviate.classes.config import Configure, VectorDistances

    return Configure.Vectors.self_provided(
        quantizer=Configure.VectorIndex.Quantizer.none(),
        vector_index_config=Configure.VectorIndex.hnsw(
            distance_metric=VectorDistances.COSINE,
            ef_construction=EF_CONSTRUCTION,
            dynamic_ef_min=EF_MIN,
            dynamic_ef_max=EF_MAX,
        ),
    )


def data_object(row: Row, vector: Vectors) -> Any:
    """A row as it is inserted."""
    from weaviate.classes.data import DataObject

    chunk = row.chunk
    held = {name: getattr(chunk, name) for name in (*PASSAGE, "document_sha", "date")}
    held |= {"tags": list(chunk.tags), "words": words(chunk.text)}
    return DataObject(uuid=row.id, properties=held, vector=vector.tolist())


def where_filter(where: Mapping[str, str]) -> Any:
    """All fields equal their values; `tags` contains its one. None for no field."""
    from weaviate.classes.query import Filter

    fields = [
        Filter.by_property(field).contains_any([value])
        if field == "tags"
        else Filter.by_property(field).equal(value)
        for field, value in where.items()
    ]
    return Filter.all_of(fields) if fields else None


def entry_of(found: Any) -> Entry:
    """An object read back, without text and vector."""
    held = found.properties
    return Entry(held["document"], int(held["position"]), held["sha"], held["document_sha"])


def vector_of(found: Any) -> Vectors:
    """An object's vector, float32."""
    return np.asarray(found.vector["default"], dtype=np.float32)


def passage_of(found: Any, score: float) -> Passage:
    """An object read back, at six decimals: equal passages tie whatever the order of the sums."""
    held = {name: found.properties[name] for name in PASSAGE}
    tags = tuple(found.properties.get("tags") or ())
    return Passage(**held, tags=tags, score=round(score, 6))


def ranked(passages: Ranked) -> Ranked:
    """Best first, equal scores in the order of document and position."""
    return sorted(passages, key=lambda one: (-one.score, one.document, one.position))
