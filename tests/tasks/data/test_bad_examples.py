"""What labelled examples, texts with references, glossaries and schemas at fault get."""

from pathlib import Path
from typing import Any

import pytest

from tasks.data.collect import (
    check_enough,
    collect_examples,
    collect_for_task,
)
from tasks.data.constraints import read_glossary, read_schema
from tasks.run import Data
from tests.tasks.faults import Case, assert_explained, ids, write

pytestmark = pytest.mark.usefixtures("home")


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
