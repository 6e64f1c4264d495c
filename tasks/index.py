"""The retrieval index behind one narrow interface: build, open, search, describe."""

import json
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from pydantic import ValidationError

from tasks import index_lancedb
from tasks.artifacts import Corpus, Document, Index, Passage, SearchMode, Value
from tasks.chunking import Chunk, chunk, clean
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.encoding import Encoder, Vectors, encoder_sha, load_encoder
from tasks.references import weights_digest
from tasks.run import IndexSpec
from tasks.services import services
from tasks.store import exists, get_rows, local_folder, put_folder, scratch

FORMAT = 1  # of what the backends write; a new number makes every index anew
FIELDS = ("document", "title", "source")

Found: TypeAlias = tuple[tuple[Passage, ...], ...]


@dataclass(frozen=True)
class Request:
    """What a backend is asked: no text is blank, `where` names only `FIELDS`.

    `vectors` has a row for each text; it is None in keyword mode, which needs no encoder.
    """

    texts: tuple[str, ...]
    vectors: Vectors | None
    k: int
    mode: SearchMode
    alpha: float
    where: Mapping[str, str]


@dataclass(frozen=True)
class Backend:
    """What holds an index, as four functions; the folder is all that names one to them.

    `write(folder, chunks, vectors)` fills an empty folder, `vectors(folder)` gives them back by
    the chunks' sha, `count(folder)` counts chunks, `finder(folder)` opens it once for many
    requests. A finder returns at most k passages for each text, best first, equal scores in the
    order of document and position.
    """

    write: Callable[[Path, Sequence[Chunk], Vectors], None]
    vectors: Callable[[Path], dict[str, Vectors]]
    count: Callable[[Path], int]
    finder: Callable[[Path], Callable[[Request], Found]]


BACKENDS: dict[str, Backend] = {
    "lancedb": Backend(
        index_lancedb.write, index_lancedb.vectors, index_lancedb.count, index_lancedb.finder
    ),
}


class Searcher(Protocol):
    """An opened index."""

    def search(
        self,
        queries: Sequence[str],
        k: int,
        mode: SearchMode,
        alpha: float = 0.5,
        where: Mapping[str, str] | None = None,
    ) -> Found:
        """At most k passages for each query, best first; a blank query finds nothing.

        `alpha` is the weight of vector search in hybrid mode; `where` keeps only passages whose
        fields equal the given values.

        Raises:
            InputError: k is below 1, or `where` names an unknown field.
        """

    def describe(self) -> dict[str, object]:
        """What the index holds and how it was made, as plain values."""


class _Built(Value):
    """The last index of a name, and the encoder, device and dtype of its vectors."""

    index: Index
    vectors: str


def build(
    corpus: Corpus, spec: IndexSpec, name: str, load: Callable[[str], Encoder] = load_encoder
) -> Index:
    """Build an index, or return the last one of this name if nothing it depends on changed.

    Passages that the last one held, under the same encoder, device and dtype, are not embedded
    again. The index enters the store by a rename at the end: it is whole or absent.

    Raises:
        InputError: no text in the corpus, or chunks longer than the encoder reads.
    """
    embedded_by = encoder_sha(spec.encoder)
    made_by = (FORMAT, version("semchunk"), spec.backend, spec.chunk_tokens, embedded_by)
    sha = digest.of_json([corpus.documents.sha, made_by])
    last = _last(name)
    if last and last.index.sha == sha:
        return last.index
    encoder = load(spec.encoder)
    chunks = _chunks(corpus, spec, encoder)
    reusable = last if last and last.vectors == embedded_by else None
    vectors = _embedded(chunks, encoder, reusable)
    folder = scratch(f"index-{name}")
    BACKENDS[spec.backend].write(folder, chunks, vectors)
    index = Index(
        name=name,
        backend=spec.backend,
        blob=put_folder(folder, "indexes"),
        sha=sha,
        corpus=corpus.documents.sha,
        encoder=spec.encoder,
        encoder_sha=encoder.weights,
        dimension=encoder.dimension,
        chunk_tokens=spec.chunk_tokens,
        chunks=len(chunks),
    )
    shutil.rmtree(folder)
    _remember(_Built(index=index, vectors=embedded_by))
    return index


