from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tasks.artifacts import (
    ExampleSet,
    General,
    GeneralItem,
    GeneralText,
    ModelRef,
    Passage,
    Question,
    Retrieval,
    Search,
    SplitCount,
)
from tasks.prompts import training_prompt
from tasks.run import AnsweringSpec, TrainingSpec
from tasks.store import put_rows
from tasks.task.question_answering import REFUSAL, target
from tasks.training import tuning
from tasks.training.tuning import grounded, train_path
from tests.corpora import index_of_nothing

RETRIEVAL = Retrieval(index=index_of_nothing(), k=3, mode="hybrid", alpha=0.3)


def passage(document: str, position: int = 0) -> Passage:
    name = f"{document}-{position}"
    return Passage(
        document=document, title=document, position=position, text=name, score=1, sha=name
    )


class Shelf:
    """An index whose ranking is written down: documents by question, best first."""

    def __init__(self, ranked: Mapping[str, Sequence[str]]) -> None:
        self.ranked = ranked
        self.asked: list[Search] = []

    def search(
        self, queries: Sequence[str], how: Search, where: Mapping[str, str] | None = None
    ) -> tuple[tuple[Passage, ...], ...]:
        self.asked.append(how)
        if where:
            return tuple((passage(where["document"], 7),)[: how.k] for _ in queries)
        return tuple(tuple(passage(name) for name in self.ranked[q][: how.k]) for q in queries)


