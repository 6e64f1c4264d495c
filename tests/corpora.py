"""Documents and corpora as collecting leaves them in the store, and an index by hand."""

from collections.abc import Iterable, Mapping

from tasks.artifacts import Corpus, Document, Index
from tasks.core import digest
from tasks.store import put_rows


def document(name: str, text: str, **more: object) -> Document:
    """A document whose title is its name, from a Markdown file of that name."""
    given = {"id": name, "title": name, "text": text, "source": f"{name}.md"}
    return Document.model_validate(given | {"sha": digest.of_text(text)} | more)


def stored(documents: Iterable[Document]) -> Corpus:
    """The corpus of these documents, in their order."""
    rows = list(documents)
    return Corpus(documents=put_rows(rows), count=len(rows))


def corpus_of(texts: Mapping[str, str], **more: object) -> Corpus:
    """A corpus of texts by document name, all with the same further fields."""
    return stored(document(name, text, **more) for name, text in texts.items())


def index_of_nothing(**changes: object) -> Index:
    """An index that was never built, for what only passes it on."""
    given = {
        "name": "harbour", "backend": "lancedb", "uri": "nowhere", "address": "harbour@1",
        "sha": "index-1", "corpus": "c", "encoder": "e", "encoder_sha": "es", "embedded_by": "eb",
        "dimension": 3, "chunk_tokens": 96, "chunks": 4, "bytes": 1,
    }  # fmt: skip
    return Index.model_validate(given | changes)
