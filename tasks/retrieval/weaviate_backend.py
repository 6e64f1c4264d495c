"""The index on a Weaviate server: one collection for each encoder and chunking, one alias."""

from collections.abc import Collection, Sequence
from typing import Any

from tasks.artifacts import Passage
from tasks.core.errors import InputError
from tasks.core.words import words
from tasks.retrieval.backend import Entry, Query, Ranked, Row, is_of, prefix
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.weaviate_client import answering_weaviate, connect_weaviate
from tasks.retrieval.weaviate_faults import clear, gone
from tasks.retrieval.weaviate_rows import (
    PASSAGE,
    entry_of,
    passage_of,
    properties,
    ranked,
    vector_config,
    vector_of,
    where_filter,
)
from tasks.retrieval.weaviate_writing import (
    PAGE,
    READERS,
    delete,
    edited,
    in_threads,
    pages,
    restore,
    settle,
    write,
)
from tasks.services import services

MOST = 10_000  # QUERY_MAXIMUM_RESULTS of a server as it comes: no search returns more
SHAS = 500  # looked up at a time; with as many equal texts, 16 MB of 4,096 dimensions
ROUNDS = 3  # of restoring rows: what was inserted is looked for once more
KEYS = 100  # passages looked up at a time: each is a branch of the filter


