"""What documents at fault get."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tasks.data.collect import (
    collect_documents,
    tree_digest,
)
from tasks.data.reading import MAX_DOCUMENT
from tests.tasks.faults import Case, assert_explained, ids, write

pytestmark = pytest.mark.usefixtures("home")

NOBODY = 65534  # the user id without rights


DOCUMENTS = [
    Case("docs/none.pdf", "x", "docs", "1 other files", ".md", "folder"),
    Case("docs/a.md", " \n", "docs", "1 empty", ".md", "folder"),
    Case("docs/a.md", b"one\na\0b", "a.md: line 2", "NUL byte", "UTF-8", "convert"),
    Case("docs/a.md", b"one\ncaf\xe9", "a.md: line 2", "\\xe9", "UTF-8", "Save"),
    Case("docs/a.txt", "text".encode("utf-16"), "a.txt", "NUL", "UTF-8", "convert"),
    Case("d.jsonl", "", "d.jsonl", "no rows", "at least one row", "Fill"),
    Case("d.jsonl", "\n \n", "d.jsonl", "no rows", "at least one row", "Fill"),
    Case("d.csv", "id,text\n", "d.csv", "no rows", "at least one row", "Fill"),
    Case("d.csv", "", "d.csv", "no rows", "at least one row", "Fill"),
    Case("d.pdf", "x", "d.pdf", ".pdf", ".jsonl or .csv", "folder"),
    Case("d.jsonl", '{"id": "a", "text": "t"}\n{"id": ', "line 2", '{"id":', "JSON", "Mend"),
    Case("d.jsonl", '["a", "t"]\n', "line 1", '["a"', "one JSON object", "Mend"),
    Case("d.jsonl", '{"id": "a", "text": "\\ud800"}', "line 1", "ud800", "JSON", "surrogate"),
    Case("d.jsonl", [{"id": "a"}], "line 1: text", "None", "a value", "Add 'text'"),
    Case("d.jsonl", [{"id": 1, "text": "t"}], "line 1: id", "1", "valid string", "Change"),
    Case("d.jsonl", [{"id": " ", "text": "t"}], "line 1: id", " ", "not blank", "Fill"),
    Case("d.jsonl", [{"id": "a", "text": "t", "titel": "x"}], "line 1: titel", "titel", "title",
         "Did you mean 'title'?"),
    Case("d.jsonl", [{"id": "a", "text": "t"}, {"id": "a", "text": "u"}], "line 2: id", "a",
         "line 1", "text"),
    Case("d.csv", "id;text\na;t\n", "line 1", "id;text", "id, text, title", "Add id, text"),
    Case("d.csv", "id,text,text\na,t,t\n", "line 1", "text,text", "id, text", "'text'"),
    Case("d.csv", "id,text\na,t\n\nb,one, two\n", "line 4", "3 cells", "2 cells", "Quote"),
    Case("d.csv", 'id,text\na,"multi\nline"\nb\n', "line 4", "1 cells", "2 cells", "Quote"),
    Case("d.csv", 'id,text\na,"never closed\n', "line 2", "end of data", "quotes", "Mend"),
    Case("d.csv", "id,text\na,\n", "line 2: text", "None", "a value", "Add 'text'"),
    Case("d.jsonl", b'{"id": "a", "text": "t"}\n"\xff"', "line 2", "\\xff", "UTF-8", "Save"),
    Case("d.csv", b"id,text\na,one\nb,\0\n", "line 3", "NUL byte", "UTF-8", "convert"),
    Case("d.jsonl", [{"id": "a", "text": "\u0000 \u001b"}], "d.jsonl", "1 empty", "rows", "folder"),
    Case("d.jsonl", [{"id": "a\u0000", "text": "t"}], "line 1: id", "a\0", "no control", "Rename"),
    Case("d.jsonl", [{"id": "a\nb", "text": "t"}], "line 1: id", "a\nb", "no control", "Rename"),
    Case("d.jsonl", [{"id": "a" * 5000, "text": "t"}], "line 1: id", "aaa", "at most 4096",
         "Rename"),
    Case("docs/a\nb.md", "t", "docs", "a\nb.md", "no control characters", "Rename"),
    Case("d.jsonl", [{"id": "a", "text": "t", "title": "x" * 501}], "line 1: title", "501",
         "at most 500", "Shorten"),
    Case("d.jsonl", [{"id": "a", "text": "t", "date": "31.5.2024"}], "line 1: date", "31.5.2024",
         "2024-05-31", "YYYY-MM-DD"),
    Case("d.jsonl", [{"id": "a", "text": "t", "date": 2024}], "line 1: date", "2024", "string",
         "Change"),
    Case("d.csv", "id,text,date\na,t,2024-02-30\n", "line 2: date", "2024-02-30", "ISO 8601",
         "YYYY"),
    Case("d.jsonl", [{"id": "a", "text": "t", "tags": "x, y"}], "line 1: tags", "x, y", "tuple",
         "Change"),
    Case("d.jsonl", [{"id": "a", "text": "t", "tags": ["x", 1]}], "line 1: tags.1", "1", "string",
         "Change"),
    Case("d.jsonl", [{"id": "a", "text": "t", "tags": [f"{n}" for n in range(101)]}],
         "line 1: tags", "101 tags", "at most 100", "Leave"),
    Case("d.jsonl", [{"id": "a", "text": "t", "tags": ["x" * 201]}], "line 1: tags", "201",
         "at most 200 characters", "Leave"),
    Case("docs/a.md", "---\ndate: 2024-13-01\n---\nt", "a.md: line 2: date", "2024-13-01", "ISO",
         "YYYY-MM-DD"),
    Case("docs/a.md", "---\ntitle: t\ndate: [2024]\n---\nt", "a.md: line 3: date", "a sequence",
         "text", "one value"),
    Case("docs/a.md", "---\ntitle: {a: b}\n---\nt", "a.md: line 2: title", "a mapping", "text",
         "one value"),
    Case("docs/a.md", "---\ntags:\n- a\n- [b]\n---\nt", "a.md: line 2: tags", "a sequence", "text",
         "one value"),
    Case("docs/a.md", "---\ntitle: a: b\n---\nt", "a.md: line 2", "mapping values", "YAML", "Mend"),
    Case("docs/a.md", "---\ntitle: a\ntags: [a\n---\nt", "a.md: line 4", "expected", "YAML",
         "Mend"),
    Case("docs/a.md", "---\ntitle: a\n\x07: b\n---\nt", "a.md: line 1", "#x0007", "YAML", "Mend"),
    Case("docs/a.md", "---\ntitle: a\nt", "a.md: line 1", "without an end", "a line of ---",
         "rule"),
    Case("docs/a.md", "---\nk:\n" + "- " * 40_000 + "\n---\nt", "a.md", "recursion", "YAML",
         "Mend"),
]  # fmt: skip


@pytest.mark.parametrize("case", DOCUMENTS, ids=ids)
def test_documents_at_fault_are_explained(case: Case, tmp_path: Path) -> None:
    write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: collect_documents(tmp_path / case.name.split("/")[0]))


@pytest.mark.parametrize("read", [collect_documents, tree_digest])
def test_a_missing_path_is_explained(read: Callable[[Path], object], tmp_path: Path) -> None:
    case = Case("", "", "absent", "no such file", "a path that exists", "relative to the run file")
    assert_explained(case, lambda: read(tmp_path / "absent"))


def test_an_empty_folder_holds_no_documents(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    case = Case("", "", "docs", "no documents", "rows with id and text", "folder")
    assert_explained(case, lambda: collect_documents(tmp_path / "docs"))


def test_two_files_with_one_id_and_different_texts_are_explained(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "a.md", "one")
    write(tmp_path / "docs" / "a.txt", "other")
    case = Case("", "", "a.txt: id", "a", "a.md", "Rename")
    assert_explained(case, lambda: collect_documents(tmp_path / "docs"))


def test_a_file_name_that_is_not_utf8_is_explained(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    try:
        (tmp_path / "docs" / os.fsdecode(b"caf\xe9.md")).write_text("text")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    case = Case("", "", "docs", "caf\udce9.md", "valid UTF-8", "Rename")
    assert_explained(case, lambda: collect_documents(tmp_path / "docs"))


@contextmanager
def without_root() -> Iterator[None]:
    """Be nobody for a while: root lists every folder."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.skipif(os.name != "posix", reason="no permissions of that kind")
def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one() -> None:
    with TemporaryDirectory() as made:  # where others than its owner may look in
        docs = Path(made) / "docs"
        write(docs / "a.md", "one")
        write(docs / "sub" / "b.md", "other")
        Path(made).chmod(0o755)
        (docs / "sub").chmod(0)
        case = Case("", "", "sub", "ermission", "a folder that can be listed", "read")
        try:
            with without_root():
                assert_explained(case, lambda: collect_documents(docs))
        finally:
            (docs / "sub").chmod(0o755)


@pytest.mark.parametrize("name", ["docs/a.md", "d.jsonl", "d.csv"])
def test_a_document_over_100_megabytes_is_refused_by_name_and_size(
    name: str, tmp_path: Path
) -> None:
    source = write(tmp_path / name, "")
    os.truncate(source, MAX_DOCUMENT + 1)  # takes no room on the disk
    where = "a.md" if name == "docs/a.md" else f"{name}: line 1"
    case = Case("", "", where, "104,857,60", "at most 104,857,600 bytes", "Part it")
    assert_explained(case, lambda: collect_documents(tmp_path / name.split("/")[0]))
