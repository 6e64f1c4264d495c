"""What texts with references become, and what a glossary and a schema are read as."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Constraints, Document
from tasks.data.collect import collect_for_task
from tasks.data.constraints import read_glossary, read_schema
from tasks.data.examples import training_corpus
from tasks.data.pairs import collect_pairs
from tasks.data.questions import known_sources, read_questions
from tasks.run import Data
from tasks.store import get_rows
from tests.files import write_rows

pytestmark = pytest.mark.usefixtures("home")

DATA = Data(examples="e")
NOTHING = Constraints()


def rows(count: int = 60, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "text": f" {n * 7919} gates and {n * 104729} locks, {n}",
            "references": [f"gate {n} ", "g"],
        }
        | {key: value(n) for key, value in fields.items()}
        for n in range(count)
    ]


def test_a_text_is_the_question_and_its_references_are_the_answers(tmp_path: Path) -> None:
    given = rows(id=lambda n: f"r{n}", source=lambda n: f"log {n // 2}", kind=lambda n: "ab"[n % 2])
    examples = collect_pairs(write_rows(tmp_path / "e.jsonl", given), DATA, 7, NOTHING)
    (one,) = [one for one in read_questions(examples) if one.id == "r10"]
    assert (one.question, one.answers) == (given[10]["text"].strip(), ("gate 10", "g"))
    assert (one.document, one.cluster, one.kind) == ("log 5", "log 5", "a")
    assert (examples.labels, examples.pairs) == ((), True)


def test_kinds_keep_their_proportion_and_sources_stay_in_one_split(tmp_path: Path) -> None:
    given = rows(
        120, source=lambda n: f"log {n // 2}", kind=lambda n: "rare" if n < 20 else "often"
    )
    examples = collect_pairs(write_rows(tmp_path / "e.jsonl", given), DATA, 7, NOTHING)
    counts = {(row.split, row.kind): row.count for row in examples.counts}
    assert [counts[split, "rare"] for split in ("train", "dev", "test")] == [8, 6, 6]
    splits: dict[str | None, set[str | None]] = {}
    for one in read_questions(examples):
        splits.setdefault(one.document, set()).add(one.split)
    assert {len(some) for some in splits.values()} == {1}


def test_csv_has_one_reference_in_a_row(tmp_path: Path) -> None:
    lines = [f'"{n * 7919}, {n} gates","gate {n}",log' for n in range(12)]
    path = tmp_path / "e.csv"
    path.write_text("\n".join(["text,reference,kind", *lines]) + "\n")
    found = read_questions(collect_pairs(path, DATA, 7, NOTHING))
    assert {one.answers for one in found} == {(f"gate {n}",) for n in range(12)}
    assert {one.kind for one in found} == {"log"}


def test_no_dev_example_names_where_to_search(tmp_path: Path) -> None:
    examples = collect_pairs(write_rows(tmp_path / "e.jsonl", rows(source=str)), DATA, 7, NOTHING)
    assert known_sources(examples) == ()


def test_only_training_texts_are_searched_each_whole_with_its_first_reference(
    tmp_path: Path,
) -> None:
    examples = collect_pairs(write_rows(tmp_path / "e.jsonl", rows()), DATA, 7, NOTHING)
    documents = get_rows(training_corpus(examples).documents, Document)
    train = read_questions(examples, "train")
    assert {one.id for one in documents} == {one.id for one in train}
    by_id = {one.id: one for one in train}
    for one in documents:
        assert one.tags == (by_id[one.id].answers[0], by_id[one.id].question)


def test_a_task_with_references_collects_what_the_run_file_asks_of_its_answers(
    tmp_path: Path,
) -> None:
    write_rows(tmp_path / "e.jsonl", rows())
    (tmp_path / "terms.csv").write_text("term,translation\n gate ,Tor|Tore\n")
    (tmp_path / "s.json").write_text('{ "type": "string" }')
    data = Data(examples="e.jsonl", glossary="terms.csv", json_schema="s.json")
    found = collect_for_task("generation", tmp_path, data, 7)
    assert found.constraints == Constraints(
        glossary=(("gate", "Tor|Tore"),), json_schema='{"type":"string"}'
    )


def test_a_glossary_may_be_json_lines_and_a_schema_may_refer_within_itself(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "g.jsonl", [{"term": "lock", "translation": "Schleuse"}])
    assert read_glossary(path) == (("lock", "Schleuse"),)
    schema = {"$ref": "#/$defs/one", "$defs": {"one": {"type": "integer"}}}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    assert json.loads(read_schema(tmp_path / "s.json")) == schema
