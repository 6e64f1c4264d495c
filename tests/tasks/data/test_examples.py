"""What labelled examples become: questions whose answer and kind are the label."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Corpus, Document, ExampleSet
from tasks.data.examples import collect_examples, training_corpus
from tasks.data.questions import known_sources, read_questions
from tasks.run import Data
from tasks.store import get_rows
from tests.files import write_rows

pytestmark = pytest.mark.usefixtures("home")

DATA = Data(examples="e")
LABELS = ("billing", "delivery", "delivery damage")


def rows(count: int = 90, **fields: Any) -> list[dict[str, Any]]:
    """Unlike texts whose labels take turns; billing is ten times as frequent as the others."""
    labels = ["billing"] * 10 + ["delivery", "delivery damage"]
    return [
        {"text": f"{n * 7919} parcels and {n * 104729} bills, {n}", "label": labels[n % 12]}
        | {key: value(n) for key, value in fields.items()}
        for n in range(count)
    ]


def collected(tmp_path: Path, given: list[dict[str, Any]], data: Data = DATA) -> ExampleSet:
    return collect_examples(write_rows(tmp_path / "e.jsonl", given), data, seed=7)


def test_text_is_the_question_and_the_label_its_answer_and_kind(tmp_path: Path) -> None:
    given = rows(id=lambda n: f"t{n}", document=lambda n: f"mail {n // 2}")
    examples = collected(tmp_path, given)
    (one,) = [one for one in read_questions(examples) if one.id == "t10"]
    assert (one.question, one.answers, one.kind) == (given[10]["text"], ("delivery",), "delivery")
    assert (one.document, one.cluster) == ("mail 5", "mail 5")
    assert examples.labels == LABELS


def test_splits_that_are_drawn_hold_every_label_in_its_proportion(tmp_path: Path) -> None:
    examples = collected(tmp_path, rows(120))
    counts = {(row.split, row.kind): row.count for row in examples.counts}
    assert [counts[split, "billing"] for split in ("train", "dev", "test")] == [40, 30, 30]
    assert [counts[split, "delivery"] for split in ("train", "dev", "test")] == [4, 3, 3]


def test_what_was_taken_from_one_source_stays_in_one_split(tmp_path: Path) -> None:
    examples = collected(tmp_path, rows(document=lambda n: f"mail {n // 3}"))
    splits: dict[str, set[Any]] = {}
    for one in read_questions(examples):
        splits.setdefault(one.cluster, set()).add(one.split)
    assert all(len(some) == 1 for some in splits.values())
    assert len(splits) == 30


def test_splits_that_are_given_are_kept(tmp_path: Path) -> None:
    given = rows(36, split=lambda n: ("train", "dev", "test")[n // 12])
    examples = collected(tmp_path, given)
    wanted = {row["text"]: row["split"] for row in given}
    assert {one.question: one.split for one in read_questions(examples)} == wanted


def test_labels_are_those_of_the_training_split_also_if_others_lack_some(tmp_path: Path) -> None:
    given = rows(36, split=lambda n: ("train", "dev", "test")[n // 12])
    given = [row for row in given if row["split"] != "dev" or row["label"] == "billing"]
    assert collected(tmp_path, given).labels == LABELS


def test_an_example_without_id_is_named_by_its_content_and_its_repetition_is_left_out(
    tmp_path: Path,
) -> None:
    examples = collected(tmp_path, [*rows(), rows()[3]])
    (dropped,) = examples.dropped
    assert (dropped.count, "line 91" in dropped.examples[0]) == (1, True)
    again = collected(tmp_path, rows()[::-1])
    assert {one.id for one in read_questions(again)} == {one.id for one in read_questions(examples)}


def test_one_text_with_two_labels_is_two_examples_in_one_split(tmp_path: Path) -> None:
    twin = {"text": rows()[0]["text"], "label": "delivery"}
    found = read_questions(collected(tmp_path, [*rows(), twin]))
    both = [one for one in found if one.question == twin["text"]]
    assert Counter(one.kind for one in both) == {"billing": 1, "delivery": 1}
    assert len({one.split for one in both}) == 1


def test_csv_is_read_as_json_lines_are(tmp_path: Path) -> None:
    lines = [f'"{row["text"]}",{row["label"]}' for row in rows()]
    (tmp_path / "e.csv").write_text("\n".join(["text,label", *lines]))
    from_csv = collect_examples(tmp_path / "e.csv", DATA, 7)
    assert read_questions(from_csv) == read_questions(collected(tmp_path, rows()))


def test_only_training_examples_can_be_found_each_with_its_label_as_tag(tmp_path: Path) -> None:
    examples = collected(tmp_path, rows())
    corpus: Corpus = training_corpus(examples)
    documents = get_rows(corpus.documents, Document)
    train = read_questions(examples, "train")
    assert [(one.id, one.text, one.tags) for one in documents] == [
        (one.id, one.question, one.answers) for one in train
    ]
    assert corpus.count == len(train) < 90
    assert not any(one.title for one in documents)  # which would stand in the text searched


def test_a_labelled_example_has_no_known_source_to_find(tmp_path: Path) -> None:
    examples = collected(tmp_path, rows(document=lambda n: f"mail {n}"))
    assert known_sources(examples) == ()
