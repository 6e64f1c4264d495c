"""What bad input gets: where it is, what was seen, what is allowed, what to do."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from tasks.core.errors import InputError
from tasks.data.collect import (
    check_enough,
    collect_documents,
    collect_examples,
    collect_for_task,
    collect_general,
    collect_questions,
    read_documents,
    tree_digest,
)
from tasks.data.constraints import read_glossary, read_schema
from tasks.data.reading import MAX_DOCUMENT
from tasks.results.finished import read_finished
from tasks.run import Data
from tasks.run.reading import Overrides, read_run

pytestmark = pytest.mark.usefixtures("home")

Content = str | bytes | list[Any]

NOBODY = 65534  # the user id without rights


class Case(NamedTuple):
    """Content of one file, and what its error must say."""

    name: str
    content: Content
    where: str
    value: str
    allowed: str
    remedy: str


def write(path: Path, content: Content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_explained(case: Case, read: Callable[[], object]) -> None:
    with pytest.raises(InputError) as caught:
        read()
    error = caught.value
    assert case.where in error.where
    assert case.value in str(error.value)
    assert case.allowed in error.allowed
    assert case.remedy in error.remedy


def ids(case: object) -> str:
    return f"{case.name} {case.value} {case.where}" if isinstance(case, Case) else ""


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


def example(n: int, label: str, split: str | None = None, **changes: Any) -> dict[str, Any]:
    row = {"text": f"ticket number {n} asks about {label}", "label": label, "split": split}
    return {key: value for key, value in (row | changes).items() if value is not None}


LABELLED = [
    example(n, label, split)
    for n, split in enumerate(("train", "dev", "test"))
    for label in ("refund", "delivery")
]

EXAMPLES = [
    Case("e.jsonl", "", "e.jsonl", "no rows", "one row", "Fill"),
    Case("e.jsonl", [*LABELLED, example(9, "refund", text=" ")], "line 7: text", " ", "not blank",
         "Fill"),
    Case("e.jsonl", [*LABELLED, example(9, " ")], "line 7: label", " ", "not blank", "Fill"),
    Case("e.jsonl", [{"text": "t"}], "line 1: label", "None", "a value", "Add 'label'"),
    Case("e.jsonl", [{"text": "t", "labels": "x", "label": "x"}], "line 1: labels", "labels",
         "label", "Did you mean 'label'?"),
    Case("e.jsonl", [{"text": "t", "label": 1}], "line 1: label", "1", "string", "Change"),
    Case("e.jsonl", [{"text": "t", "label": "a\nb"}], "line 1: label", "a\nb", "one line", "mend"),
    Case("e.jsonl", [{"text": "t", "label": "x" * 201}], "line 1: label", "xxx", "200", "Shorten"),
    Case("e.jsonl", [example(1, "a", id=" ")], "line 1: id", " ", "not blank", "Fill"),
    Case("e.jsonl", [*LABELLED, example(9, "refunds", "test")], "test example", "refunds",
         "a label of the training split: delivery, refund", "Did you mean 'refund'?"),
    Case("e.jsonl", [*LABELLED, example(9, "xyz", "dev")], "dev example", "xyz", "training split",
         "Add training examples of it"),
    Case("e.jsonl", [example(n, "refund", split) for n, split in enumerate(
        ("train", "dev", "test"))], "e.jsonl", "one label only: refund", "at least two", "another"),
    Case("e.jsonl", [example(1, "refund"), example(2, "delivery")], "e.jsonl", "no dev",
         "train, dev and test", "Add"),
    Case("e.jsonl", [example(1, "a", "train"), example(2, "b", "dev")], "e.jsonl", "no test",
         "train, dev and test", "Add"),
    Case("e.jsonl", [*LABELLED, example(0, "refund", "test")], "e.jsonl", "(test)",
         "near-duplicate", "Move"),
    Case("e.jsonl", [example(1, "a", "train", document="d"), example(2, "b", "dev", document="d"),
                     example(3, "a", "test")], "e.jsonl", "d (dev, train)", "one split",
         "share_documents"),
    Case("e.jsonl", [*LABELLED, example(9, "refund", "valid")], "line 7: split", "valid", "'dev'",
         "Change"),
    Case("e.csv", "text,intent\nhello,x\n", "line 1", "text,intent", "text, label", "Add label"),
    Case("e.csv", "text,label\n,x\n", "line 2: text", "None", "a value", "Add 'text'"),
]  # fmt: skip


@pytest.mark.parametrize("case", EXAMPLES, ids=ids)
def test_labelled_examples_at_fault_are_explained_and_leave_nothing_in_the_store(
    case: Case, tmp_path: Path, home: Path
) -> None:
    source = write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: collect_examples(source, Data(examples="e"), 7))
    assert not home.exists()


def pair(n: int, split: str | None = None, **changes: Any) -> dict[str, Any]:
    row = {"text": f"gate {n} was shut at {n * 7919}", "references": [f"Tor {n}"], "split": split}
    return {key: value for key, value in (row | changes).items() if value is not None}


PAIRS = [
    Case("e.jsonl", [pair(1, references=[])], "line 1: references", "()", "one reference", "Add"),
    Case("e.jsonl", [pair(1), pair(2, references=["a", " "])], "line 2: references", " ",
         "not blank", "Fill"),
    Case("e.jsonl", [pair(1, references="Tor")], "line 1: references", "Tor", "tuple", "Change"),
    Case("e.jsonl", [pair(1, text="\n")], "line 1: text", "\n", "not blank", "Fill"),
    Case("e.jsonl", [pair(1, kind=" ")], "line 1: kind", " ", "not blank", "Fill"),
    Case("e.jsonl", [pair(1, reference="Tor")], "line 1: reference", "reference", "references",
         "Did you mean 'references'?"),
    Case("e.jsonl", [{"text": "t"}], "line 1: references", "None", "a value", "'references'"),
    Case("e.csv", "text,references\na,b\n", "line 1", "text,references", "text, reference",
         "Add reference"),
    Case("e.csv", "text,reference\na,\n", "line 2: reference", "", "not blank", "Fill"),
    Case("e.jsonl", [pair(1, "train"), pair(1, "dev"), pair(2, "test")], "e.jsonl", "(dev)",
         "near-duplicate", "Move"),
    Case("e.jsonl", [pair(1, "train"), pair(2, "dev")], "e.jsonl", "no test", "train, dev", "Add"),
]  # fmt: skip


@pytest.mark.parametrize("case", PAIRS, ids=ids)
def test_texts_with_references_at_fault_are_explained_and_leave_nothing_in_the_store(
    case: Case, tmp_path: Path, home: Path
) -> None:
    write(tmp_path / case.name, case.content)
    data = Data(examples=case.name)
    assert_explained(case, lambda: collect_for_task("translation", tmp_path, data, 7))
    assert not home.exists()


GLOSSARIES = [
    Case("g.csv", "source,target\na,b\n", "line 1", "source,target", "term, translation", "Add"),
    Case("g.csv", "term,translation\nlock,\n", "line 2: translation", "None", "a value", "Add"),
    Case("g.csv", "term,translation\nlock,| |\n", "line 2: translation", "| |", "one spelling",
         "Fill"),
    Case("g.csv", 'term,translation\n" ",b\n', "line 2: term", " ", "not blank", "Fill"),
    Case("g.csv", "term,translation\ndry  dock,a\nDry dock,b\n", "line 3: term", "Dry dock",
         "no other row", "line 2 has 'a'"),
    Case("g.txt", "lock = Schleuse", "g.txt", ".txt", ".jsonl or .csv", "Name a file"),
    Case("g.csv", "", "g.csv", "no rows", "one row", "Fill"),
]  # fmt: skip


@pytest.mark.parametrize("case", GLOSSARIES, ids=ids)
def test_a_glossary_at_fault_is_explained(case: Case, tmp_path: Path) -> None:
    source = write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: read_glossary(source))


SCHEMAS = [
    Case("s.json", "{", "s.json", "line 1", "JSON schema", "Mend"),
    Case("s.json", "[" * 100_000, "s.json", "recursion", "JSON schema", "Mend"),
    Case("s.json", "7", "s.json", "7", "JSON object", "Mend"),
    Case("s.json", '{"properties": {"a": {"type": "nmber"}}}', "$.properties.a.type", "nmber",
         "not valid", "Mend"),
    Case("s.json", '{"pattern": "("}', "$.pattern", "(", "regex", "Mend"),
    Case("s.json", '{"items": {"$ref": "other.json"}}', "$ref", "other.json", "within the schema",
         "$defs"),
]  # fmt: skip


@pytest.mark.parametrize("case", SCHEMAS, ids=ids)
def test_a_json_schema_at_fault_is_explained(case: Case, tmp_path: Path) -> None:
    source = write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: read_schema(source))


def test_a_glossary_or_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "e.jsonl", [pair(1)])
    for key in ("glossary", "json_schema"):
        data = Data.model_validate({"examples": "e.jsonl", key: "gone.csv"})
        case = Case("", "", "gone.csv", "no such file", "path that exists", "relative")
        assert_explained(case, lambda data=data: collect_for_task("generation", tmp_path, data, 7))


def test_two_examples_in_all_are_too_few_to_decide(tmp_path: Path) -> None:
    """With a third, so that every split has one, it says how many it takes."""
    source = write(tmp_path / "e.jsonl", LABELLED[:1] + LABELLED[2:3] + LABELLED[5:])
    case = Case("", "", "test example", "delivery", "training split", "Add training")
    assert_explained(case, lambda: collect_examples(source, Data(examples="e"), 7))
    examples = collect_examples(write(tmp_path / "f.jsonl", LABELLED), Data(examples="e"), 7)
    case = Case("", "", "dev split", "2 with an answer", "at least 25", "takes about 155")
    assert_explained(case, lambda: check_enough(examples, 0.1, 0.95))


ITEM = {"id": "a", "question": "?", "choices": ["x", "y"], "answer": 0}
TEXTS = [{"id": one, "question": "?", "text": "t", "split": one} for one in ("replay", "heldout")]

GENERAL = [
    Case("items.jsonl", [{**ITEM, "answer": 2}], "line 1: answer", "2", "position", "Mend"),
    Case("items.jsonl", [{**ITEM, "answer": -1}], "line 1: answer", "-1", "position", "Mend"),
    Case("items.jsonl", [{**ITEM, "choices": ["x"]}], "line 1: answer", "0", "two or more", "Mend"),
    Case("items.jsonl", [ITEM, {**ITEM, "answer": 1}], "line 2: id", "a", "line 1", "answer"),
    Case("text.jsonl", TEXTS[:1], "split", "no row is heldout", "both", "'heldout'"),
    Case("text.jsonl", TEXTS[1:], "split", "no row is replay", "both", "'replay'"),
    Case("text.csv", "id\n", "text.csv", ".csv", ".jsonl", "kind"),
]


@pytest.mark.parametrize("case", GENERAL, ids=ids)
def test_general_knowledge_at_fault_is_explained(case: Case, tmp_path: Path) -> None:
    good = {
        "items": write(tmp_path / "items.jsonl", [ITEM]),
        "text": write(tmp_path / "text.jsonl", TEXTS),
    }
    bad = write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: collect_general(**{**good, bad.stem: bad}))


HEAD = 'name = "x"\n'
DATA = '[data]\ndocuments = "d"\nquestions = "q"\n'
MODELS = '[[models]]\nref = "openai:gpt-4o"\n'
CLASSIFY = 'name = "x"\ntask = "classification"\n'
TRANSLATE = 'name = "x"\ntask = "translation"\n'
LABELS = '[data]\nexamples = "e"\n'

RUNS = [
    Case("", HEAD + "sead = 7\n" + DATA + MODELS, "run.toml: sead", "sead", "seed", "'seed'"),
    Case("", HEAD + DATA + MODELS + "[decision]\nmin_gian = 0.1\n", "decision.min_gian",
         "min_gian", "min_gain", "Did you mean 'min_gain'?"),
    Case("", HEAD + DATA + MODELS + "[zzz]\nx = 1\n", "zzz", "zzz", "data", "Remove it"),
    Case("", HEAD + DATA + MODELS + "reff = 1\n", "models.0.reff", "reff", "ref", "'ref'"),
    Case("", DATA + MODELS, "run.toml: name", "None", "a value", "Add the key 'name'"),
    Case("", HEAD + '[data]\ndocuments = "d"\n' + MODELS, "data.questions", "None", "a value",
         "Add the key 'questions'"),
    Case("", HEAD + DATA, "models", "None", "a value", "Add the key 'models'"),
    Case("", "seed = 'many'\n" + HEAD + DATA + MODELS, "seed", "many", "integer", "Change"),
    Case("", "seed = -1\n" + HEAD + DATA + MODELS, "seed", "-1", "greater than or equal", "Change"),
    Case("", 'data = "d"\n' + HEAD + MODELS, "run.toml: data", "d", "Data", "Change"),
    Case("", 'name = "a b"\n' + DATA + MODELS, "name", "a b", "pattern", "Change"),
    Case("", "models = []\n" + HEAD + DATA, "models", "[]", "at least 1", "Change"),
    Case("", 'task = "poetry"\n' + HEAD + DATA + MODELS, "task", "poetry", "question-answering",
         "Change"),
    Case("", 'task = "clasification"\n' + HEAD + DATA + MODELS, "task", "clasification",
         "question-answering, classification", "Did you mean 'classification'?"),
    Case("", CLASSIFY + DATA + MODELS, "data.examples", "None", "a value", "Add the key"),
    Case("", CLASSIFY + '[data]\nexamples = "e"\nquestions = "q"\n' + MODELS, "data.questions",
         "q", "examples for classification", "Remove it"),
    Case("", HEAD + DATA + 'examples = "e"\n' + MODELS, "data.examples", "e",
         "documents and questions for question-answering", "another task"),
    Case("", CLASSIFY + LABELS + MODELS + '[decision]\nprimary = "macro-f1"\n', "decision.primary",
         "macro-f1", "macro_f1, accuracy", "Did you mean 'macro_f1'?"),
    Case("", HEAD + DATA + MODELS + '[decision]\nprimary = "accuracy"\n', "decision.primary",
         "accuracy", "f1, exact_match, contains", "Change"),
    Case("", TRANSLATE + LABELS + MODELS + '[decision]\nprimary = "chrff"\n', "decision.primary",
         "chrff", "chrf", "Did you mean 'chrf'?"),
    Case("", TRANSLATE + LABELS + MODELS + '[decision]\nprimary = "valid_json"\n',
         "decision.primary", "valid_json", "chrf", "Change"),
    Case("", 'task = "summarization"\n' + HEAD + LABELS + MODELS, "task", "summarization",
         "summarisation", "Did you mean 'summarisation'?"),
    Case("", TRANSLATE + LABELS + MODELS + "[answering]\nmin_words = 9\nmax_words = 8\n",
         "answering", "9", "min_words is above max_words", "Change"),
    Case("", CLASSIFY + LABELS + MODELS + "[answering]\nmax_words = 8\n", "answering.max_words",
         "8", "references", "Remove"),
    Case("", HEAD + DATA + 'glossary = "g"\n' + MODELS, "data.glossary", "g", "references",
         "Remove"),
    Case("", CLASSIFY + LABELS + MODELS + '[answering]\ninstruction = "Be"\n',
         "answering.instruction", "Be", "wordings of its own", "Remove"),
    Case("", TRANSLATE + LABELS + MODELS + '[answering]\ninstruction = ""\n',
         "answering.instruction", "", "at least 1", "Change"),
    Case("", HEAD + DATA + MODELS + '[decision]\npaths = ["ragg"]\n', "decision.paths.0", "ragg",
         "'rag'", "Change"),
    Case("", CLASSIFY + LABELS + MODELS + '[changes]\ndocuments = "d"\nquestions = "q"\n',
         "changes", "d", "no [changes] for classification", "Leave it out"),
    Case("", HEAD + DATA + MODELS + '[changes]\ndocuments = "d"\n', "changes.questions", "None",
         "a value", "Add the key 'questions'"),
    Case("", HEAD + DATA + MODELS + "[decision]\npaths = []\n", "decision.paths", "", "at least 1",
         "Change"),
    Case("", HEAD + DATA + MODELS + "[decision]\nweights = { f2 = 1.0 }\n", "decision.weights",
         "f2", "f1, exact_match", "Did you mean 'f1'?"),
    Case("", HEAD + DATA + MODELS + "[decision]\nweights = { mrr = 1.0 }\n", "decision.weights",
         "mrr", "f1, exact_match", "Change"),
    Case("", HEAD + DATA + MODELS + '[decision]\nprimary = "f1"\nweights = { f1 = 1.0 }\n',
         "decision", "f1", "primary or weights, not both", "Change"),
    Case("", HEAD + DATA + MODELS + "[decision]\nweights = { f1 = nan }\n", "decision", "nan",
         "finite numbers", "Change"),
    Case("", HEAD + DATA + MODELS + "[limits]\nseconds_p95 = 0\n", "limits.seconds_p95", "0",
         "greater than 0", "Change"),
    Case("", HEAD + DATA + '[[models]]\nref = "openai:x"\n[limits]\nmoney_per_question = 0.1\n',
         "limits.money_per_question", "0.1", "a price of openai:x", '[prices."x"]'),
    Case("", HEAD + DATA + MODELS + '[decision]\norder = ["rag"]\n', "decision.order", "rag",
         "name each of", "Change"),
    Case("", HEAD + DATA + MODELS + "[budget]\nmoney = 1\n", "budget.money", "1.0",
         "a price of openai:gpt-4o", '[prices."gpt-4o"]'),
    Case("", HEAD + DATA + MODELS + "[limits]\nmoney = 1\n", "limits.money", "money",
         "memory_gib", "It belongs under [budget]"),
    Case("", HEAD + DATA + MODELS + "[budget]\nmoney = 0\n", "budget.money", "0", "greater than",
         "Change"),
    Case("", HEAD + DATA + MODELS + "[budget]\nseconds = -1\n", "budget.seconds", "-1",
         "greater than", "Change"),
    Case("", HEAD + DATA + MODELS + '[prices.m]\ninput_per_million = 1\n'
         "output_per_million = 1\ncurency = 'EUR'\n", "prices.m.curency", "curency",
         "input_per_million", "Did you mean 'currency'?"),
    Case("", HEAD + DATA + MODELS + '[prices."gpt-4o"]\ninput_per_million = 1\n',
         "prices.gpt-4o.output_per_million", "None", "a value", "Add the key"),
    Case("", HEAD + DATA + MODELS + "[prices]\n"
         "a = { input_per_million = 1, output_per_million = 1 }\n"
         "b = { input_per_million = 1, output_per_million = 1, currency = 'EUR' }\n",
         "run.toml: prices", "EUR", "one currency", "Change"),
    Case("", HEAD + DATA + MODELS + "[hosted]\nconcurrency = 0\n", "hosted.concurrency", "0",
         "greater than or equal", "Change"),
    Case("", HEAD + DATA + MODELS + '[training]\nmethod = "prefix"\n', "training.method",
         "prefix", "'lora', 'full' or 'qlora'", "Change"),
    Case("", HEAD + DATA + MODELS + '[training]\nmethod = "full"\nuse_dora = true\n', "training",
         "use_dora", "method full trains no adapter: leave out use_dora", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nlora_dropout = 1\n", "training.lora_dropout", "1",
         "less than 1", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nalpha = 8\n", "training.alpha", "alpha",
         "lora_alpha", "It belongs under [index]"),
    Case("", HEAD + DATA + MODELS + "[training]\ntry_rank = [8, 0]\n", "training.try_rank.1", "0",
         "greater than or equal to 1", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nlearning_curve = [0.5, 1.0]\n",
         "training.learning_curve.1", "1.0", "less than 1", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nlearning_curve = [0.5]\n"
         "[budget]\nseconds = 9\n", "training.learning_curve", "0.5",
         "empty where there is a [budget]", "leave it"),
    Case("", "name = \n", "run.toml", "line 1", "TOML", "Mend"),
    Case("", b"name = '\xff'", "run file", "run.toml", "UTF-8", "adapt init"),
]  # fmt: skip


@pytest.mark.parametrize("case", RUNS, ids=ids)
def test_a_run_file_at_fault_is_explained(case: Case, tmp_path: Path) -> None:
    path = write(tmp_path / "run.toml", case.content)
    assert_explained(case, lambda: read_run(path))


def test_a_folder_without_a_finished_run_is_explained(tmp_path: Path) -> None:
    case = Case("", "", "scorecards.json", "No such file", "a finished run wrote", "runs/<name>")
    assert_explained(case, lambda: read_finished(tmp_path))
    write(tmp_path / "scorecards.json", json.dumps({"scorecards": [{"model": "m"}]}))
    case = Case("", "", "scorecards.json: params", "m", "Field required", "this version")
    assert_explained(case, lambda: read_finished(tmp_path))


def test_a_missing_run_file_is_explained(tmp_path: Path) -> None:
    case = Case("", "", "run file", "absent.toml", "readable", "adapt init")
    assert_explained(case, lambda: read_run(tmp_path / "absent.toml"))


def test_an_override_at_fault_is_explained_as_the_file_would_be(tmp_path: Path) -> None:
    path = write(tmp_path / "run.toml", HEAD + DATA + MODELS)
    case = Case("", "", "decision.min_gain", "7", "less than 1", "Change this value.")
    assert_explained(case, lambda: read_run(path, Overrides(min_gain=7)))


def test_bad_input_leaves_nothing_in_the_store(home: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "q.jsonl", [*GOOD, question("a")])
    with pytest.raises(InputError):
        collect_questions(source, (), Data(documents="d", questions="q"), 7)
    assert not home.exists()