def put_on(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(tuning, "open_index", lambda index: shelf)
    return shelf


FOUND = Question(id="found", question="found?", answers=("a",), document="src")
MISSED = Question(id="missed", question="missed?", answers=("a",), document="src")
LOST = Question(id="lost", question="lost?", answers=(), answerable=False)
LOOSE = Question(id="loose", question="loose?", answers=("a",))
RANKED = {
    "found?": ("x", "src", "y", "z", "src", "v"),
    "missed?": ("x", "y", "z", "src", "u", "v"),
    "lost?": ("x", "y", "z", "u", "v", "w"),
    "loose?": ("z", "y", "x", "u", "v", "w"),
}


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return put_on(Shelf(RANKED), monkeypatch)


def shown(question: Question, without_source: float) -> list[str]:
    ((_, passages),) = grounded([question], RETRIEVAL, without_source, 7)
    return [one.text for one in passages]


def test_a_source_that_was_found_stays_where_it_was_found(shelf: Shelf) -> None:
    assert shown(FOUND, 0.0) == ["x-0", "src-0", "y-0"]


def test_a_source_that_was_missed_takes_the_last_place(shelf: Shelf) -> None:
    assert shown(MISSED, 0.0) == ["x-0", "y-0", "src-7"]


def test_a_missed_source_is_there_even_if_one_passage_is_shown(shelf: Shelf) -> None:
    one = RETRIEVAL.model_copy(update={"k": 1})
    ((_, passages),) = grounded([MISSED], one, 0.0, 7)
    assert [p.document for p in passages] == ["src"]


@pytest.mark.parametrize("question", [LOST, LOOSE])
def test_a_question_without_known_source_keeps_what_was_found(
    shelf: Shelf, question: Question
) -> None:
    expected = [f"{name}-0" for name in RANKED[question.question][:3]]
    assert shown(question, 0.0) == expected


def test_a_question_without_answer_keeps_what_was_found_even_about_a_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_on(Shelf(RANKED), monkeypatch)
    about = LOST.model_copy(update={"document": "src"})
    assert shown(about, 0.99) == ["x-0", "y-0", "z-0"]


def test_a_source_that_is_left_out_leaves_its_places_to_distractors(shelf: Shelf) -> None:
    ((learnt, passages),) = grounded([FOUND], RETRIEVAL, 0.99, 7)
    assert [one.document for one in passages] == ["x", "y", "z"]
    assert target(learnt) == REFUSAL


def test_search_is_that_of_the_retrieval_with_more_to_choose_from(shelf: Shelf) -> None:
    grounded([FOUND, MISSED], RETRIEVAL, 0.0, 7)
    assert shelf.asked == [RETRIEVAL.model_copy(update={"k": k}) for k in (6, 1)]


def test_what_is_too_far_to_be_answered_is_still_learnt_from(shelf: Shelf) -> None:
    strict = RETRIEVAL.model_copy(update={"min_similarity": 0.9, "neighbours": 1})
    grounded([FOUND, MISSED], strict, 0.0, 7)
    assert [how.min_similarity for how in shelf.asked] == [None, None]
    assert {how.neighbours for how in shelf.asked} == {1}


def many(count: int) -> list[Question]:
    known = [
        Question(id=f"q{n}", question=f"q{n}?", answers=("a",), document=f"d{n}")
        for n in range(count)
    ]
    lost = [
        Question(id=f"u{n}", question=f"u{n}?", answers=(), answerable=False) for n in range(10)
    ]
    return known + lost


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    ranked = {f"q{n}?": (f"d{n}", *"abcde") for n in range(40)}
    return put_on(Shelf(ranked | {f"u{n}?": tuple("abcdef") for n in range(10)}), monkeypatch)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(("share", "left_out"), [(0.0, 0), (0.2, 8), (0.5, 20)])
def test_sources_are_left_out_in_the_stated_share_of_answerable_questions(
    share: float, left_out: int
) -> None:
    rows = grounded(many(40), RETRIEVAL, share, 7)
    assert [question.id for question, _ in rows] == [question.id for question in many(40)]
    assert all(len(passages) == 3 for _, passages in rows)
    without = [
        question
        for question, passages in rows
        if question.document and question.document not in {one.document for one in passages}
    ]
    assert len(without) == left_out
    refusing = {question.id for question, _ in rows if target(question) == REFUSAL}
    assert refusing == {question.id for question in without} | {f"u{n}" for n in range(10)}


@pytest.mark.usefixtures("full")
def test_which_sources_are_left_out_depends_on_the_seed_and_not_on_the_order() -> None:
    def chosen(questions: list[Question], seed: int) -> set[str]:
        rows = grounded(questions, RETRIEVAL, 0.2, seed)
        return {q.id for q, passages in rows if q.document and passages[0].document != q.document}

    assert chosen(many(40), 7) == chosen(many(40)[::-1], 7)
    assert chosen(many(40), 7) != chosen(many(40), 8)


SPEC = TrainingSpec(
    rank=4, epochs=1, epochs_with_passages=1, replay=0.5, max_tokens=300, batch_size=4
)


@pytest.mark.usefixtures("home", "full")
@pytest.mark.parametrize("retrieval", [None, RETRIEVAL])
def test_a_path_learns_from_the_training_split_and_replays_general_text(
    tiny_model: ModelRef, home: Path, retrieval: Retrieval | None
) -> None:
    train = [question.model_copy(update={"split": "train"}) for question in many(10)]
    dev = FOUND.model_copy(update={"split": "dev", "question": "never learnt " * 200})
    examples = ExampleSet(
        questions=put_rows([*train, dev]),
        counts=(SplitCount(split="train", kind="all", count=len(train)),),
    )
    texts = [
        GeneralText(id=f"t{n}", question="Say.", text=text, split=split)
        for n in range(4)
        for split, text in (("replay", "It is."), ("heldout", "never learnt " * 200))
    ]
    texts = [text.model_copy(update={"id": f"{text.id}-{text.split}"}) for text in texts]
    item = GeneralItem(id="i", question="?", choices=("a", "b"), answer=0)
    general = General(items=put_rows([item]), text=put_rows(texts))
    path = "finetune" if retrieval is None else "finetune+rag"
    prompt = training_prompt(path, AnsweringSpec())
    made = train_path(tiny_model, path, examples, retrieval, general, prompt, SPEC, 7)
    assert (made.examples, made.replayed) == (18, 4)
    assert made.adapter.with_passages == (retrieval is not None)
    part = train_path(tiny_model, path, examples, retrieval, general, prompt, SPEC, 7, 1 / 3)
    assert (part.examples, part.replayed) == (6, round(6 * SPEC.replay))
    assert len(part.curve) > 0
