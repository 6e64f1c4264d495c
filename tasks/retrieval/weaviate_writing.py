"""Rows into a Weaviate collection so that none is lost: sent again, flushed, found by vector."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from tasks.core.errors import InputError
from tasks.retrieval.backend import Row, WriteFailed
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.retrieval.weaviate_faults import clear, stop_if_lasting
from tasks.retrieval.weaviate_rows import data_object, vector_of

BATCH, WRITERS = 250, 2  # objects in a request, and requests at a time
READERS = 8  # searches at a time
PAGE = 5_000  # rows deleted at a time: half of what the server allows as it comes
WHOLE = 500  # rows read with text and vector at a time
PAUSES = (0.5, 1, 2, 4)  # seconds before refused rows are sent again
TOLERATED = 0.001  # of the rows may be missed by a search through the whole vector index
STALLED = 60  # seconds in which the vector index takes in nothing

T = TypeVar("T")
U = TypeVar("U")


def write(collection: str, rows: Sequence[Row], vectors: Vectors) -> None:
    """Insert or replace rows; a few requests are under way, and the next ones wait for them.

    Raises:
        WriteFailed: rows that were refused again and again, by id.
        InputError: vectors of another length, a read-only server, or none that answers.
    """

    def convert_and_send(page: tuple[Sequence[Row], Vectors]) -> dict[str, str]:
        return _sent(collection, [data_object(*pair) for pair in zip(*page, strict=True)])

    _send(list(zip(pages(rows, BATCH), pages(vectors, BATCH), strict=True)), convert_and_send)
    if rows:
        flush(collection, data_object(rows[-1], vectors[-1]))


def flush(collection: str, stored: Any) -> None:
    """Have what was written survive a server that is killed, by sending one object again.

    A server that indexes vectors as they come flushes its logs while the last ones of a batch
    are still on their way into the index (1.36): those would be there without being found.
    An object that has not changed adds nothing, but its batch flushes what came before.
    """
    _sent(collection, [stored])


def settle(collection: str) -> None:
    """Wait for a server that indexes vectors behind the writes (ASYNC_INDEXING)."""
    least, since = -1, time.monotonic()
    while waiting := _waiting(collection):
        if least < 0 or waiting < least:
            least, since = waiting, time.monotonic()
        if time.monotonic() - since > STALLED:
            raise InputError(
                f"Weaviate collection {collection}", f"{waiting} vectors waiting to be indexed",
                "a queue that gets shorter", "Look at the server's log, then run again.",
            )  # fmt: skip
        time.sleep(0.2)


def restore(collection: str) -> int:
    """Insert anew what is stored but not found; how many rows that were.

    A server that was killed while it was written to leaves rows in its store that its vector
    index, its inverted index or both don't know, and inserting them again as they are changes
    nothing: they are deleted first. Seeing that nothing is amiss takes two counts; only where
    rows are missing from one of them, each row is looked for.
    """
    held = edited(collection)
    with clear(collection):
        lost = [] if _all_are_indexed(held) else _lost(held)
    for page in pages(lost, WHOLE):
        _delete_singly(collection, [row.uuid for row in page])
        objects = [_again(row) for row in page]
        _send(list(pages(objects, BATCH)), lambda batch: _sent(collection, batch))
        flush(collection, objects[-1])
    return len(lost)


def delete(collection: str, ids: Sequence[str]) -> None:
    """Remove rows by id, in pages under the server's limit."""
    from weaviate.classes.query import Filter

    for page in pages(ids, PAGE):
        with clear(collection):
            done = edited(collection).data.delete_many(where=Filter.by_id().contains_any(page))
            if done.failed:  # the reply tells no reason
                shards = edited(collection).config.get_shards()
                stop_if_lasting(collection, " ".join(shard.status for shard in shards))
        if done.failed:
            raise InputError(
                f"Weaviate collection {collection}", f"{done.failed} rows not deleted", "none",
                "Look at the server's log, then run again.",
            )  # fmt: skip
        if done.matches < len(page):  # a filter misses what a killed server did not index
            _delete_singly(collection, page)


def edited(collection: str) -> Any:
    """A collection of which most replicas take part in each reading and writing."""
    from weaviate.classes.config import ConsistencyLevel

    found = connect_weaviate().collections.use(collection)
    return found.with_consistency_level(ConsistencyLevel.QUORUM)


