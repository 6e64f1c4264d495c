"""What questions at fault get."""

from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import InputError
from tasks.data.collect import (
    check_enough,
    collect_documents,
    collect_questions,
    read_documents,
)
from tasks.run import Data
from tests.tasks.faults import Case, assert_explained, ids, write

pytestmark = pytest.mark.usefixtures("home")


def question(name: str, **changes: Any) -> dict[str, Any]:
    row = {"id": name, "question": f"What is {name}?", "answers": [name], **changes}
    return {key: value for key, value in row.items() if value is not None}


def split(*splits: str, document: str | None = None) -> list[dict[str, Any]]:
    return [question(f"q{n}", split=one, document=document) for n, one in enumerate(splits)]


GOOD = split("train", "dev", "test")
LONG = "When did the ferry Marrable Maid first cross the wide harbour to Lime Quay"

QUESTIONS = [
    Case("q.jsonl", "", "q.jsonl", "no rows", "one row", "Fill"),
    Case("q.jsonl", b"\x00\x01", "q.jsonl", "NUL", "UTF-8", "binary"),
    Case("q.tsv", "x", "q.tsv", ".tsv", ".jsonl or .csv", "kind"),
    Case("q.jsonl", [*GOOD, question("a", answer="x")], "line 4: answer", "answer", "answers",
         "Did you mean 'answers'?"),
    Case("q.jsonl", [question("a", question=None)], "line 1: question", "None", "a value", "Add"),
    Case("q.jsonl", [question("a", question=" ")], "line 1: question", " ", "not blank", "Fill"),
    Case("q.jsonl", [question("a", answers="x")], "line 1: answers", "x", "tuple", "Change"),
    Case("q.jsonl", [question("a", answers=[1])], "line 1: answers.0", "1", "string", "Change"),
    Case("q.jsonl", [question("a", answers=[])], "line 1: answers", "()", "at least one answer",
         '"answerable": false'),
    Case("q.jsonl", [question("a", answers=None)], "line 1: answers", "()", "at least one",
         '"answerable": false'),
    Case("q.jsonl", [question("a", answers=[" "])], "line 1: answers", " ", "at least one",
         '"answerable": false'),
    Case("q.csv", "id,question,answers\na,Who?, | \n", "line 2: answers", "()", "at least one",
         '"answerable": false'),
    Case("q.jsonl", [question("a", answerable=False)], "line 1: answers", "a",
         "no answers where answerable is false", "Remove"),
    Case("q.jsonl", [question("a", document="d00")], "line 1: document", "d00", "was kept", "'d0'"),
    Case("q.jsonl", [question("a", document="zzz")], "line 1: document", "zzz", "was kept",
         "Add the document"),
    Case("q.jsonl", [question("a", split="valid")], "line 1: split", "valid", "'dev'", "Change"),
    Case("q.jsonl", [*GOOD, question("q0", split="train", answers=["x"])], "line 4: id", "q0",
         "line 1", "answers"),
    Case("q.jsonl", [*GOOD, question("q0", split="train", question="Who?")], "line 4: id", "q0",
         "line 1", "question"),
    Case("q.jsonl", [*GOOD, question("a")], "line 4: split", "None", "train, dev, test",
         "every row"),
    Case("q.jsonl", split("dev", "test"), "q.jsonl", "no train", "train, dev and test", "Add"),
    Case("q.jsonl", split("train", "test"), "q.jsonl", "no dev", "train, dev and test", "Add"),
    Case("q.jsonl", split("train", "dev"), "q.jsonl", "no test", "train, dev and test", "Add"),
    Case("q.jsonl", [question("a"), question("b")], "q.jsonl", "no test", "train, dev", "Add"),
    Case("q.jsonl", [*GOOD, question("q9", question="what IS q0", split="dev")], "q.jsonl",
         "q9 (dev) 'what IS q0' ~ q0 (train)", "near-duplicate", "Move"),
    Case("q.jsonl", [*GOOD, question("a", question=LONG, split="train"),
                     question("b", question=LONG + " again", split="test")], "q.jsonl",
         "a (train)", "near-duplicate", "data.near_duplicate is 0.8"),
    Case("q.jsonl", [question(f"{one}{n}", question=f"Who is {n}?", split=one)
                     for n in range(5) for one in ("train", "dev", "test")], "q.jsonl",
         "and 12 more", "near-duplicate", "Move"),
    Case("q.jsonl", split("train", "dev", "test", document="d0"), "q.jsonl",
         "d0 (dev, test, train)", "one split", "share_documents = true"),
    Case("q.csv", "id,question,answer\na,Who?,x\n", "line 1", "answer", "answers", "'answer'"),
    Case("q.csv", "question,answers\nWho?,x\n", "line 1", "question", "id, question", "Add id"),
    Case("q.csv", "id,question,answers\na,Who?,x,y\n", "line 2", "4 cells", "3 cells", "Quote"),
    Case("q.csv", "id,question,answerable\na,Who?,maybe\n", "line 2: answerable", "maybe",
         "boolean", "Change"),
]  # fmt: skip


@pytest.mark.parametrize("case", QUESTIONS, ids=ids)
def test_questions_at_fault_are_explained(case: Case, tmp_path: Path) -> None:
    documents = read_documents(collect_documents(write(tmp_path / "d0.jsonl", [
        {"id": "d0", "text": "text"}])))  # fmt: skip
    source = write(tmp_path / case.name, case.content)
    data = Data(documents="d", questions="q")
    assert_explained(case, lambda: collect_questions(source, documents, data, 7))


def test_shares_that_leave_nothing_for_test_are_explained(tmp_path: Path) -> None:
    source = write(tmp_path / "q.jsonl", [question("a")])
    data = Data(documents="d", questions="q", train=0.6, dev=0.4)
    case = Case("", "", "data.train + data.dev", "1.0", "less than 1", "test split")
    assert_explained(case, lambda: collect_questions(source, (), data, 7))


@pytest.mark.parametrize(
    ("dev", "documents", "min_gain", "value", "remedy"),
    [
        (24, 24, 0.1, "24 with an answer", "0.1 takes about 155"),
        (24, 24, 0.0, "24 with an answer", "0.05 takes about 619"),
        (40, 9, 0.05, "about 9 documents", "0.05 takes about 619"),
    ],
)
def test_a_split_too_small_to_decide_says_how_many_are_needed(
    dev: int, documents: int, min_gain: float, value: str, remedy: str, tmp_path: Path
) -> None:
    rows = [question(f"{one}{n}", split=one) for n in range(40) for one in ("train", "test")]
    rows += [question(f"dev{n}", split="dev", document=f"d{n % documents}") for n in range(dev)]
    rows += [
        question(f"no{n}", split="dev", answers=[], answerable=False) for n in range(30)
    ]  # those without an answer do not count
    texts = [{"id": f"d{n}", "text": f"text {n}"} for n in range(documents)]
    corpus = collect_documents(write(tmp_path / "d.jsonl", texts))
    examples = collect_questions(
        write(tmp_path / "q.jsonl", rows),
        read_documents(corpus),
        Data(documents="d", questions="q"),
        7,
    )
    case = Case("", "", "dev split", value, "at least 25 about 10", remedy)
    assert_explained(case, lambda: check_enough(examples, min_gain, 0.95))


def test_bad_input_leaves_nothing_in_the_store(home: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "q.jsonl", [*GOOD, question("a")])
    with pytest.raises(InputError):
        collect_questions(source, (), Data(documents="d", questions="q"), 7)
    assert not home.exists()
