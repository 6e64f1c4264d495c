"""What is kept of each finished index: a record in its backend, a manifest in the store."""

import json
from collections.abc import Iterator
from typing import TypeAlias

from pydantic import Field

from tasks.artifacts import Blob, Index, Value
from tasks.core.errors import InputError
from tasks.retrieval.backend import Backend, Entry
from tasks.store import get_bytes, put_bytes

Manifest: TypeAlias = dict[str, Entry]  # by row id


class BuildReport(Value):
    """What a build did: counts of documents and chunks, seconds, bytes, canaries' recall.

    Counted against the collection that was filled, so a rebuild adds every document. A moved
    document has another id and the same text. `chunks_kept` were there already, `embedded` counts
    texts. Drift is what the manifest and the collection disagreed on: rows `missing` from the
    collection and rows it had `extra`, both mended. Recall is None where nothing was asked.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    moved: int = 0
    kept: int = 0
    chunks_written: int = 0
    chunks_deleted: int = 0
    chunks_kept: int = 0
    embedded: int = 0
    drift_missing: int = 0
    drift_extra: int = 0
    seconds: float = 0.0
    bytes: int = 0
    canaries: int = 0
    canary_before: float | None = None
    canary_after: float | None = None
    rebuilt: bool = False


class Record(Value):
    """What a backend keeps with an address; one that is not `accepted` failed its checks.

    `found` says which canary questions found their source, by a digest of each.
    """

    index: Index
    collection: str
    built: str
    manifest: Blob
    report: BuildReport
    accepted: bool
    found: dict[str, bool] = Field(default_factory=dict)


class Version(Value):
    """A finished index as a list shows it; `built` is an ISO time, UTC."""

    address: str
    sha: str
    built: str
    chunks: int
    bytes: int
    encoder: str
    chunk_tokens: int
    current: bool


def read_records(backend: Backend, name: str) -> dict[str, Record]:
    """The records of an index name by address, newest first; the index knows its address.

    One that cannot be read, as of another release, counts as none: its collection is unfinished.
    """
    found: dict[str, Record] = {}
    for address, text in backend.records(name).items():
        try:
            record = Record.model_validate(json.loads(text))
        except ValueError:
            continue
        index = record.index.model_copy(update={"address": address})
        found[address] = record.model_copy(update={"index": index})
    return dict(sorted(found.items(), key=lambda one: one[1].built, reverse=True))


def put_manifest(manifest: Manifest) -> Blob:
    """Store a manifest as JSON lines of id and entry."""
    lines = (json.dumps({"id": id, **entry._asdict()}) + "\n" for id, entry in manifest.items())
    return put_bytes("".join(lines).encode(), ".jsonl")


def get_manifest(blob: Blob) -> Manifest | None:
    """Read a manifest back; None if it is gone or damaged."""
    try:
        text = get_bytes(blob).decode()
    except (FileNotFoundError, InputError):
        return None
    return dict(_entries(text))


def _entries(text: str) -> Iterator[tuple[str, Entry]]:
    for line in text.splitlines():
        row = json.loads(line)
        yield row.pop("id"), Entry(**row)
