"""What tests of collecting share: documents, read or made, and their settings."""

from pathlib import Path
from typing import Any

from tasks.artifacts import Document
from tasks.core import digest
from tasks.data.documents import collect_documents, read_documents
from tasks.run import Data


def documents(source: Path) -> dict[str, Document]:
    """The documents of a source by id, as they are read back from the store."""
    return {document.id: document for document in read_documents(collect_documents(source))}


def data(**changes: Any) -> Data:
    """Where a run finds its data, with these settings."""
    return Data(documents="documents", questions="questions", **changes)


def about(count: int) -> list[Document]:
    """Documents `d0`, `d1`, … to ask questions about."""
    return [
        Document(id=f"d{n}", title="", text=f"{n}", source="d", sha=digest.of_text(str(n)))
        for n in range(count)
    ]
