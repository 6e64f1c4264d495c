"""LanceDB tables as this project lays them out: columns, conditions, upkeep."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from tasks.retrieval.backend import Row
from tasks.retrieval.encoding import Vectors

IDS_AT_ONCE = 4096  # in one condition
STRINGS = ("id", "document", "title", "source", "date", "text", "sha", "document_sha")


def connection(uri: str) -> Any:
    """The folder or bucket that tables stand in."""
    import lancedb

    return lancedb.connect(uri)


def collection_of(address: str) -> str:
    """The table that an address is a version of."""
    return address.partition("@")[0]


def version_of(address: str) -> int:
    """Which version of its table an address is."""
    return int(address.partition("@")[2].partition("-")[0])


def schema(dimension: int) -> Any:
    """The columns, in order."""
    import pyarrow as pa

    fields = [pa.field(name, pa.string()) for name in STRINGS]
    fields += [pa.field("position", pa.int32()), pa.field("tags", pa.list_(pa.string()))]
    return pa.schema([*fields, pa.field("vector", pa.list_(pa.float32(), dimension))])


def columns(rows: Sequence[Row], vectors: Vectors) -> Any:
    """Rows and their vectors as an Arrow table; vectors are (rows, dimension)."""
    import pyarrow as pa

    names = (*STRINGS[1:], "position")
    columns: dict[str, Any] = {name: [getattr(row.chunk, name) for row in rows] for name in names}
    columns["id"] = [row.id for row in rows]
    columns["tags"] = [list(row.chunk.tags) for row in rows]
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(columns, schema=schema(vectors.shape[1]))


def bring_up_to_date(table: Any, exact_below: int, older_than: timedelta) -> None:
    """Bring both search structures up to date; a change adds to them, it does not make them anew.

    From `exact_below` rows on, vector search is approximate (IVF, cosine). BM25 may count words of
    deleted rows until their part of the index is merged: scores were seen to differ by 3% from
    those of an index made anew.
    """
    from lancedb.index import FTS, IvfFlat

    indexed = {index.columns[0] for index in table.list_indices()}
    table.optimize(cleanup_older_than=older_than)
    if "text" not in indexed:
        table.create_index("text", config=FTS())
    if "vector" not in indexed and table.count_rows() >= exact_below:
        table.create_index("vector", config=IvfFlat(distance_type="cosine"))


def age(table: Any, kept: Collection[int]) -> timedelta:
    """How old a version must be for its files to go: a second older than all that are kept."""
    now = time.time()
    versions = table.list_versions()
    times = [one["timestamp"].timestamp() for one in versions if one["version"] in kept]
    return timedelta(seconds=max(now - min(times, default=now), 0.0) + 1)


def condition(where: Mapping[str, str]) -> str:
    """A filter in SQL: fields equal their values, tags contain theirs; empty without any."""
    return " AND ".join(
        f"array_has(tags, {quoted(value)})" if field == "tags" else f"{field} = {quoted(value)}"
        for field, value in where.items()
    )


def among(column: str, values: Collection[str]) -> str:
    """The condition that a column is one of these values."""
    return f"{column} IN ({','.join(map(quoted, values))})"


def quoted(value: str) -> str:
    """A SQL string; quotes are doubled and nothing else means anything in it."""
    return "'" + value.replace("'", "''") + "'"


def batches(values: Collection[str]) -> Iterable[list[str]]:
    """Values in some order, as many at a time as one condition takes."""
    ordered = sorted(values)
    return (ordered[at : at + IDS_AT_ONCE] for at in range(0, len(ordered), IDS_AT_ONCE))
