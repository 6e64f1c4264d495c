"""What Weaviate and its client report, said so that a person can mend it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.core.errors import InputError
from tasks.retrieval.weaviate_client import not_answering
from tasks.services import services

STORED = re.compile(r"vector with length (?P<found>\d+)\D+ vectors with length (?P<held>\d+)")
SOUGHT = re.compile(r"query node: (?P<held>\d+) vs (?P<found>\d+)")
SILENT = ("unavailable", "deadline exceeded", "connection refused", "socket closed")


@contextmanager
def clear(collection: str) -> Iterator[None]:
    """Say what happened where a person can mend it; other faults are clear as they are.

    Raises:
        InputError: no server answers, it is read-only, the collection is gone, or vectors have
            another length than its own.
    """
    import httpx
    from weaviate import exceptions as faults

    mute = (
        faults.WeaviateConnectionError, faults.WeaviateTimeoutError, faults.WeaviateRetryError,
        httpx.TransportError,
    )  # fmt: skip
    try:
        yield
    except (faults.WeaviateBaseError, httpx.TransportError) as fault:
        said = str(fault)
        if isinstance(fault, mute) or any(sign in said.lower() for sign in SILENT):
            raise _silent(said) from None
        if "could not find class" in said or getattr(fault, "status_code", None) == 404:
            raise gone(collection) from None
        stop_if_lasting(collection, said)
        raise


def stop_if_lasting(collection: str, said: str) -> None:
    """Raise an `InputError` for what no second try mends."""
    where = f"Weaviate collection {collection}"
    lengths = STORED.search(said) or SOUGHT.search(said)
    if lengths:
        raise InputError(
            where, f"a vector of {lengths['found']} numbers",
            f"{lengths['held']}, as those that it holds",
            "Use the encoder that it was built with, or give the new index another name.",
        )  # fmt: skip
    if "read-only" in said.lower() or "readonly" in said.lower():
        raise InputError(
            where, "read-only", "a collection that takes rows",
            "The server's disk or memory is probably full (DISK_USE_READONLY_PERCENTAGE): make "
            "room and run again. What was in the index is as it was.",
        )  # fmt: skip


def gone(collection: str) -> InputError:
    """The error for a collection that is not there."""
    remedy = "Build the index again."
    return InputError(f"Weaviate collection {collection}", "gone", "a collection there", remedy)


def _silent(said: str) -> InputError:
    not_answering()
    return InputError(
        "WEAVIATE_URL", f"{services().weaviate_url} ({' '.join(said.split())[:200]})",
        "a server that answers",
        "Start it, or wait until it answers, and run again: a build goes on where it stopped.",
    )  # fmt: skip
