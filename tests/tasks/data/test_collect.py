import json
import time
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Document, Question
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.data.collect import (
    check_enough,
    collect_documents,
    collect_general,
    collect_questions,
    read_documents,
    read_general_items,
    read_general_text,
    read_questions,
    tree_digest,
)
from tasks.run import Data

ROOT = Path(__file__).parents[3]
XQUAD = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.usefixtures("home")


def jsonl(path: Path, rows: Iterable[object]) -> Path:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return path


def documents(source: Path) -> dict[str, Document]:
    return {document.id: document for document in read_documents(collect_documents(source))}


def data(**changes: Any) -> Data:
    return Data(documents="documents", questions="questions", **changes)


def questions_about(count: int, each: int = 2) -> list[dict[str, Any]]:
    return [
        {
            "id": f"q{n}-{m}",
            "question": f"Which thing number {m} does document {n} tell of?",
            "answers": [f"thing {m}"],
            "document": f"d{n}",
        }
        for n in range(count)
        for m in range(each)
    ]


def about(count: int) -> list[Document]:
    return [
        Document(id=f"d{n}", title="", text=f"{n}", source="d", sha=digest.of_text(str(n)))
        for n in range(count)
    ]


def test_a_folder_is_read_with_ids_from_paths_and_titles_from_headings(tmp_path: Path) -> None:
    source = folder(
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


def test_a_comment_in_a_code_block_is_no_title(tmp_path: Path) -> None:
    source = folder(tmp_path / "docs", {"a.md": "```sh\n# remove all\n```\n# Title\n"})
    assert documents(source)["a"].title == "Title"


def test_hidden_files_are_ignored_and_other_files_counted(tmp_path: Path) -> None:
    source = folder(
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
    corpus = collect_documents(folder(tmp_path / "docs", files))
    assert [document.id for document in read_documents(corpus)] == ["a", "d"]
    dropped = {one.reason: (one.count, one.examples) for one in corpus.dropped}
    assert dropped["empty"] == (1, ("c",))
    assert dropped["the same text as another document"][0] == 2


def test_only_the_first_few_left_out_are_named_but_all_are_counted(tmp_path: Path) -> None:
    files = {"a.md": "text", **{f"{n}.png": "" for n in range(9)}}
    (dropped,) = collect_documents(folder(tmp_path / "docs", files)).dropped
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
    one = jsonl(tmp_path / "x" / "docs.jsonl", rows)
    other = jsonl(tmp_path / "y" / "docs.jsonl", reversed(rows))
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


FRONT = """---
title: "The  Quay: a history"
author: nobody
date: 2024-05-31T23:30:00+02:00
tags: [no, 1886, " two  words ", no]
---
# Another heading

Text.
"""


def test_front_matter_gives_title_date_and_tags_and_is_no_text(tmp_path: Path) -> None:
    found = documents(folder(tmp_path / "docs", {"a.md": FRONT}))["a"]
    assert (found.title, found.date) == ("The Quay: a history", "2024-05-31")
    assert found.tags == ("no", "1886", "two words")
    assert found.text == "# Another heading\n\nText."
    assert found.sha == digest.of_text(found.text)


@pytest.mark.parametrize(
    ("block", "date", "tags"),
    [
        ("tags: a, b,, a\n", None, ("a", "b")),
        ("tags:\n- a\n- ~\n- b, c\n", None, ("a", "b, c")),
        ("tags:\ndate:\ntitle: null\n", None, ()),
        ("date: 2024-05-31\n", "2024-05-31", ()),
        ('date: "20240531"\n', "2024-05-31", ()),
        ("date: 2024-W22-5\n", "2024-05-31", ()),
        ("date: 2024-05-31 9:05:00 -0500\n", "2024-05-31", ()),
        ("# a comment\ndate: 2024-05-31\n", "2024-05-31", ()),
        ("x: &x [*x]\ny: [*x, *x]\ntags: a\n", None, ("a",)),
        ("", None, ()),
    ],
)
@pytest.mark.parametrize("end", ["---", "..."])
def test_front_matter_may_be_written_in_these_ways(
    block: str, date: str | None, tags: tuple[str, ...], end: str, tmp_path: Path
) -> None:
    source = folder(tmp_path / "docs", {"a.md": f"\ufeff---\n{block}{end}\n# Heading\nText."})
    found = documents(source)["a"]
    assert (found.title, found.date, found.tags) == ("Heading", date, tags)
    assert found.text == "# Heading\nText."


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nBelow a rule.\n\n---\n\ntitle: x",
        "---\nProse below a rule.\n---",
        "---\n# Heading\n\ntext\n---",
        "----\ntitle: x\n----",
        "Text first.\n---\ntitle: x\n---",
    ],
)
def test_a_rule_is_no_front_matter(text: str, tmp_path: Path) -> None:
    assert documents(folder(tmp_path / "docs", {"a.md": text}))["a"].text == text


