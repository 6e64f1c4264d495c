"""Brings the index of a run in step with its sources, and keeps what was done about it."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

from tasks.artifacts import SCHEMA_VERSION, Blob, Corpus, ExampleSet, Index, Question, Value
from tasks.core.errors import InputError
from tasks.data.documents import read_documents
from tasks.data.questions import collect_questions, known_sources
from tasks.data.rows import read_rows
from tasks.retrieval.backend import BACKENDS
from tasks.retrieval.index import build, index_report, manifest_of, versions
from tasks.retrieval.index_record import BuildReport, Version
from tasks.run import Data, IndexSpec
from tasks.store import put_bytes


class IndexBuild(Value):
    """What bringing an index in step with its sources did.

    `before` is the digest that the name pointed at, None where there was no index. `changed` says
    whether anything was done, mending included; `manifest` has a JSON line for each row.
    """

    schema_version: int = SCHEMA_VERSION
    index: Index
    before: str | None
    changed: bool
    report: BuildReport
    manifest: Blob


def follow_sources(
    corpus: Corpus,
    examples: ExampleSet,
    spec: IndexSpec,
    name: str,
    used: Callable[[], Collection[str]],
) -> IndexBuild:
    """Build the index of this name, or bring it in step, with the dev questions as canaries.

    `used` gives the digests of the indexes that must not be removed: see `index.build`, whose
    errors are raised here, too.
    """
    began = time.perf_counter()
    present = current(name, spec.backend)
    index = build(corpus, spec, name, known_sources(examples), used=used())
    now = current(name, spec.backend)
    changed = present is None or now is None or (now.sha, now.built) != (present.sha, present.built)
    report = index_report(index)
    if not changed:
        report = _untouched(report, index, time.perf_counter() - began)
    return IndexBuild(
        index=index,
        before=present.sha if present else None,
        changed=changed,
        report=report,
        manifest=put_bytes(manifest_of(index), ".jsonl"),
    )


def current(name: str, backend: str) -> Version | None:
    """The version that an index name points at, None where there is none."""
    return next((one for one in versions(name, backend) if one.current), None)


def listed(name: str, backend: str) -> tuple[Version, ...]:
    """The finished versions of an index, newest first.

    Raises:
        InputError: the backend is unknown, or nothing was built under this name.
    """
    if backend not in BACKENDS:
        raise InputError("--backend", backend, ", ".join(BACKENDS), "Choose one of these.")
    found = versions(name, backend)
    if not found:
        raise InputError(
            "index", f"{name} ({backend})", "the name of an index that was built",
            "Build it: `adapt index build RUNFILE`.",
        )  # fmt: skip
    return found


def is_current(index: Index) -> bool:
    """Whether the name of an index points at this very one."""
    now = current(index.name, index.backend)
    return now is not None and (now.address, now.sha) == (index.address, index.sha)


def present_settings(spec: IndexSpec, name: str) -> IndexSpec | None:
    """A spec with the chunk size that the present index has, where the spec names several.

    None where there is none to keep, so that it must be chosen. Alpha and k are those in the spec:
    an index does not depend on them, its canaries are only asked with them.
    """
    settled = spec.model_copy(update={"try_chunk_tokens": (), "try_alpha": (), "try_k": ()})
    if not spec.try_chunk_tokens:
        return settled
    present = current(name, spec.backend)
    if (
        present is None
        or present.encoder != spec.encoder
        or present.chunk_tokens not in spec.try_chunk_tokens
    ):
        return None
    return settled.model_copy(update={"chunk_tokens": present.chunk_tokens})


def collect_canaries(source: Path, corpus: Corpus, data: Data, seed: int) -> ExampleSet:
    """Collect questions, also about documents that are gone: those must not stop a refresh."""
    rows = read_rows(source, list(Question.model_fields), ["id", "question"], {"answers": "|"})
    named = {one: one for row in rows if isinstance(one := row.fields.get("document"), str)}
    known = {**named, **corpus.same_text}
    return collect_questions(source, read_documents(corpus), data, seed, known)


def _untouched(report: BuildReport, index: Index, seconds: float) -> BuildReport:
    """The report of a refresh that found all in place, from that of the last build."""
    documents = report.added + report.changed + report.moved + report.kept
    return BuildReport(kept=documents, chunks_kept=index.chunks, seconds=seconds, bytes=index.bytes)