def open_index(index: Index, load: Callable[[str], Encoder] = load_encoder) -> Searcher:
    """Open a built index for searching; the encoder is loaded by the first search that needs it.

    Raises:
        InputError: the index is gone or incomplete, or the encoder's weights have changed.
    """
    remedy = "Build the index again."
    if not exists(index.blob):
        raise InputError(f"index {index.name}", index.blob.uri, "an index in the store", remedy)
    weights = weights_digest(index.encoder)
    if weights != index.encoder_sha:
        raise InputError(
            f"index {index.name}: encoder", f"{index.encoder} ({weights})",
            f"the weights it was built with ({index.encoder_sha})", remedy,
        )  # fmt: skip
    folder, backend = local_folder(index.blob), BACKENDS[index.backend]
    count = backend.count(folder)
    if count != index.chunks:
        raise InputError(f"index {index.name}", count, f"{index.chunks} passages", remedy)
    return _Opened(index, backend.finder(folder), load)


@dataclass(frozen=True)
class _Opened:
    index: Index
    find: Callable[[Request], Found]
    load: Callable[[str], Encoder]

    def search(
        self,
        queries: Sequence[str],
        k: int,
        mode: SearchMode,
        alpha: float = 0.5,
        where: Mapping[str, str] | None = None,
    ) -> Found:
        """Encode all queries in one go and ask the backend for those that are not blank."""
        if k < 1:
            raise InputError("index.k", k, "1 or more", "Ask for at least one passage.")
        for field in where or {}:
            if field not in FIELDS:
                raise InputError("where", field, ", ".join(FIELDS), "Filter on one of these.")
        cleaned = [clean(query).strip() for query in queries]
        texts = tuple(text for text in cleaned if text)
        if not texts:
            return ((),) * len(cleaned)
        encode = None if mode == "keyword" else self.load(self.index.encoder).encode
        vectors = encode(texts, "query") if encode else None
        found = iter(self.find(Request(texts, vectors, k, mode, alpha, dict(where or {}))))
        return tuple(next(found) if text else () for text in cleaned)

    def describe(self) -> dict[str, object]:
        """The index's own fields, without where it is stored, and what `where` may name."""
        return {**self.index.model_dump(mode="json", exclude={"blob"}), "fields": FIELDS}


def _chunks(corpus: Corpus, spec: IndexSpec, encoder: Encoder) -> tuple[Chunk, ...]:
    if spec.chunk_tokens > encoder.max_tokens:
        raise InputError(
            "index.chunk_tokens", spec.chunk_tokens, f"at most {encoder.max_tokens}",
            f"{spec.encoder} reads no further: choose shorter chunks or another encoder.",
        )  # fmt: skip
    documents = get_rows(corpus.documents, Document)
    chunks = tuple(
        piece
        for document in documents
        for piece in chunk(document, spec.chunk_tokens, encoder.count)
    )
    if not chunks:
        raise InputError(
            "data.documents", f"{len(documents)} documents without text", "documents with text",
            "Point at a folder that holds some.",
        )  # fmt: skip
    return chunks


def _embedded(chunks: Sequence[Chunk], encoder: Encoder, last: _Built | None) -> Vectors:
    """A vector for each chunk; equal texts, and those the last index held, are not embedded."""
    known: dict[str, Vectors] = {}
    if last:
        known = BACKENDS[last.index.backend].vectors(local_folder(last.index.blob))
    missing = {chunk.sha: chunk.text for chunk in chunks if chunk.sha not in known}
    if missing:
        fresh = encoder.encode(tuple(missing.values()), "document")
        known.update(zip(missing, fresh, strict=True))
    return np.stack([known[chunk.sha] for chunk in chunks])


def _pointer(name: str) -> Path:
    return services().home / "indexes" / f"{name}.json"


def _last(name: str) -> _Built | None:
    """The last index of this name; None if there is none, or its data or note are gone."""
    try:
        built = _Built.model_validate(json.loads(_pointer(name).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None
    return built if exists(built.index.blob) else None


def _remember(built: _Built) -> None:
    pointer = _pointer(built.index.name)
    pointer.parent.mkdir(parents=True, exist_ok=True)
    part = pointer.with_suffix(f".{uuid.uuid4().hex}.part")
    part.write_text(built.model_dump_json(), encoding="utf-8")
    part.replace(pointer)
