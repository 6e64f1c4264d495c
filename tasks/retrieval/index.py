"""The retrieval index: built from a corpus, kept in step with it, swapped, listed, rolled back."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from tasks.artifacts import Corpus, Index, Question
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.models.references import weights_digest
from tasks.retrieval.backend import BACKENDS, Backend, backend_of, collection_name
from tasks.retrieval.canary import check_canaries, found_sources, share
from tasks.retrieval.encoding import Encoder, encoder_sha, load_encoder
from tasks.retrieval.filling import Filled, Job, filled
from tasks.retrieval.index_record import (
    BuildReport,
    Record,
    Version,
    get_manifest,
    put_manifest,
    read_records,
)
from tasks.retrieval.lock import alone
from tasks.run import IndexSpec
from tasks.sampling import shuffled
from tasks.store import get_bytes, room

READINGS = 5  # the name may move, and its old version go, between two readings
FORMAT = 2  # of rows and their ids; a new number makes every index anew


def build(
    corpus: Corpus,
    spec: IndexSpec,
    name: str,
    canaries: Sequence[Question] = (),
    load: Callable[[str], Encoder] = load_encoder,
    used: Collection[str] = (),
) -> Index:
    """Bring the index of this name in step with a corpus, at a cost that follows the change.

    Encoder and chunking as before: the collection is edited, new rows first. Another encoder or
    chunking fills a collection beside it, and the name moves there once it is whole and finds the
    sources of the canary questions as well as the present index does. A build that died is taken
    up where it stopped. The newest `spec.keep` versions stay, and those whose sha is in `used`.

    Raises:
        InputError: no text in the corpus, chunks longer than the encoder reads, canaries not
            found, a full disk, or another build of this name at work. The name points where it did.
            Or the name was moved meanwhile: by hand, or by a build on another machine.
        WriteFailed: rows that the backend did not take. The name points where it did.
    """
    backend, embedded_by = BACKENDS[spec.backend](name), encoder_sha(spec.encoder)
    settings = digest.of_json([FORMAT, version("semchunk"), spec.chunk_tokens, embedded_by])
    sha = digest.of_json([corpus.documents.sha, spec.backend, settings])
    with room(f"index {name} at {backend.uri}"), alone(name):
        records = read_records(backend, name)
        pointed = backend.current(name)
        present = records.get(pointed or "")
        if present and present.index.sha == sha and _whole(backend, present):
            return present.index
        collection = collection_name(name, settings)
        job = Job(corpus, spec, name, load, backend, collection, embedded_by, sha, records, present)
        known = shuffled([one for one in canaries if one.document], seed=0)
        index = _built(job, known[: spec.canaries])
        _check_pointer(backend, name, pointed)
        backend.swap(name, index.address)
        _prune(backend, name, spec.keep, used)
    return index


def index_report(index: Index) -> BuildReport:
    """What the build of an index did."""
    return _record(index).report


def manifest_of(index: Index) -> bytes:
    """The manifest of an index as JSON lines: row id, document, position and digests."""
    return get_bytes(_record(index).manifest)


def exists(index: Index) -> bool:
    """Whether an index is still what it was: not removed, and not refreshed in place."""
    record = read_records(backend_of(index), index.name).get(index.address)
    return record is not None and record.index.sha == index.sha


def latest(index: Index) -> Index:
    """What the name of an index points at now.

    Raises:
        InputError: the name points at nothing.
    """
    backend = backend_of(index)
    for _ in range(READINGS):
        address = backend.current(index.name)
        record = read_records(backend, index.name).get(address or "")
        if record:
            return record.index
    return _missing(index.name)


def versions(name: str, backend: str = "lancedb") -> tuple[Version, ...]:
    """The finished indexes of a name, newest first."""
    store = BACKENDS[backend](name)
    current = store.current(name)
    return tuple(
        Version(
            address=address,
            sha=record.index.sha,
            built=record.built,
            chunks=record.index.chunks,
            bytes=record.index.bytes,
            encoder=record.index.encoder,
            chunk_tokens=record.index.chunk_tokens,
            current=address == current,
        )
        for address, record in read_records(store, name).items()
        if record.accepted or address == current
    )


def rollback(name: str, backend: str = "lancedb") -> Index:
    """Point a name at the newest version that is older than the present one.

    Raises:
        InputError: there is none.
    """
    store = BACKENDS[backend](name)
    records = read_records(store, name)
    present = records.get(store.current(name) or "")
    if present is None:
        return _missing(name)
    older = [one for one in records.values() if one.accepted and one.built < present.built]
    if not older:
        raise InputError(
            f"index {name}", f"no version before {present.index.address}", "an older version",
            "Older ones were removed (index.keep), or there never was one.",
        )  # fmt: skip
    store.swap(name, older[0].index.address)
    return older[0].index


def prune(
    name: str, keep: int, used: Collection[str] = (), backend: str = "lancedb"
) -> tuple[str, ...]:
    """Remove all but the newest versions, the present one and those in use; what was removed."""
    with alone(name):
        return _prune(BACKENDS[backend](name), name, keep, used)


def _prune(backend: Backend, name: str, keep: int, used: Collection[str]) -> tuple[str, ...]:
    records = read_records(backend, name)
    accepted = [address for address, record in records.items() if record.accepted]
    kept = {*accepted[:keep], backend.current(name)}
    kept |= {address for address, record in records.items() if record.index.sha in used}
    finished = {record.collection for record in records.values()}
    unfinished = [one for one in backend.collections(name) if one not in finished]
    removed = (*(address for address in records if address not in kept), *unfinished)
    for address in removed:
        backend.drop(address)
    return removed


def _built(job: Job, canaries: Sequence[Question]) -> Index:
    """Fill the job's collection, check it, and keep it under an address of its own."""
    began, backend = time.perf_counter(), job.backend
    present = job.present
    before = found_sources(present.index, job, canaries, present.found) if present else {}
    done = filled(job)
    draft = _draft(job, done)
    address = backend.commit(job.collection, draft.model_dump_json())
    size = backend.size(address)
    index = draft.index.model_copy(update={"address": address, "bytes": size})
    documents = {one.document for one in done.manifest.values()}
    asked = [one for one in canaries if one.document in documents]
    found = found_sources(index, job, asked)
    recall = share(before, asked, job), share(found, asked, job)
    if draft.report.rebuilt:
        check_canaries(job, *recall)
    told = {"canaries": len(asked), "canary_before": recall[0], "canary_after": recall[1]}
    spent = {"seconds": time.perf_counter() - began, "bytes": size}
    report = draft.report.model_copy(update=told | spent)
    update = {"index": index, "report": report, "found": found, "accepted": True}
    record = draft.model_copy(update=update)
    final = backend.commit(job.collection, record.model_dump_json())
    if final != address:
        backend.drop(address)
    return index.model_copy(update={"address": final})