class Weaviate:
    """The `Backend` of the server that the environment names.

    An address is a collection's name: its rows are edited in place, and its record is its
    description. An index name's alias is its `prefix`. Searches return at most `MOST` passages.
    While no server answers, one is waited for: 15 s to write, 8 s to search.
    """

    def __init__(self) -> None:
        self._whole: set[str] = set()  # collections not edited here since all rows were found

    @property
    def uri(self) -> str:
        """The server's URL, for people: the connection comes from the environment."""
        return services().weaviate_url

    def collections(self, name: str) -> tuple[str, ...]:
        """The collections of an index name, finished or not."""
        return tuple(sorted(_described(name)))

    def create(self, collection: str, dimension: int) -> None:
        """Make an empty collection; `dimension` is settled by the first vectors written."""
        with clear(collection):
            connect_weaviate().collections.create(
                collection, properties=properties(), vector_config=vector_config()
            )

    def entries(self, collection: str) -> dict[str, Entry]:
        """All rows by id, read with a cursor and without vectors."""
        with clear(collection):
            rows = edited(collection).iterator(
                return_properties=list(Entry._fields), cache_size=PAGE
            )
            return {str(row.uuid): entry_of(row) for row in rows}

    def vectors(self, collection: str, shas: Collection[str]) -> dict[str, Vectors]:
        """The stored vectors of these shas; equal texts have equal vectors."""
        found: dict[str, Vectors] = {}
        for left in pages(sorted(set(shas)), SHAS):
            while left:
                rows = _with_vectors(collection, left)
                found |= {row.properties["sha"]: vector_of(row) for row in rows}
                # A full page may have left some out: many rows can share one sha.
                left = [sha for sha in left if sha not in found] if len(rows) == 2 * SHAS else []
        return found

    def write(self, collection: str, rows: Sequence[Row], vectors: Vectors) -> None:
        """Insert or replace rows; a few requests are under way, and the next ones wait for them.

        Raises:
            WriteFailed: rows that were refused again and again, by id.
            InputError: vectors of another length, a read-only server, or none that answers.
        """
        _require(collection)  # else the server makes one up from what it is sent
        self._whole.discard(collection)
        write(collection, rows, vectors)

    def delete(self, collection: str, ids: Collection[str]) -> None:
        """Remove rows by id, in pages under the server's limit."""
        if ids:
            self._whole.discard(collection)
            settle(collection)  # what replaces them is found first
            delete(collection, sorted(ids))

    def commit(self, collection: str, record: str) -> str:
        """Have all rows found by vector, then keep the record as description."""
        if collection not in self._whole:
            settle(collection)
            for _ in range(ROUNDS):
                if not restore(collection):
                    break
                settle(collection)
            self._whole.add(collection)
        with clear(collection):
            connect_weaviate().collections.use(collection).config.update(description=record)
        return collection

    def records(self, name: str) -> dict[str, str]:
        """The descriptions of the collections that have one."""
        return {address: record for address, record in _described(name).items() if record}

    def current(self, name: str) -> str | None:
        """What the alias points at."""
        with clear(name):
            alias = connect_weaviate().alias.get(alias_name=prefix(name))
        return alias.collection if alias else None

    def swap(self, name: str, address: str) -> None:
        """Point the alias at another collection, in one change of the server's schema."""
        _require(address)
        with clear(address):
            alias = connect_weaviate().alias
            if not alias.update(alias_name=prefix(name), new_target_collection=address):
                alias.create(alias_name=prefix(name), target_collection=address)

    def drop(self, address: str) -> None:
        """Delete a collection, unless an alias points at it: the server would delete that too."""
        with clear(address):
            aliases = sorted(connect_weaviate().alias.list_all(collection=address))
            if not aliases:
                connect_weaviate().collections.delete(address)
        if aliases:
            raise InputError(
                f"Weaviate collection {address}", f"in use as {', '.join(aliases)}",
                "a collection that no alias points at", "Point the alias elsewhere first.",
            )  # fmt: skip

    def size(self, address: str) -> int:
        """An estimate: rows times what a hundred of them take on average, their text twice."""
        with clear(address):
            collection = connect_weaviate().collections.use(address)
            count = collection.aggregate.over_all(total_count=True).total_count or 0
            some = collection.query.fetch_objects(
                limit=100, include_vector=True, return_properties=["text"]
            ).objects
        taken = [2 * len(str(row.properties["text"]).encode()) for row in some]
        taken += [vector_of(row).nbytes for row in some]
        return count * sum(taken) // max(len(some), 1)

    def near(self, address: str, query: Query) -> list[Ranked]:
        """Cosine similarity by HNSW, one request for each text."""
        from weaviate.classes.query import MetadataQuery

        if query.vectors is None:
            raise ValueError("a search by vector needs vectors")
        search = answering_weaviate().collections.use(address).query.near_vector
        shared: dict[str, Any] = {
            "limit": min(query.k, MOST),
            "filters": where_filter(query.where),
            "return_metadata": MetadataQuery(distance=True),
            "return_properties": [*PASSAGE, "tags"],
        }

        def nearest(vector: Vectors) -> Ranked:
            with clear(address):
                found = search(vector.tolist(), **shared).objects
            return ranked([passage_of(one, 1 - one.metadata.distance) for one in found])

        return in_threads(nearest, list(query.vectors), READERS)

    def matching(self, address: str, query: Query) -> list[Ranked]:
        """BM25 over `words`, of which the server leaves out English stop words."""
        from weaviate.classes.query import MetadataQuery

        search = answering_weaviate().collections.use(address).query.bm25
        shared: dict[str, Any] = {
            "query_properties": ["words"],
            "limit": min(query.k, MOST),
            "filters": where_filter(query.where),
            "return_metadata": MetadataQuery(score=True),
            "return_properties": [*PASSAGE, "tags"],
        }

        def best(asked: str) -> Ranked:
            if not asked:
                return []
            with clear(address):
                found = search(asked, **shared).objects
            return ranked([passage_of(one, one.metadata.score) for one in found])

        return in_threads(best, [words(text) for text in query.texts], READERS)

    def passages(
        self, address: str, keys: Collection[tuple[str, int]]
    ) -> dict[tuple[str, int], Passage]:
        """Passages by document and position."""
        from weaviate.classes.query import Filter

        found: dict[tuple[str, int], Passage] = {}
        search = answering_weaviate().collections.use(address).query.fetch_objects
        for page in pages(sorted(set(keys)), KEYS):
            wanted = [
                where_filter({"document": document}) & Filter.by_property("position").equal(at)
                for document, at in page
            ]
            with clear(address):
                rows = search(
                    filters=Filter.any_of(wanted), limit=MOST, return_properties=[*PASSAGE, "tags"]
                ).objects
            passages = (passage_of(row, 0.0) for row in rows)
            found |= {(one.document, one.position): one for one in passages}
        return found


def _described(name: str) -> dict[str, str | None]:
    """The description of each collection of an index name."""
    with clear(name):
        listed = connect_weaviate().collections.list_all(simple=True)
    return {found: config.description for found, config in listed.items() if is_of(name, found)}


def _require(collection: str) -> None:
    with clear(collection):
        if not connect_weaviate().collections.exists(collection):
            raise gone(collection)


def _with_vectors(collection: str, shas: Sequence[str]) -> list[Any]:
    from weaviate.classes.query import Filter

    wanted, query = Filter.by_property("sha").contains_any(shas), edited(collection).query
    with clear(collection):
        found = query.fetch_objects(
            filters=wanted, limit=2 * SHAS, include_vector=True, return_properties=["sha"]
        )
    return list(found.objects)