def in_threads(call: Callable[[T], U], given: Sequence[T], threads: int) -> list[U]:
    """Call for each, some at a time; results in the order given, no more calls after a fault."""
    if len(given) < 2:
        return [call(one) for one in given]
    pool = ThreadPoolExecutor(min(threads, len(given)))
    try:
        return list(pool.map(call, given))
    finally:
        pool.shutdown(cancel_futures=True)


def pages(things: Any, size: int) -> Iterator[Any]:
    """Slices of a sequence or an array."""
    return (things[start : start + size] for start in range(0, len(things), size))


def _send(given: Sequence[T], send: Callable[[T], dict[str, str]]) -> None:
    failed: dict[str, str] = {}
    for failures in in_threads(send, given, WRITERS):
        failed |= failures
    if failed:
        raise WriteFailed(sorted(failed), next(iter(failed.values())))


def _sent(collection: str, objects: Sequence[Any]) -> dict[str, str]:
    """Send a batch, and again what of it was refused: what is left at the end, by id."""
    left = list(objects)
    for pause in (*PAUSES, None):
        refused = _refused(collection, left)
        if not refused or pause is None:
            break
        left = [one for one in left if one.uuid in refused]
        time.sleep(pause)
    return refused


def _refused(collection: str, objects: Sequence[Any]) -> dict[str, str]:
    """Insert objects: what the server said of each that it did not take, by id."""
    from weaviate.exceptions import WeaviateInsertManyAllFailedError

    with clear(collection):
        try:
            done = edited(collection).data.insert_many(objects)
            refused = {objects[at].uuid: error.message for at, error in done.errors.items()}
        except WeaviateInsertManyAllFailedError as fault:
            refused = {one.uuid: str(fault) for one in objects}
    for said in set(refused.values()):
        stop_if_lasting(collection, said)
    return refused


def _waiting(collection: str) -> int:
    with clear(collection):
        nodes = connect_weaviate().cluster.nodes(collection=collection, output="verbose")
    return sum(shard.vector_queue_length for node in nodes for shard in node.shards or ())


def _delete_singly(collection: str, ids: Sequence[Any]) -> None:
    """Remove rows by their key in the store, which needs no index; those not there are skipped."""

    def remove(one: Any) -> None:
        with clear(collection):
            edited(collection).data.delete_by_id(one)

    in_threads(remove, ids, WRITERS)


def _lost(held: Any) -> list[Any]:
    """The stored rows, whole, that a search by their own vector or a filter does not find."""
    lost = list[Any]()

    def misses(row: Any) -> bool:
        near = held.query.near_vector(vector_of(row).tolist(), limit=10, return_properties=[])
        return row.uuid not in {one.uuid for one in near.objects}

    every = held.iterator(include_vector=True, cache_size=WHOLE)
    rows = (row for row in every)  # the client's iterator begins anew for each islice
    while page := list(islice(rows, WHOLE)):
        filtered = held.query.fetch_objects_by_ids(
            [row.uuid for row in page], limit=WHOLE, return_properties=[]
        )
        known = {one.uuid for one in filtered.objects}
        missed = in_threads(misses, page, READERS)
        lost += [
            row
            for row, unreached in zip(page, missed, strict=True)
            if unreached or row.uuid not in known
        ]
    return lost


def _all_are_indexed(held: Any) -> bool:
    """Whether a filter that all rows pass counts all, and a search for all reaches nearly all.

    That search goes by links, as any without a filter: a few rows that no link leads to are in
    the nature of the vector index.
    """
    from weaviate.classes.query import Filter

    count = held.aggregate.over_all(total_count=True).total_count
    some = held.query.fetch_objects(limit=1, include_vector=True).objects
    if not some:
        return True
    first = Filter.by_property("position").greater_or_equal(0)
    indexed = held.aggregate.over_all(total_count=True, filters=first).total_count
    reached = held.aggregate.near_vector(
        vector_of(some[0]).tolist(), object_limit=count, total_count=True
    )
    return bool(indexed == count and count - reached.total_count <= TOLERATED * count)


def _again(found: Any) -> Any:
    from weaviate.classes.data import DataObject

    return DataObject(
        uuid=str(found.uuid), properties=found.properties, vector=vector_of(found).tolist()
    )
