"""Questions from rows: checked, split, and kept from leaking."""

from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Question
from tasks.data.questions import check_enough, collect_questions, read_questions
from tests.files import write_rows
from tests.tasks.data.builders import about, data

pytestmark = pytest.mark.usefixtures("home")


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


def test_questions_keep_the_splits_they_say(tmp_path: Path) -> None:
    rows = [
        {**row, "split": ("train", "dev", "test")[n // 2]}
        for n, row in enumerate(questions_about(3))
    ]
    examples = collect_questions(write_rows(tmp_path / "q.jsonl", rows), about(3), data(), 7)
    assert [question.split for question in read_questions(examples)] == [
        row["split"] for row in rows
    ]
    assert {question.document for question in read_questions(examples, "dev")} == {"d1"}


def test_whole_documents_go_to_one_split_by_default(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "q.jsonl", questions_about(20, each=5))
    examples = collect_questions(source, about(20), data(near_duplicate=1), 7)
    splits = [
        {question.document for question in read_questions(examples, split)}
        for split in ("train", "dev", "test")
    ]
    assert [len(split) for split in splits] == [8, 6, 6]
    assert len(set.union(*splits)) == 20
    assert [examples.count(split) for split in ("train", "dev", "test")] == [40, 30, 30]


def test_documents_are_shared_between_splits_where_the_run_file_says_so(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "q.jsonl", questions_about(2, each=20))
    shared = data(share_documents=True, near_duplicate=1)
    examples = collect_questions(source, about(2), shared, 7)
    assert [examples.count(split) for split in ("train", "dev", "test")] == [16, 12, 12]


def test_near_duplicates_are_drawn_into_one_split_with_their_documents(tmp_path: Path) -> None:
    rows = questions_about(12)
    long = "In which year did the old ferry company open its second ticket office at the quay"
    for at, words in ((0, ""), (9, " again"), (20, " again")):
        rows[at]["question"] = f"{long}{words}?"
    source = write_rows(tmp_path / "q.jsonl", rows)
    for seed in range(8):
        examples = collect_questions(source, about(12), data(), seed)
        split = {question.document: question.split for question in read_questions(examples)}
        assert split["d0"] == split["d4"] == split["d10"]
        assert set(split.values()) == {"train", "dev", "test"}


def test_the_order_of_rows_changes_nothing_and_the_seed_the_split(tmp_path: Path) -> None:
    rows = questions_about(20)
    one = write_rows(tmp_path / "one.jsonl", rows)
    other = write_rows(tmp_path / "other.jsonl", reversed(rows))
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
    source = write_rows(tmp_path / "q.jsonl", [*rows, rows[3], rows[3]])
    examples = collect_questions(source, about(9), data(near_duplicate=1), 7)
    (dropped,) = examples.dropped
    assert dropped.count == 2
    assert "line 20" in dropped.examples[1]
    assert sum(row.count for row in examples.counts) == 18
    assert {row.kind for row in examples.counts} == {"even", "odd"}


def test_enough_questions_pass_whatever_the_wanted_difference(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "q.jsonl", questions_about(60))
    examples = collect_questions(source, about(60), data(near_duplicate=1), 7)
    check_enough(examples, 0.02, 0.95)
    check_enough(examples, 0.0, 0.95)
