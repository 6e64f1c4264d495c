"""Answers that need no model, and answers that follow an index by name."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tasks import answering
from tasks.answering import generate_answers, refuses_unfound, reply
from tasks.artifacts import (
    Corpus,
    Document,
    Index,
    ModelRef,
    Passage,
    Prompt,
    Question,
    Search,
    System,
)
from tasks.core import digest
from tasks.core.scoring import is_refusal
from tasks.models.decoder import Decoder
from tasks.models.outputs import Generation
from tasks.retrieval.index import build
from tasks.retrieval.search import retrieval_of
from tasks.run import IndexSpec
from tasks.store import put_rows

BARE = Prompt(name="bare", instruction="Answer.")
SPEC = IndexSpec(chunk_tokens=32)
LAMP = "Who trims the wick of the lamp?"
TEXTS = {
    "lamp": "The lighthouse lamp burns colza oil. Keeper Maud Quill trims the wick.",
    "bread": "The baker fires his oven at three.",
}


class Echo:
    """A decoder at the edge: it notes what it was asked."""

    def __init__(self, rule: Callable[[str], str] = lambda _: "red") -> None:
        self.rule, self.prompts = rule, list[str]()

    def render(self, messages: tuple[tuple[str, str], ...]) -> str:
        return messages[-1][1]

    def plain(self, text: str) -> str:
        return text

    def generate(self, prompts: list[str], *_: object, **__: object) -> list[Generation]:
        self.prompts += prompts
        return [Generation(self.rule(prompt), 10, 2) for prompt in prompts]


def passage(text: str) -> Passage:
    return Passage(document=text, title="", position=0, text=text, score=0.5, sha=text)


def question(n: int, *, answerable: bool = True) -> Question:
    answers = ("red",) if answerable else ()
    document = f"d{n}" if answerable else None
    return Question(
        id=f"q{n}", question=f"which {n}?", answers=answers, document=document,
        answerable=answerable,
    )  # fmt: skip


def corpus_of(texts: dict[str, str]) -> Corpus:
    rows = [
        Document(id=name, title=name, text=text, source=f"{name}.md", sha=digest.of_text(text))
        for name, text in texts.items()
    ]
    return Corpus(documents=put_rows(rows), count=len(rows))


def test_what_was_not_found_is_refused_unasked_and_scored_as_a_refusal() -> None:
    echo = Echo()
    asked = [question(0), question(1), question(2, answerable=False), question(3)]
    found = [(passage("d0"),), (), (), (passage("d3"),)]
    rows = generate_answers(cast(Decoder, echo), BARE, asked, found, refuse_unfound=True)
    assert [row.answer for row in rows] == ["red", "I don't know", "I don't know", "red"]
    assert [row.scores["refused"] for row in rows] == [0, 1, 1, 0]
    assert [row.scores["exact_match"] for row in rows] == [1, 0, 1, 1]
    assert (rows[1].scores["recall_at_k"], rows[1].tokens_in, rows[1].prompt) == (0, 0, "")
    assert echo.prompts == ["d0\n\nQuestion: which 0?", "d3\n\nQuestion: which 3?"]


def test_without_a_threshold_the_model_is_asked_even_if_nothing_was_found() -> None:
    echo = Echo()
    (row,) = generate_answers(cast(Decoder, echo), BARE, [question(0)], [()])
    assert row.answer == "red"
    assert len(echo.prompts) == 1


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
    asked = [question(0).model_copy(update={"question": "When does the baker fire his oven?"})]
    (found,) = answering.retrieve(retrieval_of(index, Search(k=1)), asked)
    assert "three" in found[0].text


def test_a_path_without_retrieval_answers_without_an_index(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "load_answerer", lambda *_: Echo())
    assert reply(System(model=tiny_model, prompt=BARE), "which?") == ("red", (), None, {})
