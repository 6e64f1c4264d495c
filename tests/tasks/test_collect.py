import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Document, Question
from tasks.collect import (
    check_enough,
    collect_documents,
    collect_general,
    collect_questions,
    read_documents,
    read_general_items,
    read_general_text,
    read_questions,
    same_text,
    tree_digest,
)
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.run import Data

ROOT = Path(__file__).parents[2]
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
    same = same_text(docs)
    assert same == {"ferry copy": "ferry"}
    kept = read_documents(collect_documents(docs))
    shared = data(share_documents=True, near_duplicate=1)
    examples = collect_questions(source, kept, shared, 7, same)
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
    kept = read_documents(collect_documents(docs))
    with pytest.raises(InputError, match=r"a \(dev, train\)"):
        collect_questions(
            jsonl(tmp_path / "q.jsonl", rows), kept, data(near_duplicate=1), 7, same_text(docs)
        )
