"""A system answers questions: retrieve, prompt, generate, score."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.artifacts import Answer, Passage, Prompt, Question, Retrieval, System
from tasks.core.ranking import recall_at, reciprocal_rank
from tasks.core.scoring import read_answer, score_answer
from tasks.models.answerer import Answerer, load_answerer
from tasks.models.decoder import Generation
from tasks.prompts import REFUSAL, chat, plain
from tasks.retrieval.search import Found, open_index, search_latest


class Reply(NamedTuple):
    """An answer, the passages that it was given, and the digest of the index that was searched."""

    text: str
    passages: tuple[Passage, ...]
    index_sha: str | None


def retrieve(retrieval: Retrieval, questions: Sequence[Question]) -> Found:
    """The passages for each question, best first, from the very index that is named."""
    searcher = open_index(retrieval.index)
    return searcher.search([question.question for question in questions], retrieval)


def refuses_unfound(retrieval: Retrieval | None) -> bool:
    """Whether a system says that it does not know, unasked, where its search finds nothing.

    One with `min_similarity` does; another leaves it to the model.
    """
    return retrieval is not None and retrieval.min_similarity is not None


def render(
    decoder: Answerer, prompt: Prompt, question: str, passages: Sequence[Passage] | None
) -> str:
    """The text that a decoder is given for one question."""
    if prompt.style == "plain":
        return decoder.plain(plain(prompt, question, passages))
    return decoder.render(chat(prompt, question, passages))


def generate_answers(
    decoder: Answerer,
    prompt: Prompt,
    questions: Sequence[Question],
    passages: Sequence[tuple[Passage, ...]] | None,
    *,
    refuse_unfound: bool = False,
    batch_size: int = 32,
    step: str = "",
    timings: list[float] | None = None,
) -> tuple[Answer, ...]:
    """Answers of one decoder and prompt to questions whose passages are already there.

    With `refuse_unfound` the decoder is not asked where no passage is: `REFUSAL` is the answer,
    of no tokens and to no prompt.
    """
    found: Sequence[tuple[Passage, ...] | None] = passages or [None] * len(questions)
    unasked = [refuse_unfound and shown == () for shown in found]
    rendered = [
        "" if skipped else render(decoder, prompt, question.question, shown)
        for question, shown, skipped in zip(questions, found, unasked, strict=True)
    ]
    made = iter(
        decoder.generate(
            [text for text, skipped in zip(rendered, unasked, strict=True) if not skipped],
            prompt.max_new_tokens,
            batch_size=batch_size,
            step=step,
            timings=timings,
        )
    )
    answers = [Generation(REFUSAL, 0, 0) if skipped else next(made) for skipped in unasked]
    return tuple(
        _scored(question, text, shown, answer.text, answer.tokens_in, answer.tokens_out)
        for question, text, shown, answer in zip(questions, rendered, found, answers, strict=True)
    )


def _scored(
    question: Question,
    prompt: str,
    passages: tuple[Passage, ...] | None,
    raw: str,
    tokens_in: int,
    tokens_out: int,
) -> Answer:
    text = read_answer(raw)
    scores = score_answer(text, question.answers, question.answerable)
    if passages is not None and question.document is not None:
        ranked = [passage.document for passage in passages]
        scores["recall_at_k"] = recall_at(ranked, question.document, len(ranked))
        scores["mrr"] = reciprocal_rank(ranked, question.document)
    return Answer(
        question_id=question.id,
        cluster=question.cluster,
        kind=question.kind,
        question=question.question,
        expected=question.answers,
        prompt=prompt,
        passages=passages or (),
        answer=text,
        scores=scores,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


def reply(system: System, question: str) -> Reply:
    """One answer outside any evaluation, from what the index's name points at now."""
    found: tuple[Passage, ...] | None = None
    searched: str | None = None
    if system.retrieval:
        (found,), index = search_latest(system.retrieval.index, [question], system.retrieval)
        searched = index.sha
        if not found and refuses_unfound(system.retrieval):
            return Reply(read_answer(REFUSAL), (), searched)
    decoder = load_answerer(system.model.ref, system.adapter)
    prompt = render(decoder, system.prompt, question, found)
    (made,) = decoder.generate([prompt], max_new_tokens=system.prompt.max_new_tokens)
    return Reply(read_answer(made.text), found or (), searched)
