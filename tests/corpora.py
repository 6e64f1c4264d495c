"""Documents and corpora as collecting leaves them in the store."""

from collections.abc import Iterable, Mapping

from tasks.artifacts import Corpus, Document
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
