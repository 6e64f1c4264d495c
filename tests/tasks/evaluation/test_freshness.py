"""The day after: changed documents take their place, and what searches answers from them."""

import json
from pathlib import Path

import pytest

from tasks.artifacts import (
    Answer,
    Answers,
    Corpus,
    Cost,
    ExampleSet,
    ModelRef,
    Prompt,
    Question,
    Scorecard,
    System,
)
from tasks.core.errors import InputError
from tasks.data.collect import collect_documents, read_documents
from tasks.evaluation.freshness import answer_changes, collect_changes, follow_changes, freshness
from tasks.results.record import RunRecord, answers_of
from tasks.retrieval.index import build
from tasks.retrieval.refresh import current, is_current
from tasks.retrieval.search import retrieval_of
from tasks.run import IndexSpec
from tasks.store import get_rows, put_rows

pytestmark = pytest.mark.usefixtures("home")

SPEC = IndexSpec(chunk_tokens=32, k=1)
BELL, NEW = "The bell was cast in 1790.", "The bell was cast in 1801 anew."


def rows(path: Path, *values: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return collect_documents(rows(
        tmp_path / "before.jsonl", {"id": "bell", "text": BELL},
        {"id": "gull", "text": "The gull is grey."},
    ))  # fmt: skip


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return rows(
        tmp_path / "after.jsonl", {"id": "bell", "text": NEW},
        {"id": "gull", "text": "The gull is grey."}, {"id": "tug", "text": "A tug came."},
    )  # fmt: skip


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return rows(
        tmp_path / "asked.jsonl",
        {"id": "c2", "question": "What came?", "answers": ["A tug"], "document": "tug"},
        {"id": "c1", "question": "When was the bell cast?", "answers": ["1801"],
         "document": "bell"},
    )  # fmt: skip


def test_changed_documents_take_the_place_of_those_of_the_same_id(
    corpus: Corpus, documents: Path, questions: Path
) -> None:
    found = collect_changes(documents, questions, corpus)
    texts = {one.id: one.text for one in read_documents(found.corpus)}
    assert texts == {"bell": NEW, "gull": "The gull is grey.", "tug": "A tug came."}
    assert (found.documents, found.corpus.count) == (2, 3)
    asked = get_rows(found.questions, Question)
    assert [(one.id, one.split, one.answers) for one in asked] == [
        ("c1", "dev", ("1801",)), ("c2", "dev", ("A tug",)),
    ]  # fmt: skip


def test_documents_that_are_as_they_were_are_no_change(
    corpus: Corpus, tmp_path: Path, questions: Path
) -> None:
    same = rows(tmp_path / "same.jsonl", {"id": "bell", "text": BELL})
    with pytest.raises(InputError, match="all of them as they were"):
        collect_changes(same, questions, corpus)


def test_a_question_about_a_document_that_is_not_there_is_refused(
    corpus: Corpus, documents: Path, tmp_path: Path
) -> None:
    asked = rows(
        tmp_path / "q.jsonl",
        {"id": "c", "question": "When?", "answers": ["1801"], "document": "belle"},
    )
    with pytest.raises(InputError, match="bell"):
        collect_changes(documents, asked, corpus)


def test_a_copy_of_the_index_follows_and_the_runs_own_stays(
    corpus: Corpus, documents: Path, questions: Path, tiny_model: ModelRef
) -> None:
    own = build(corpus, SPEC, "town")
    changed = collect_changes(documents, questions, corpus)
    examples = ExampleSet(questions=put_rows([]), counts=())
    followed = follow_changes(corpus, changed, examples, SPEC, "town", frozenset)
    assert is_current(own)
    assert followed.index.name == "town-changed"
    assert (followed.report.changed, followed.report.added, followed.report.kept) == (1, 1, 1)
    assert current("town-changed", "lancedb") is not None
    system = System(
        model=tiny_model,
        prompt=Prompt(name="p", instruction="Be brief.", max_new_tokens=2),
        retrieval=retrieval_of(own, SPEC),
    )
    stale, fresh = (
        get_rows(answer_changes(system, changed, index, 2).blob, Answer)
        for index in (None, followed.index)
    )
    assert stale[0].passages[0].text.endswith(BELL)  # after its title
    read = [row.passages[0].text.split("\n")[-1] for row in fresh]
    assert read == [NEW, "A tug came."]


def test_freshness_is_the_score_before_and_after_with_what_the_refresh_took(
    record: RunRecord, make_card
) -> None:
    card: Scorecard = make_card(record.scorecards[0].system, [0.5] * 20)
    cost = Cost(
        seconds=1, tokens=1, energy_kwh=None, energy_method=None, device="cpu", dtype="bfloat16",
        machine="m", run="now",
    )  # fmt: skip

    def scored(value: float) -> Answers:
        changed = [row.model_copy(update={"scores": {"f1": value}}) for row in answers_of(card)]
        return Answers(
            blob=put_rows(changed), system="s", questions_sha="q", split="dev", n=20, cost=cost
        )

    found = freshness(card, scored(0.1), scored(0.75), None)
    assert {name: one.value for name, one in found.items()} == pytest.approx(
        {"stale": 0.1, "fresh": 0.75}
    )