def _draft(job: Job, done: Filled) -> Record:
    """The record of a filled collection, before its canaries are asked."""
    present = job.present
    rebuilt = present is not None and present.collection != job.collection
    index = Index(
        name=job.name,
        backend=job.spec.backend,
        uri=job.backend.uri,
        address=job.collection,
        sha=job.sha,
        corpus=job.corpus.documents.sha,
        encoder=job.spec.encoder,
        encoder_sha=weights_digest(job.spec.encoder),
        embedded_by=job.embedded_by,
        dimension=done.dimension,
        chunk_tokens=job.spec.chunk_tokens,
        chunks=len(done.manifest),
        bytes=0,
    )
    return Record(
        index=index,
        collection=job.collection,
        built=datetime.now(UTC).isoformat(),
        manifest=put_manifest(done.manifest),
        report=done.report.model_copy(update={"rebuilt": rebuilt}),
        accepted=not rebuilt,
    )


def _check_pointer(backend: Backend, name: str, expected: str | None) -> None:
    """The lock is this machine's alone: what others did to the name meanwhile is not undone."""
    pointed = backend.current(name)
    if pointed != expected:
        raise InputError(
            f"index {name}", f"moved to {pointed} while this build was at work", str(expected),
            "Another machine builds it, or it was rolled back: run again.",
        )  # fmt: skip


def _whole(backend: Backend, record: Record) -> bool:
    """Whether an index holds what its manifest says."""
    return backend.entries(record.index.address) == get_manifest(record.manifest)


def _record(index: Index) -> Record:
    record = read_records(backend_of(index), index.name).get(index.address)
    if record is None or record.index.sha != index.sha:
        raise InputError(
            f"index {index.name}", index.address, f"the index with digest {index.sha}",
            "It was removed, or refreshed in place: build it again.",
        )  # fmt: skip
    return record


def _missing(name: str) -> Index:
    raise InputError("index", name, "the name of an index that was built", "Build it first.")
