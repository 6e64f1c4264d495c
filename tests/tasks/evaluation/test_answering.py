"""Answers that need no model, and answers that follow an index by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from tasks.artifacts import (
    Answer,
    Index,
    ModelRef,
    Passage,
    Question,
    Retrieval,
    Search,
    System,
)
from tasks.core.scoring import is_refusal
from tasks.evaluation import answering
from tasks.evaluation.answering import generate_answers, refuses_unfound, reply
from tasks.models.decoder import Decoder
from tasks.results.record import RunRecord
from tasks.retrieval.index import build
from tasks.retrieval.search import retrieval_of
from tasks.run import IndexSpec
from tests.corpora import corpus_of
from tests.tasks.asking import BARE, Echo, lost, question

SPEC = IndexSpec(chunk_tokens=32)
LAMP = "Who trims the wick of the lamp?"
TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil. Keeper Maud Quill trims the wick.",
    "bread": "The baker fires his oven at three.",
}


def passage(text: str) -> Passage:
    return Passage(document=text, title="", position=0, text=text, score=0.5, sha=text)


def answered(
    echo: Echo, asked: Sequence[Question], found: Sequence[tuple[Passage, ...]] | None, **how: Any
) -> tuple[Answer, ...]:
    return generate_answers(cast(Decoder, echo), BARE, asked, found, **how)


def test_what_was_not_found_is_refused_unasked_and_scored_as_a_refusal() -> None:
    echo = Echo()
    asked = [question(0, "dev"), question(1, "dev"), lost(2, "dev"), question(3, "dev")]
    found = [(passage("dev-0"),), (), (), (passage("dev-1"),)]
    rows = answered(echo, asked, found, refuse_unfound=True)
    assert [row.answer for row in rows] == ["red", "I don't know", "I don't know", "red"]
    assert [row.scores["refused"] for row in rows] == [0, 1, 1, 0]
    assert [row.scores["exact_match"] for row in rows] == [1, 0, 1, 1]
    assert (rows[1].scores["recall_at_k"], rows[1].tokens_in, rows[1].prompt) == (0, 0, "")
    told = [prompt.rpartition("user: ")[2] for prompt in echo.prompts]
    assert told == ["dev-0\n\nQuestion: Which colour 0?", "dev-1\n\nQuestion: Which colour 3?"]


def test_without_a_threshold_the_model_is_asked_even_if_nothing_was_found() -> None:
    echo = Echo()
    (row,) = answered(echo, [question(0, "dev")], [()])
    assert row.answer == "red"
    assert len(echo.prompts) == 1


def test_every_answer_is_scored_with_what_it_was_shown() -> None:
    echo = Echo(lambda text: {"1": "Answer: red", "2": "I don't know."}.get(text[-2], "dark red"))
    asked = [question(0, "dev"), question(1, "dev"), lost(2, "dev")]
    found = ((passage("x"), passage("dev-0")), (passage("x"), passage("y")), (passage("x"),))
    rows = answered(echo, asked, found)
    assert [row.answer for row in rows] == ["dark red", "red", "I don't know"]
    assert [row.scores["exact_match"] for row in rows] == [0, 1, 1]
    assert [row.scores["contains"] for row in rows] == [1, 1, 1]
    assert rows[0].scores["f1"] == pytest.approx(2 / 3)
    assert [row.scores.get("recall_at_k") for row in rows] == [1, 0, None]
    assert [row.scores.get("mrr") for row in rows] == [0.5, 0, None]
    assert [row.cluster for row in rows] == ["dev-0", "dev-0", "dev-02"]
    assert rows[0].passages == found[0]
    assert rows[0].prompt.endswith("x\n\ndev-0\n\nQuestion: Which colour 0?")


def test_retrieval_that_finds_nothing_is_scored_as_a_miss() -> None:
    (row,) = answered(Echo(), [question(0, "dev")], [()])
    assert (row.scores["recall_at_k"], row.scores["mrr"]) == (0, 0)


def test_a_path_without_retrieval_has_no_retrieval_scores() -> None:
    (row,) = answered(Echo(), [question(0, "dev")], None)
    assert set(row.scores).isdisjoint({"recall_at_k", "mrr"})


def test_retrieving_asks_all_questions_at_once_as_the_system_says(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], Search]] = []

    class Shelf:
        def search(self, texts: list[str], how: Search) -> tuple[tuple[Passage, ...], ...]:
            seen.append((texts, how))
            return tuple((passage(text),) for text in texts)

    monkeypatch.setattr(answering, "open_index", lambda index: Shelf())
    retrieval = next(c.system.retrieval for c in record.scorecards if c.system.retrieval)
    keyword = Retrieval(index=retrieval.index, k=4, mode="keyword", alpha=0.2)
    found = answering.retrieve(keyword, [question(0, "dev"), question(1, "dev")])
    assert [row[0].document for row in found] == ["Which colour 0?", "Which colour 1?"]
    assert seen == [(["Which colour 0?", "Which colour 1?"], keyword)]


@pytest.fixture
def index(home: Path) -> Index:
    return build(corpus_of(TEXTS), SPEC, "town")


def asking(model: ModelRef, index: Index, how: Search) -> System:
    return System(model=model, prompt=BARE, retrieval=retrieval_of(index, how))


def test_a_system_with_a_threshold_does_not_load_its_model_for_what_it_does_not_know(
    index: Index, tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Decoder:
        raise AssertionError("no model is needed")

    monkeypatch.setattr(answering, "load_answerer", refuse)
    strict = asking(tiny_model, index, Search(k=1, mode="hybrid", min_similarity=0.99))
    assert refuses_unfound(strict.retrieval)
    answer = reply(strict, LAMP)
    assert is_refusal(answer.text)
    assert (answer.passages, answer.index_sha) == ((), index.sha)
    lax = asking(tiny_model, index, Search(k=1, mode="hybrid", min_similarity=0.1))
    with pytest.raises(AssertionError, match="no model"):
        reply(lax, LAMP)


def test_an_answer_comes_from_what_the_name_points_at_and_says_so(
    index: Index, tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = Echo(lambda prompt: prompt.split()[-6])
    monkeypatch.setattr(answering, "load_answerer", lambda *_: echo)
    system = asking(tiny_model, index, Search(k=1, mode="vector"))
    first = reply(system, "When does the baker fire his oven?")
    assert first.index_sha == index.sha
    assert (first.passages[0].document, first.passages[0].source) == ("bread", "bread.md")
    later = build(corpus_of(TEXTS | {"bread": "The baker fires his oven at noon."}), SPEC, "town")
    second = reply(system, "When does the baker fire his oven?")
    assert second.index_sha == later.sha != index.sha
    assert "noon" in second.passages[0].text
    assert "noon" in echo.prompts[-1]


def test_evaluation_stays_with_the_index_that_it_was_given(index: Index) -> None:
    build(corpus_of(TEXTS | {"bread": "The baker fires his oven at noon."}), SPEC, "town")
    asked = [question(0, "dev", question="When does the baker fire his oven?")]
    (found,) = answering.retrieve(retrieval_of(index, Search(k=1)), asked)
    assert "three" in found[0].text


def test_a_path_without_retrieval_answers_without_an_index(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "load_answerer", lambda *_: Echo())
    assert reply(System(model=tiny_model, prompt=BARE), "which?") == ("red", (), None, {})
