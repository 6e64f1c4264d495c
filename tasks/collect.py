"""Collects documents, questions and general knowledge: read, checked, counted and stored."""

import re
import unicodedata
from pathlib import Path
from typing import Literal, TypeVar

from tasks import store
from tasks.artifacts import Corpus, Document, General, GeneralItem, GeneralText, Value
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.questions import check_enough, collect_questions, read_questions
from tasks.reading import (
    TEXT_SUFFIXES,
    Row,
    as_value,
    files_in,
    filled,
    is_text,
    left_out,
    read_rows,
    read_text,
    require,
    tree_digest,
    unique,
)

__all__ = [
    "check_enough",
    "collect_documents",
    "collect_general",
    "collect_questions",
    "read_documents",
    "read_general_items",
    "read_general_text",
    "read_questions",
    "same_text",
    "tree_digest",
]

Model = TypeVar("Model", GeneralItem, GeneralText)

_HEADING = re.compile(r" {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")


class _DocumentRow(Value):
    id: str
    text: str
    title: str | None = None


def collect_documents(source: Path) -> Corpus:
    """Collect a folder of Markdown and text, or a `.jsonl` or `.csv` with id, text and title.

    In a folder, a document's id is its path without the suffix. Its title is the one given, else
    the first Markdown heading (`# …`), else the last part of the id. Empty documents, repetitions
    of a text (the first id is kept) and files of other kinds are left out and counted; hidden
    files are ignored. White space around a text is not part of it.

    Raises:
        InputError: the source or one of its documents is at fault, or none is left.
    """
    others, by_id, repeated = _found(source)
    empty = [name for name in by_id if not by_id[name].text]
    kept = _kept(by_id)
    repeated += [name for name in by_id if by_id[name].text and kept[by_id[name].sha].id != name]
    if not kept:
        seen = f"no documents ({len(others)} other files, {len(empty)} empty documents)"
        allowed = f"{', '.join(TEXT_SUFFIXES)} files, or rows with id and text"
        raise InputError(str(source), seen, allowed, "Name the folder that holds the documents.")
    reasons = {
        f"not {', '.join(TEXT_SUFFIXES)}": others,
        "empty": empty,
        "the same text as another document": repeated,
    }
    return Corpus(
        documents=store.put_rows(kept.values()), count=len(kept), dropped=left_out(reasons)
    )


def same_text(source: Path) -> dict[str, str]:
    """For each document left out as a repetition of a text: the id of the one that was kept."""
    _, by_id, _ = _found(source)
    kept = _kept(by_id)
    ids = {name: kept[document.sha].id for name, document in by_id.items() if document.text}
    return {name: first for name, first in ids.items() if name != first}


def _found(source: Path) -> tuple[list[str], dict[str, Document], list[str]]:
    """Files of other kinds, the documents by id in the order of ids, ids that came again."""
    require(source)
    others: list[str] = []
    if source.is_dir():
        files = files_in(source)
        others = [_relative(file, source) for file in files if not is_text(file)]
        found = [(str(file), _from_file(file, source)) for file in files if is_text(file)]
    else:
        rows = read_rows(source, list(_DocumentRow.model_fields), ["id", "text"])
        found = [(row.where, _from_row(row, source.name)) for row in rows]
    by_id, repeated = unique(found, ["text"])
    return others, dict(sorted(by_id.items())), repeated


def _kept(by_id: dict[str, Document]) -> dict[str, Document]:
    """The first document of each text, by the digest of its text."""
    kept: dict[str, Document] = {}
    for document in by_id.values():
        if document.text:
            kept.setdefault(document.sha, document)
    return kept


def _relative(file: Path, folder: Path) -> str:
    # Some file systems hand out decomposed letters; ids are compared with what people typed.
    return unicodedata.normalize("NFC", file.relative_to(folder).as_posix())


def _from_file(file: Path, folder: Path) -> Document:
    name = _relative(file, folder)
    return _document(name.removesuffix(file.suffix), None, read_text(file), name)


def _from_row(row: Row, source: str) -> Document:
    given = as_value(_DocumentRow, row)
    filled(row.where, "id", given.id)
    return _document(given.id, given.title, given.text, source)


def _document(name: str, title: str | None, text: str, source: str) -> Document:
    text = text.strip()
    title = title or _heading(text) or name.rpartition("/")[2]
    return Document(id=name, title=title, text=text, source=source, sha=digest.of_text(text))


def _heading(text: str) -> str:
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        match = None if fenced else _HEADING.fullmatch(line)
        if match and match[1]:
            return match[1]
    return ""


def read_documents(corpus: Corpus) -> tuple[Document, ...]:
    """The documents of a corpus, by id."""
    return store.get_rows(corpus.documents, Document)


def collect_general(items: Path, text: Path) -> General:
    """Collect what general knowledge is checked with, from two `.jsonl` files.

    Raises:
        InputError: a row is at fault, or no text is marked `replay` or none `heldout`.
    """
    checked = _general(items, GeneralItem)
    for where, item in checked:
        if len(item.choices) < 2 or not 0 <= item.answer < len(item.choices):
            raise InputError(
                f"{where}: answer", item.answer, "the position, from 0, of one of two or more "
                "choices", "Mend choices or answer.",
            )  # fmt: skip
    texts = _general(text, GeneralText)
    for split in ("replay", "heldout"):
        if all(one.split != split for _, one in texts):
            raise InputError(
                f"{text}: split", f"no row is {split}", "rows of both replay and heldout",
                f"Mark some rows with {split!r}.",
            )  # fmt: skip
    return General(
        items=store.put_rows(item for _, item in checked),
        text=store.put_rows(one for _, one in texts),
    )


def _general(path: Path, model: type[Model]) -> list[tuple[str, Model]]:
    rows = read_rows(path, suffixes=(".jsonl",))
    found = [(row.where, as_value(model, row)) for row in rows]
    unique(found, list(model.model_fields))
    return found


def read_general_items(general: General) -> tuple[GeneralItem, ...]:
    """The multiple-choice items, in the order in which they were given."""
    return store.get_rows(general.items, GeneralItem)


def read_general_text(
    general: General, split: Literal["replay", "heldout"] | None = None
) -> tuple[GeneralText, ...]:
    """The texts of one split or of all, in the order in which they were given."""
    texts = store.get_rows(general.text, GeneralText)
    return tuple(one for one in texts if split is None or one.split == split)