def test_front_matter_is_of_markdown_only(tmp_path: Path) -> None:
    found = documents(folder(tmp_path / "docs", {"a.txt": FRONT}))["a"]
    assert found.text == FRONT.strip()
    assert (found.date, found.tags) == (None, ())


def test_rows_give_dates_and_tags_in_jsonl_and_csv_alike(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "text": "one", "date": "2024-05-31T10:00:00Z", "tags": ["x", " y  z ", ""]},
        {"id": "b", "text": "two", "date": None, "tags": None},
        {"id": "c", "text": "three"},
    ]
    table = tmp_path / "docs.csv"
    table.write_text("id,text,tags,date\na,one,x; y  z ;,20240531\nb,two,,\nc,three,,\n")
    for source in (jsonl(tmp_path / "docs.jsonl", rows), table):
        found = documents(source)
        assert (found["a"].date, found["a"].tags) == ("2024-05-31", ("x", "y z"))
        assert {(found[name].date, found[name].tags) for name in "bc"} == {(None, ())}


@pytest.mark.parametrize("text", ["intro\n\n# The Quay\n\ntext", "---\ntitle: The Quay\n---\ntext"])
def test_a_renamed_file_keeps_its_text_and_the_title_that_stands_in_it(
    text: str, tmp_path: Path
) -> None:
    old = documents(folder(tmp_path / "old", {"a.md": text}))["a"]
    new = documents(folder(tmp_path / "new", {"deep/b.md": text}))["deep/b"]
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
    corpus = collect_documents(jsonl(tmp_path / "d.jsonl", rows))
    (kept,) = read_documents(corpus)
    assert (kept.id, kept.text) == ("b", "b\x00\x1b")
    assert [(one.reason, one.examples) for one in corpus.dropped] == [("empty", ("a",))]


def test_a_row_of_ten_megabytes_is_a_document_like_any_other(tmp_path: Path) -> None:
    text = "word " * 2_000_000
    rows = [{"id": "a", "text": text}, {"id": "b", "text": "short"}]
    assert len(documents(jsonl(tmp_path / "d.jsonl", rows))["a"].text) == len(text) - 1
    table = tmp_path / "d.csv"
    table.write_text(f"id,text\na,{text}\nb,short\n")
    assert list(documents(table)) == ["a", "b"]


def test_a_title_has_no_control_characters(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "text": "# The\x1b  Quay\ntext"},
        {"id": "b", "text": "t", "title": "\x00B"},
    ]
    found = documents(jsonl(tmp_path / "d.jsonl", rows))
    assert [found[name].title for name in "ab"] == ["The Quay", "B"]


def test_a_heading_too_long_for_a_title_stays_text(tmp_path: Path) -> None:
    text = f"# {'x' * 501}\n\n## {'y ' * 250}\n\ntext"
    found = documents(folder(tmp_path / "docs", {"a.md": text}))["a"]
    assert (found.title, found.text) == (("y " * 250).strip(), text)


@pytest.mark.parametrize("line", ["# a" + " " * 200_000 + "b", "#" + "\t#" * 100_000 + "b"])
def test_a_heading_is_read_in_linear_time(line: str, tmp_path: Path) -> None:
    start = time.perf_counter()
    assert documents(folder(tmp_path / "docs", {"a.md": line}))["a"].title == "a"
    assert time.perf_counter() - start < 10  # in quadratic time it takes minutes


