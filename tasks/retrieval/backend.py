"""What an index backend does: the narrow edge between this project and a vector store."""

import hashlib
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from tasks.artifacts import Index, Passage
from tasks.core import digest
from tasks.retrieval.chunking import Chunk
from tasks.retrieval.encoding import Vectors
from tasks.services import services

Ranked: TypeAlias = list[Passage]

FIELDS = ("document", "title", "source", "date", "tags")  # what `where` may name


class Row(NamedTuple):
    """A chunk under the id that it has in a collection."""

    id: str
    chunk: Chunk


class Entry(NamedTuple):
    """What is stored of a row, without its text and vector."""

    document: str
    position: int
    sha: str
    document_sha: str


def entry(chunk: Chunk) -> Entry:
    """What is kept of a chunk to know it again."""
    return Entry(chunk.document, chunk.position, chunk.sha, chunk.document_sha)


def row_id(one: Entry) -> str:
    """The id of a row, a UUID: equal rows have equal ids, and no two pairs of parts collide."""
    parts = (one.document, str(one.position), one.sha, one.document_sha)
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
    return str(uuid.UUID(bytes=hashlib.blake2b(joined, digest_size=16).digest()))


def prefix(name: str) -> str:
    """What an index name's collections begin with: letters, digits and _, a capital first.

    Names that differ have prefixes that differ, for a digest of the name stands at the end.
    """
    letters = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return (
        f"{'' if letters[:1].isalpha() else 'I'}{letters[:1].upper()}{letters[1:]}_{_short(name)}"
    )


def collection_name(name: str, settings: str) -> str:
    """The collection of an index name for one encoder and chunking, by their digest."""
    return f"{prefix(name)}_{settings[:12]}"


def is_of(name: str, collection: str) -> bool:
    """Whether a collection belongs to an index name."""
    return re.fullmatch(re.escape(prefix(name)) + r"_[0-9a-f]{12}", collection) is not None


def _short(name: str) -> str:
    return digest.of_text(name)[:8]


@dataclass(frozen=True)
class Query:
    """What a backend is asked: no text is blank, `where` names only `FIELDS`.

    `vectors` has a row for each text, None where no vector search is wanted. A field equals its
    value; `tags` contains it.
    """

    texts: tuple[str, ...]
    vectors: Vectors | None
    k: int
    where: Mapping[str, str]


class Backend(Protocol):
    """One vector store, seen by one index name's collections.

    A collection holds the rows of one encoder and one chunking. Its rows may be edited; `commit`
    ends a round of edits and gives the address under which that state is searched. A backend
    with versions (LanceDB) gives each commit an address of its own, and older ones stay as they
    were; one without (Weaviate) gives the collection's name again. The record is a JSON text
    that travels with an address; an address without one was never finished.
    """

    @property
    def uri(self) -> str:
        """Where the store is: kept with each index."""

    def collections(self, name: str) -> tuple[str, ...]:
        """The collections of an index name that exist, finished or not."""

    def create(self, collection: str, dimension: int) -> None:
        """Make an empty collection for vectors of this length."""

    def entries(self, collection: str) -> dict[str, Entry]:
        """What is really there, by row id, as of the last edit.

        Given an address of a backend with versions, what is there under that address.
        """

    def vectors(self, collection: str, shas: Collection[str]) -> dict[str, Vectors]:
        """The stored vectors of these chunks' shas, as far as they are there."""

    def write(self, collection: str, rows: Sequence[Row], vectors: Vectors) -> None:
        """Insert rows, or replace those of equal id.

        Raises:
            WriteFailed: some rows did not arrive, after retries; it names their ids.
        """

    def delete(self, collection: str, ids: Collection[str]) -> None:
        """Remove rows; ids that are not there are fine."""

    def commit(self, collection: str, record: str) -> str:
        """End a round of edits: all of it is searchable, and the record is kept. The address."""

    def records(self, name: str) -> dict[str, str]:
        """The record of every finished address of an index name."""

    def current(self, name: str) -> str | None:
        """The address that an index name points at."""

    def swap(self, name: str, address: str) -> None:
        """Point an index name at another address, at once."""

    def drop(self, address: str) -> None:
        """Forget an address, and its collection if no other address is left of it.

        Given the name of a collection that has no address, drop that.
        """

    def size(self, address: str) -> int:
        """Bytes on disk, as far as the store tells; else an estimate by rows."""

    def near(self, address: str, query: Query) -> list[Ranked]:
        """By cosine similarity (the score), best first, at most k for each text."""

    def matching(self, address: str, query: Query) -> list[Ranked]:
        """By BM25 of the words alone: operators in a text mean nothing."""

    def passages(
        self, address: str, keys: Collection[tuple[str, int]]
    ) -> dict[tuple[str, int], Passage]:
        """The passages at these (document, position), as far as they are there; score 0."""


class WriteFailed(Exception):  # noqa: N818
    """Rows that a store did not take, by id, with what it said of the first."""

    def __init__(self, ids: Sequence[str], said: str) -> None:
        super().__init__(f"{len(ids)} passages were not written ({', '.join(ids[:3])}…): {said}")
        self.ids = tuple(ids)


def _lancedb(name: str) -> Backend:
    from tasks.retrieval.lance_backend import LanceDB

    return LanceDB(f"{services().store}/indexes/{name}")


def _weaviate(name: str) -> Backend:
    from tasks.retrieval.weaviate_backend import Weaviate

    return Weaviate()


BACKENDS: dict[str, Callable[[str], Backend]] = {"lancedb": _lancedb, "weaviate": _weaviate}


def backend_of(index: Index) -> Backend:
    """The backend that holds a built index: LanceDB's where the index says that it is."""
    from tasks.retrieval.lance_backend import LanceDB

    return LanceDB(index.uri) if index.backend == "lancedb" else BACKENDS[index.backend](index.name)
