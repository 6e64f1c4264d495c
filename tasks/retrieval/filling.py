"""Fills a collection: chunks, embeds and writes what it lacks, deletes what is too much."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tasks.artifacts import Corpus, Document
from tasks.core.errors import InputError
from tasks.progress import progress
from tasks.retrieval.backend import Backend, Row, WriteFailed
from tasks.retrieval.chunking import chunk
from tasks.retrieval.encoding import Encoder
from tasks.retrieval.index_record import BuildReport, Manifest, Record, get_manifest
from tasks.retrieval.reconcile import Reconciliation
from tasks.run import IndexSpec
from tasks.store import iter_rows

SLICE = 2048  # chunks that are embedded and written at a time: what of a corpus is in memory


@dataclass(frozen=True)
class Job:
    """What one build is given, where it writes, and the present index with its record."""

    corpus: Corpus
    spec: IndexSpec
    name: str
    load: Callable[[str], Encoder]
    backend: Backend
    collection: str
    embedded_by: str
    sha: str
    records: Mapping[str, Record]
    present: Record | None

    def encoder(self) -> Encoder:
        """The encoder; loaded once something is to be chunked."""
        encoder = self.load(self.spec.encoder)
        if self.spec.chunk_tokens > encoder.max_tokens:
            raise InputError(
                "index.chunk_tokens", self.spec.chunk_tokens, f"at most {encoder.max_tokens}",
                f"{self.spec.encoder} reads no further: choose shorter chunks or another encoder.",
            )  # fmt: skip
        return encoder


class Filled(NamedTuple):
    """What a collection holds now, and what was done about it."""

    manifest: Manifest
    report: BuildReport
    dimension: int


def filled(job: Job) -> Filled:
    """Write what the collection lacks, slice by slice, then delete what is too much.

    Raises:
        InputError: no text in the corpus, or chunks longer than the encoder reads.
        WriteFailed: what is there at the end is not what should be.
    """
    there = job.collection in job.backend.collections(job.name)
    last = next((one for one in job.records.values() if one.collection == job.collection), None)
    plan = Reconciliation(
        job.backend.entries(job.collection) if there else {},
        get_manifest(last.manifest) if last and there else None,
    )
    embedded, pending = 0, list[Row]()
    with progress("index", job.corpus.count) as advance:
        for document in iter_rows(job.corpus.documents, Document):
            if not plan.keeps(document):
                _check_names(document)
                chunks = chunk(document, job.spec.chunk_tokens, job.encoder().count)
                pending += plan.rows(document, chunks)
            while len(pending) >= SLICE:
                embedded += _write(job, plan, pending[:SLICE])
                del pending[:SLICE]
            advance(1)
    embedded += _write(job, plan, pending)
    if not plan.wanted:
        raise InputError(
            "data.documents", f"{job.corpus.count} documents without text", "documents with text",
            "Point at a folder that holds some.",
        )  # fmt: skip
    job.backend.delete(job.collection, plan.superfluous())
    _verify(job, plan)
    dimension = last.index.dimension if last else job.encoder().dimension
    report = plan.report().model_copy(update={"embedded": embedded})
    return Filled(plan.wanted, report, dimension)


def _check_names(document: Document) -> None:
    """Names are kept as they are, so they must be text: a file's name may be any bytes."""
    for value in (document.id, document.title, document.source, *document.tags):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"document {document.source!a}", value.encode("utf-8", "backslashreplace").decode(),
                "names in UTF-8", "Rename it, or mend its title and tags.",
            ) from None  # fmt: skip


def _write(job: Job, plan: Reconciliation, rows: Sequence[Row]) -> int:
    """Write rows; only texts that the collection holds no vector of are embedded, and counted."""
    if not rows:
        return 0
    encoder, backend = job.encoder(), job.backend
    if job.collection not in backend.collections(job.name):
        backend.create(job.collection, encoder.dimension)
    held = {row.chunk.sha for row in rows} & plan.shas
    known = backend.vectors(job.collection, held) if held else {}
    missing = {row.chunk.sha: row.chunk.text for row in rows if row.chunk.sha not in known}
    if missing:
        fresh = encoder.encode(tuple(missing.values()), "document")
        known.update(zip(missing, fresh, strict=True))
    backend.write(job.collection, rows, np.stack([known[row.chunk.sha] for row in rows]))
    plan.shas.update(known)
    return len(missing)


def _verify(job: Job, plan: Reconciliation) -> None:
    there = job.backend.entries(job.collection)
    wrong = [row for row, one in plan.wanted.items() if there.get(row) != one]
    wrong += [row for row in there if row not in plan.wanted]
    if wrong:
        raise WriteFailed(wrong, f"{len(there)} are there, {len(plan.wanted)} should be")
