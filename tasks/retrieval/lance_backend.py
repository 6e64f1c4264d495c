"""The embedded index: LanceDB tables in a folder or bucket, whose old versions stay readable."""

import json
import math
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import fsspec

from tasks.artifacts import Passage
from tasks.core.errors import InputError
from tasks.retrieval.backend import Entry, Query, Ranked, Row, is_of
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.lance_tables import (
    age,
    among,
    batches,
    bring_up_to_date,
    collection_of,
    columns,
    condition,
    connection,
    schema,
    version_of,
)

EXACT_BELOW = 50_000  # rows; a full scan of so many vectors still takes milliseconds
PROBED = 0.2  # share of the partitions that a search reads from there on
IDS_AT_ONCE = 4096  # in one condition
CURRENT = "current.json"
STRINGS = ("id", "document", "title", "source", "date", "text", "sha", "document_sha")
SHOWN = ["document", "title", "source", "position", "text", "sha", "tags"]


class _Opened(NamedTuple):
    """A table as it was at a version, and how many partitions a vector search reads of it."""

    table: Any
    probes: int


@dataclass(frozen=True)
class LanceDB:
    """All collections of one index name, each a table under `uri`: see `index_backend.Backend`.

    An address is `collection@version-token`; the token keeps a table that was dropped and made
    again from being taken for what it was. Beside the tables stand `current.json` and a record
    for each address. LanceDB's own tags are not used: it refuses to clean up while one is old.
    """

    uri: str
    exact_below: int = EXACT_BELOW

    def collections(self, name: str) -> tuple[str, ...]:
        """The collections of an index name that exist, finished or not."""
        tables = (one.removesuffix(".lance") for one in self._names() if one.endswith(".lance"))
        return tuple(sorted(one for one in tables if is_of(name, one)))

    def create(self, collection: str, dimension: int) -> None:
        """Make an empty table for vectors of this length; what was said of a lost one is void."""
        fs, root = self._files()
        for address in self._addresses():
            if collection_of(address) == collection:
                fs.rm_file(f"{root}/{address}.json")
        connection(self.uri).create_table(collection, schema=schema(dimension))

    def entries(self, collection: str) -> dict[str, Entry]:
        """What is there, by row id; of an address: as it was."""
        columns = ["id", *Entry._fields]
        found = self._table(collection).search().select(columns).to_arrow()
        ids, *fields = (found[name].to_pylist() for name in columns)
        return dict(zip(ids, map(Entry._make, zip(*fields, strict=True)), strict=True))

    def vectors(self, collection: str, shas: Collection[str]) -> dict[str, Vectors]:
        """The stored vectors of these shas, as far as they are there."""
        table = self._table(collection)
        known: dict[str, Vectors] = {}
        for some in batches(shas):
            rows = table.search().where(among("sha", some)).select(["sha", "vector"]).to_arrow()
            stored = rows["vector"].combine_chunks()
            matrix = stored.flatten().to_numpy(zero_copy_only=False).reshape(len(stored), -1)
            known.update(zip(rows["sha"].to_pylist(), matrix, strict=True))
        return known

    def write(self, collection: str, rows: Sequence[Row], vectors: Vectors) -> None:
        """Insert rows, or replace those of equal id, as one version."""
        table = self._table(collection)
        dimension = table.schema.field("vector").type.list_size
        if vectors.shape[1] != dimension:
            raise InputError(
                f"collection {collection}: vector length", vectors.shape[1], str(dimension),
                "Drop this collection: it was not made by this encoder.",
            )  # fmt: skip
        merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(columns(rows, vectors))

    def delete(self, collection: str, ids: Collection[str]) -> None:
        """Remove rows; ids that are not there are fine."""
        table = self._table(collection)
        for some in batches(ids):
            table.delete(among("id", some))

    def commit(self, collection: str, record: str) -> str:
        """Index what was written since the last commit, keep the record, and give the address.

        Files that no kept version needs are deleted here, not by `drop`.
        """
        table = self._table(collection)
        finished = {
            version_of(one) for one in self._addresses() if collection_of(one) == collection
        }
        if table.version not in finished:
            bring_up_to_date(table, self.exact_below, age(table, finished))
        address = f"{collection}@{table.version}-{uuid.uuid4().hex[:8]}"
        self._put(f"{address}.json", record)
        return address

    def records(self, name: str) -> dict[str, str]:
        """The record of every finished address of an index name."""
        fs, root = self._files()
        there = self.collections(name)
        found: dict[str, str] = {}
        for one in self._addresses():
            if collection_of(one) in there:
                with suppress(FileNotFoundError):  # dropped by a build since it was listed
                    found[one] = fs.cat_file(f"{root}/{one}.json").decode()
        return found

    def current(self, name: str) -> str | None:
        """The address that the index name points at; None too where that note is damaged."""
        fs, root = self._files()
        try:
            return str(json.loads(fs.cat_file(f"{root}/{CURRENT}"))["address"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def swap(self, name: str, address: str) -> None:
        """Point the index name at another address, by a rename."""
        self._put(CURRENT, json.dumps({"address": address}))

    def drop(self, address: str) -> None:
        """Forget an address; its table goes with the last one of it."""
        fs, root = self._files()
        if "@" in address and fs.exists(f"{root}/{address}.json"):
            fs.rm_file(f"{root}/{address}.json")
        collection = collection_of(address)
        if collection not in map(collection_of, self._addresses()):
            connection(self.uri).drop_table(collection, ignore_missing=True)
        _at.cache_clear()

    def size(self, address: str) -> int:
        """Bytes of the rows and the search structures under an address."""
        table = self._table(address)
        return int(table.stats()["total_bytes"]) + sum(
            index.size_bytes or 0 for index in table.list_indices()
        )

    def near(self, address: str, query: Query) -> list[Ranked]:
        """By cosine similarity, all texts in one call."""
        table, probes = _at(self.uri, address, self.exact_below)
        search = table.search(query.vectors, vector_column_name="vector").distance_type("cosine")
        if probes:
            search = search.nprobes(probes)
        ranked: list[Ranked] = [[] for _ in query.texts]
        for row in _rows(search, query, "_distance"):
            # One text alone comes back without its number.
            ranked[row.get("query_index", 0)].append(_passage(row, 1 - row["_distance"]))
        return [_ordered(passages) for passages in ranked]

    def matching(self, address: str, query: Query) -> list[Ranked]:
        """By BM25; a match query takes quotes and operators for text."""
        from lancedb.query import MatchQuery

        table = _at(self.uri, address, self.exact_below).table
        searches = (table.search(MatchQuery(one, "text"), query_type="fts") for one in query.texts)
        return [
            _ordered(_passage(row, row["_score"]) for row in _rows(search, query, "_score"))
            for search in searches
        ]

    def passages(
        self, address: str, keys: Collection[tuple[str, int]]
    ) -> dict[tuple[str, int], Passage]:
        """The passages at these (document, position), as far as they are there."""
        table, wanted = _at(self.uri, address, self.exact_below).table, set(keys)
        found: dict[tuple[str, int], Passage] = {}
        for some in batches({document for document, _ in wanted}):
            positions = ",".join({str(position) for _, position in wanted})
            condition = f"{among('document', some)} AND position IN ({positions})"
            for row in table.search().where(condition).select(SHOWN).to_list():
                found[row["document"], row["position"]] = _passage(row, 0.0)
        return {key: passage for key, passage in found.items() if key in wanted}

    def _table(self, place: str) -> Any:
        """A collection as it is now, or as it was at an address."""
        if "@" in place:
            return _at(self.uri, place, self.exact_below).table
        return connection(self.uri).open_table(place)

    def _files(self) -> tuple[Any, str]:
        fs, root = fsspec.core.url_to_fs(self.uri)
        fs.invalidate_cache()
        return fs, root

    def _addresses(self) -> list[str]:
        names = (one.removesuffix(".json") for one in self._names() if one.endswith(".json"))
        return [one for one in names if "@" in one]

    def _names(self) -> list[str]:
        """What stands in the folder; LanceDB itself, which takes seconds to load, is not asked."""
        fs, root = self._files()
        if not fs.exists(root):
            return []
        return [str(path).rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False)]

    def _put(self, file: str, text: str) -> None:
        """Write a small file whole or not at all."""
        fs, root = self._files()
        fs.makedirs(root, exist_ok=True)
        part = f"{root}/{uuid.uuid4().hex}.part"
        fs.pipe_file(part, text.encode())
        fs.mv(part, f"{root}/{file}")


@lru_cache(maxsize=16)
def _at(uri: str, address: str, exact_below: int) -> _Opened:
    """Open an address once; what it names never changes."""
    fs, root = fsspec.core.url_to_fs(uri)
    if not fs.exists(f"{root}/{address}.json"):
        raise InputError("index", address, f"a version in {uri}", "Build the index again.")
    table = connection(uri).open_table(collection_of(address))
    table.checkout(version_of(address))
    rows = table.count_rows()
    return _Opened(table, math.ceil(PROBED * math.sqrt(rows)) if rows >= exact_below else 0)


def _rows(search: Any, query: Query, score: str) -> list[dict[str, Any]]:
    """The k best of what the filter leaves, without their vectors."""
    if query.where:
        search = search.where(condition(query.where))
    rows: list[dict[str, Any]] = search.select([*SHOWN, score]).limit(query.k).to_list()
    return rows


def _passage(row: Mapping[str, Any], score: float) -> Passage:
    # Six decimals, so that equal passages tie whatever the order of the sums. Validation would
    # take longer than the search.
    held = {name: row[name] for name in SHOWN} | {"tags": tuple(row["tags"] or ())}
    return Passage.model_construct(**held, score=round(float(score), 6))


def _ordered(passages: Iterable[Passage]) -> Ranked:
    return sorted(passages, key=lambda one: (-one.score, one.document, one.position))
