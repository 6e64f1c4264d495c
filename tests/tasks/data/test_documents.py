"""Documents from folders, JSON Lines and CSV: what is kept, left out and counted."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tasks.core import digest
from tasks.data.documents import collect_documents, read_documents
from tests.files import write_folder, write_rows
from tests.tasks.data.builders import about, documents

pytestmark = pytest.mark.usefixtures("home")


def test_a_folder_is_read_with_ids_from_paths_and_titles_from_headings(tmp_path: Path) -> None:
    source = write_folder(
        tmp_path / "docs",
        {
            "quay.md": "Intro first.\n\n## The Quay ##\n\n# Later\ntext",
            "deep/er/light.MARKDOWN": "no heading\n#hashtag",
            "v1.2.txt": "plain",
        },
    )
    found = documents(source)
    assert list(found) == ["deep/er/light", "quay", "v1.2"]
    assert [found[name].title for name in found] == ["light", "The Quay", "v1.2"]
    assert found["deep/er/light"].source == "deep/er/light.MARKDOWN"
    assert found["v1.2"].sha == digest.of_text("plain")


def test_hidden_files_are_ignored_and_other_files_counted(tmp_path: Path) -> None:
    source = write_folder(
        tmp_path / ".hidden-root",
        {"a.md": "a", ".secret.md": "s", ".git/b.md": "b", "c.pdf": "c", "sub/d.docx": "d"},
    )
    corpus = collect_documents(source)
    (dropped,) = corpus.dropped
    assert corpus.count == 1
    assert (dropped.reason, dropped.count) == ("not .md, .markdown, .txt", 2)
    assert dropped.examples == ("c.pdf", "sub/d.docx")


def test_repeated_and_empty_texts_are_left_out_and_counted(tmp_path: Path) -> None:
    files = {"b.md": "same", "a.txt": "same\r\n", "c.md": " \n", "d.md": "other", "d.txt": "other"}
    corpus = collect_documents(write_folder(tmp_path / "docs", files))
    assert [document.id for document in read_documents(corpus)] == ["a", "d"]
    dropped = {one.reason: (one.count, one.examples) for one in corpus.dropped}
    assert dropped["empty"] == (1, ("c",))
    assert dropped["the same text as another document"][0] == 2


def test_only_the_first_few_left_out_are_named_but_all_are_counted(tmp_path: Path) -> None:
    files = {"a.md": "text", **{f"{n}.png": "" for n in range(9)}}
    (dropped,) = collect_documents(write_folder(tmp_path / "docs", files)).dropped
    assert (dropped.count, len(dropped.examples)) == (9, 3)


def test_the_same_documents_give_the_same_corpus_from_jsonl_csv_or_another_order(
    tmp_path: Path,
) -> None:
    rows = [
        {"id": "b", "text": 'Second, with "quotes"\nand lines', "title": "B"},
        {"id": "a", "text": "First\u2028still first"},
    ]
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    one = write_rows(tmp_path / "x" / "docs.jsonl", rows)
    other = write_rows(tmp_path / "y" / "docs.jsonl", reversed(rows))
    table = tmp_path / "docs.csv"
    table.write_text(
        '\ufeffid,title,text\r\nb,B,"Second, with ""quotes""\r\nand lines"\r\n\r\n'
        "a,,First\u2028still first\r\n",
        encoding="utf-8",
        newline="",
    )
    assert collect_documents(one) == collect_documents(other)
    without_source = [
        [document.model_copy(update={"source": ""}) for document in documents(path).values()]
        for path in (one, table)
    ]
    assert without_source[0] == without_source[1]
    assert [document.title for document in without_source[0]] == ["a", "B"]


def test_a_document_longer_than_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    source = tmp_path / "docs.csv"
    source.write_text("id,text\na," + "word " * 60_000, encoding="utf-8")
    assert len(documents(source)["a"].text) == 299_999


@pytest.mark.parametrize("text", ["intro\n\n# The Quay\n\ntext", "---\ntitle: The Quay\n---\ntext"])
def test_a_renamed_file_keeps_its_text_and_the_title_that_stands_in_it(
    text: str, tmp_path: Path
) -> None:
    old = documents(write_folder(tmp_path / "old", {"a.md": text}))["a"]
    new = documents(write_folder(tmp_path / "new", {"deep/b.md": text}))["deep/b"]
    assert (new.title, new.text, new.sha) == (old.title, old.text, old.sha)
    assert new.title
    assert (old.source, new.source) == ("a.md", "deep/b.md")
    assert new.content_sha != old.content_sha


def test_every_field_of_a_document_counts_in_its_content_digest() -> None:
    (one,) = about(1)
    changes: list[dict[str, Any]] = [
        {"id": "other"}, {"title": "other"}, {"sha": "other"}, {"source": "other"},
        {"date": "2024-05-31"}, {"tags": ("a",)}, {"tags": ("a", "b")}, {"tags": ("ab",)},
        {"id": "d0d", "source": ""}, {"id": "d", "title": "0"},
    ]  # fmt: skip
    shas = {one.model_copy(update=change).content_sha for change in [{}, *changes]}
    assert len(shas) == len(changes) + 1


def test_documents_of_control_characters_are_empty_and_others_keep_theirs(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "\x00 \x1b\ufeff"}, {"id": "b", "text": "b\x00\x1b\x85"}]
    corpus = collect_documents(write_rows(tmp_path / "d.jsonl", rows))
    (kept,) = read_documents(corpus)
    assert (kept.id, kept.text) == ("b", "b\x00\x1b")
    assert [(one.reason, one.examples) for one in corpus.dropped] == [("empty", ("a",))]


def test_a_row_of_ten_megabytes_is_a_document_like_any_other(tmp_path: Path) -> None:
    text = "word " * 2_000_000
    rows = [{"id": "a", "text": text}, {"id": "b", "text": "short"}]
    assert len(documents(write_rows(tmp_path / "d.jsonl", rows))["a"].text) == len(text) - 1
    table = tmp_path / "d.csv"
    table.write_text(f"id,text\na,{text}\nb,short\n")
    assert list(documents(table)) == ["a", "b"]


def test_memory_grows_with_the_number_of_documents_not_with_their_length(tmp_path: Path) -> None:
    source = tmp_path / "d.jsonl"
    with source.open("w") as stream:
        for n in range(400):
            stream.write(json.dumps({"id": f"{n}", "text": f"{n} " + "x" * 100_000}) + "\n")
    collect_documents(write_rows(tmp_path / "warm.jsonl", [{"id": "a", "text": "t"}]))
    tracemalloc.start()
    corpus = collect_documents(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert corpus.documents.bytes > 40_000_000
    assert peak < 10_000_000


def test_thousands_of_small_files_take_about_a_tenth_of_a_millisecond_each(tmp_path: Path) -> None:
    source = write_folder(
        tmp_path / "docs", {f"{n % 50}/{n}.md": f"text {n}" for n in range(5_000)}
    )
    start = time.perf_counter()
    assert collect_documents(source).count == 5_000
    assert time.perf_counter() - start < 10  # twenty times what it takes


def test_lines_may_end_in_any_way(tmp_path: Path) -> None:
    first, second = '{"id": "a", "text": "one"}', '{"id": "b", "text": "two"}'
    for end in ("\n", "\r\n", "\r"):
        source = tmp_path / "d.jsonl"
        source.write_bytes(f"\ufeff{first}{end}{end}{second}".encode())
        assert list(documents(source)) == ["a", "b"]
