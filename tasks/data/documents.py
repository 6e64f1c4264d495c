"""Collects documents: read one at a time, checked, each text kept once, and stored by id."""

import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from tasks import store
from tasks.artifacts import Corpus, Document, Value
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.data.headings import first_heading
from tasks.data.metadata import Metadata, date_of, front_matter, tags_of, title_of
from tasks.data.reading import (
    TEXT_SUFFIXES,
    files_in,
    filled,
    is_text,
    left_out,
    read_text,
    require,
    unique,
)
from tasks.data.rows import as_value, read_rows
from tasks.retrieval.chunking import clean, is_blank

MAX_ID = 4096  # characters, as in the longest path; it stands with every passage


class _DocumentRow(Value):
    id: str
    text: str
    title: str | None = None
    date: str | None = None
    tags: tuple[str, ...] | None = None


class _Spooled(NamedTuple):
    """A document that waits in the spool at offset `at`; `text` is its digest, "" if blank."""

    id: str
    text: str
    at: int


def collect_documents(source: Path) -> Corpus:
    """Collect a folder of Markdown and text, or a `.jsonl` or `.csv` with id and text.

    In a folder, a document's id is its path without the suffix. Its title is the one given, else
    the first Markdown heading (`# …`), else the last part of the id. Title, date and tags are
    given by Markdown's front matter, or in rows by fields of these names (in CSV, tags are parted
    at commas or semicolons). Blank documents, repetitions of a text (the first id is kept) and
    files of other kinds are left out and counted; hidden files are ignored. White space around a
    text is not part of it. Texts wait in a temporary file: memory grows with the number of
    documents only.

    Raises:
        InputError: the source or one of its documents is at fault, or none is left.
    """
    require(source)
    others: list[str] = []
    found = _in_folder(source, others) if source.is_dir() else _in_rows(source)
    with tempfile.TemporaryFile() as spool:
        by_id, repeated = unique(((where, _spooled(spool, one)) for where, one in found), ["text"])
        kept, same = _first_of_each(by_id)
        empty = [name for name in sorted(by_id) if not by_id[name].text]
        if not kept:
            seen = f"no documents ({len(others)} other files, {len(empty)} empty documents)"
            raise InputError(
                str(source), seen, f"{', '.join(TEXT_SUFFIXES)} files, or rows with id and text",
                "Name the folder that holds the documents.",
            )  # fmt: skip
        reasons = {
            f"not {', '.join(TEXT_SUFFIXES)}": others,
            "empty": empty,
            "the same text as another document": [*repeated, *same],
        }
        documents = store.put_rows(_from_spool(spool, one) for one in kept)
    return Corpus(documents=documents, count=len(kept), dropped=left_out(reasons), same_text=same)


def read_documents(corpus: Corpus) -> tuple[Document, ...]:
    """The documents of a corpus, by id."""
    return store.get_rows(corpus.documents, Document)


def _first_of_each(by_id: Mapping[str, _Spooled]) -> tuple[list[_Spooled], dict[str, str]]:
    """The first document, by id, of each text; for each other one, the id of that first."""
    first: dict[str, _Spooled] = {}
    same: dict[str, str] = {}
    for name in sorted(by_id):
        one = by_id[name]
        if one.text and first.setdefault(one.text, one) is not one:
            same[name] = first[one.text].id
    return list(first.values()), same


def _spooled(spool: IO[bytes], document: Document) -> _Spooled:
    at = spool.tell()
    spool.write(document.model_dump_json().encode() + b"\n")
    return _Spooled(document.id, "" if is_blank(document.text) else document.sha, at)


def _from_spool(spool: IO[bytes], one: _Spooled) -> Document:
    spool.seek(one.at)
    return Document.model_validate_json(spool.readline())


def _in_folder(folder: Path, others: list[str]) -> Iterator[tuple[str, Document]]:
    for file in files_in(folder):
        # Some file systems hand out decomposed letters; ids are compared with what people typed.
        name = unicodedata.normalize("NFC", file.relative_to(folder).as_posix())
        if not is_text(file):
            others.append(name.encode(errors="backslashreplace").decode())
            continue
        check_id(str(folder), name)
        text, given = read_text(file), Metadata()
        if file.suffix.lower() != ".txt":
            given, text = front_matter(file, text)
        yield str(file), _document(name.removesuffix(file.suffix), text, name, given)


def _in_rows(source: Path) -> Iterator[tuple[str, Document]]:
    columns = list(_DocumentRow.model_fields)
    for row in read_rows(source, columns, ["id", "text"], {"tags": ",;"}):
        read = as_value(_DocumentRow, row)
        filled(row.where, "id", read.id)
        check_id(f"{row.where}: id", read.id)
        yield row.where, _document(read.id, read.text, source.name, _given(row.where, read))


def _given(where: str, read: _DocumentRow) -> Metadata:
    return Metadata(
        title=title_of(f"{where}: title", read.title or ""),
        date=date_of(f"{where}: date", read.date or ""),
        tags=tags_of(f"{where}: tags", read.tags or ()),
    )


def check_id(where: str, name: str) -> None:
    """Raise an `InputError` if an id is too long, or holds what nobody sees."""
    seen = "".join(clean(name).splitlines()).replace("\t", "")
    if seen != unicodedata.normalize("NFC", name) or len(name) > MAX_ID:
        raise InputError(
            where, name[:80], f"at most {MAX_ID} characters, no control characters, valid UTF-8",
            "Rename it.",
        )  # fmt: skip


def _document(name: str, text: str, source: str, given: Metadata) -> Document:
    text = text.strip()
    heading = " ".join(clean(first_heading(text)).split())
    return Document(
        id=name,
        title=given.title or heading or name.rpartition("/")[2],
        text=text,
        source=source,
        sha=digest.of_text(text),
        date=given.date,
        tags=given.tags,
    )