def test_memory_grows_with_the_number_of_documents_not_with_their_length(tmp_path: Path) -> None:
    source = tmp_path / "d.jsonl"
    with source.open("w") as stream:
        for n in range(400):
            stream.write(json.dumps({"id": f"{n}", "text": f"{n} " + "x" * 100_000}) + "\n")
    collect_documents(jsonl(tmp_path / "warm.jsonl", [{"id": "a", "text": "t"}]))
    tracemalloc.start()
    corpus = collect_documents(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert corpus.documents.bytes > 40_000_000
    assert peak < 10_000_000


def test_thousands_of_small_files_take_about_a_tenth_of_a_millisecond_each(tmp_path: Path) -> None:
    source = folder(tmp_path / "docs", {f"{n % 50}/{n}.md": f"text {n}" for n in range(5_000)})
    start = time.perf_counter()
    assert collect_documents(source).count == 5_000
    assert time.perf_counter() - start < 10  # twenty times what it takes


def test_lines_may_end_in_any_way(tmp_path: Path) -> None:
    first, second = '{"id": "a", "text": "one"}', '{"id": "b", "text": "two"}'
    for end in ("\n", "\r\n", "\r"):
        source = tmp_path / "d.jsonl"
        source.write_bytes(f"\ufeff{first}{end}{end}{second}".encode())
        assert list(documents(source)) == ["a", "b"]


def test_questions_keep_the_splits_they_say(tmp_path: Path) -> None:
    rows = [
        {**row, "split": ("train", "dev", "test")[n // 2]}
        for n, row in enumerate(questions_about(3))
    ]
    examples = collect_questions(jsonl(tmp_path / "q.jsonl", rows), about(3), data(), 7)
    assert [question.split for question in read_questions(examples)] == [
        row["split"] for row in rows
    ]
    assert {question.document for question in read_questions(examples, "dev")} == {"d1"}


def test_whole_documents_go_to_one_split_by_default(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "q.jsonl", questions_about(20, each=5))
    examples = collect_questions(source, about(20), data(near_duplicate=1), 7)
    splits = [
        {question.document for question in read_questions(examples, split)}
        for split in ("train", "dev", "test")
    ]
    assert [len(split) for split in splits] == [8, 6, 6]
    assert len(set.union(*splits)) == 20
    assert [examples.count(split) for split in ("train", "dev", "test")] == [40, 30, 30]


def test_documents_are_shared_between_splits_where_the_run_file_says_so(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "q.jsonl", questions_about(2, each=20))
    shared = data(share_documents=True, near_duplicate=1)
    examples = collect_questions(source, about(2), shared, 7)
    assert [examples.count(split) for split in ("train", "dev", "test")] == [16, 12, 12]


def test_near_duplicates_are_drawn_into_one_split_with_their_documents(tmp_path: Path) -> None:
    rows = questions_about(12)
    long = "In which year did the old ferry company open its second ticket office at the quay"
    for at, words in ((0, ""), (9, " again"), (20, " again")):
        rows[at]["question"] = f"{long}{words}?"
    source = jsonl(tmp_path / "q.jsonl", rows)
    for seed in range(8):
        examples = collect_questions(source, about(12), data(), seed)
        split = {question.document: question.split for question in read_questions(examples)}
        assert split["d0"] == split["d4"] == split["d10"]
        assert set(split.values()) == {"train", "dev", "test"}


def test_the_order_of_rows_changes_nothing_and_the_seed_the_split(tmp_path: Path) -> None:
    rows = questions_about(20)
    one = jsonl(tmp_path / "one.jsonl", rows)
    other = jsonl(tmp_path / "other.jsonl", reversed(rows))
    wanted = data(near_duplicate=1)
    assert collect_questions(one, about(20), wanted, 7) == collect_questions(
        other, about(20), wanted, 7
    )
    assert collect_questions(one, about(20), wanted, 7) != collect_questions(
        one, about(20), wanted, 8
    )


def test_csv_parts_answers_and_reads_what_jsonl_says(tmp_path: Path) -> None:
    table = tmp_path / "q.csv"
    table.write_text(
        "id,question,answers,document,kind,split,answerable\n"
        'a,"Who, then?",Ann | Bo |,d0,seen,train,\n'
        "b,What?,,,,dev,false\n"
        "c,When?,1886,,,test,true\n",
        encoding="utf-8",
    )
    found = read_questions(collect_questions(table, about(1), data(), 7))
    assert found == (
        Question(
            id="a",
            question="Who, then?",
            answers=("Ann", "Bo"),
            document="d0",
            kind="seen",
            split="train",
        ),
        Question(id="b", question="What?", answers=(), split="dev", answerable=False),
        Question(id="c", question="When?", answers=("1886",), split="test"),
    )


def test_repeated_rows_are_left_out_and_counted_by_split_and_kind(tmp_path: Path) -> None:
    rows = [{**row, "kind": "odd" if n % 2 else "even"} for n, row in enumerate(questions_about(9))]
    source = jsonl(tmp_path / "q.jsonl", [*rows, rows[3], rows[3]])
    examples = collect_questions(source, about(9), data(near_duplicate=1), 7)
    (dropped,) = examples.dropped
    assert dropped.count == 2
    assert "line 20" in dropped.examples[1]
    assert sum(row.count for row in examples.counts) == 18
    assert {row.kind for row in examples.counts} == {"even", "odd"}


def test_enough_questions_pass_whatever_the_wanted_difference(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "q.jsonl", questions_about(60))
    examples = collect_questions(source, about(60), data(near_duplicate=1), 7)
    check_enough(examples, 0.02, 0.95)
    check_enough(examples, 0.0, 0.95)


def test_general_knowledge_comes_back_in_its_order(tmp_path: Path) -> None:
    items = [{"id": n, "question": "?", "choices": ["x", "y"], "answer": 1} for n in ("b", "a")]
    texts = [{"id": n, "question": "?", "text": "t", "split": n} for n in ("replay", "heldout")]
    general = collect_general(
        jsonl(tmp_path / "items.jsonl", items), jsonl(tmp_path / "text.jsonl", texts)
    )
    assert [item.id for item in read_general_items(general)] == ["b", "a"]
    assert [text.id for text in read_general_text(general, "heldout")] == ["heldout"]
    assert len(read_general_text(general)) == 2


def test_a_trees_digest_follows_what_is_read_and_nothing_else(tmp_path: Path) -> None:
    source = folder(tmp_path / "docs", {"a.md": "a", "b.pdf": "b", ".c.md": "c"})
    before = tree_digest(source)
    folder(source, {"b.pdf": "changed", ".c.md": "changed", ".d.md": "new"})
    assert tree_digest(source) == before
    for change in ({"a.md": "changed"}, {"e.pdf": "counted"}, {"sub/a.md": "new"}):
        folder(source, change)
        assert tree_digest(source) != before
        before = tree_digest(source)


def test_a_files_digest_follows_its_content(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "q.jsonl", [1])
    before = tree_digest(source)
    assert tree_digest(jsonl(tmp_path / "q.jsonl", [1])) == before
    assert tree_digest(jsonl(tmp_path / "q.jsonl", [2])) != before


def test_the_example_is_collected_with_nothing_left_out() -> None:
    example = ROOT / "examples" / "harbour"
    corpus = collect_documents(example / "documents")
    examples = collect_questions(
        example / "questions.jsonl", read_documents(corpus), data(share_documents=True), 7
    )
    check_enough(examples, 0.02, 0.95)
    assert corpus.count >= 60
    assert corpus.dropped == examples.dropped == ()
    assert min(examples.count("dev"), examples.count("test")) >= 100


@pytest.mark.skipif(
    not (XQUAD / "xquad_en.documents.jsonl").exists(), reason="needs shared/data/xquad_en.*"
)
def test_xquad_is_split_by_document() -> None:
    corpus = collect_documents(XQUAD / "xquad_en.documents.jsonl")
    examples = collect_questions(
        XQUAD / "xquad_en.questions.jsonl", read_documents(corpus), data(), 7
    )
    check_enough(examples, 0.02, 0.95)
    assert (corpus.count, len(read_questions(examples))) == (120, 612)
    assert examples.count("train") == pytest.approx(0.4 * 612, abs=10)


def test_a_question_about_a_repeated_document_is_about_the_one_that_was_kept(
    tmp_path: Path,
) -> None:
    files = {"ferry.md": "same", "ferry copy.md": "same\n", "pier.md": "other", "empty.md": ""}
    docs = folder(tmp_path / "docs", files)
    rows = [
        {"id": f"{split} {n}", "question": f"Which {split} is {n}?", "answers": ["x"],
         "document": name, "split": split}
        for split in ("train", "dev", "test")
        for n, name in enumerate(("ferry", "ferry copy", "pier"))
    ]  # fmt: skip
    source = jsonl(tmp_path / "q.jsonl", rows)
    corpus = collect_documents(docs)
    assert corpus.same_text == {"ferry copy": "ferry"}
    kept = read_documents(corpus)
    shared = data(share_documents=True, near_duplicate=1)
    examples = collect_questions(source, kept, shared, 7, corpus.same_text)
    asked = [question.document for question in read_questions(examples, "dev")]
    assert asked == ["ferry", "ferry", "pier"]


def test_documents_with_one_text_are_one_where_splits_may_not_share(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", {"a.md": "same", "b.md": "same", "c.md": "c", "d.md": "d"})
    rows = [
        {"id": f"q{n}", "question": f"Which is {n}?", "answers": ["x"], "document": name,
         "split": split}
        for n, (name, split) in enumerate(
            (("a", "train"), ("b", "dev"), ("c", "dev"), ("d", "test"))
        )
    ]  # fmt: skip
    corpus = collect_documents(docs)
    kept, same = read_documents(corpus), corpus.same_text
    with pytest.raises(InputError, match=r"a \(dev, train\)"):
        collect_questions(jsonl(tmp_path / "q.jsonl", rows), kept, data(near_duplicate=1), 7, same)
