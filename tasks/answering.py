"""A system answers questions: retrieve, prompt, generate, score."""

from collections.abc import Sequence

from tasks.artifacts import Answer, Passage, Prompt, Question, Retrieval, System
from tasks.core.ranking import recall_at, reciprocal_rank
from tasks.core.scoring import read_answer, score_answer
from tasks.decoder import Decoder, load_decoder
from tasks.index import open_index
from tasks.prompts import chat, plain


def retrieve(
    retrieval: Retrieval, questions: Sequence[Question]
) -> tuple[tuple[Passage, ...], ...]:
    """The passages for each question, best first."""
    searcher = open_index(retrieval.index)
    texts = [question.question for question in questions]
    return searcher.search(texts, k=retrieval.k, mode=retrieval.mode, alpha=retrieval.alpha)


def render(
    decoder: Decoder, prompt: Prompt, question: str, passages: Sequence[Passage] | None
) -> str:
    """The text that a decoder is given for one question."""
    if prompt.style == "plain":
        return plain(prompt, question, passages)
    return decoder.render(chat(prompt, question, passages))


def generate_answers(
    decoder: Decoder,
    prompt: Prompt,
    questions: Sequence[Question],
    passages: Sequence[tuple[Passage, ...]] | None,
    *,
    batch_size: int = 32,
    step: str = "",
    timings: list[float] | None = None,
) -> tuple[Answer, ...]:
    """Answers of one decoder and prompt to questions whose passages are already there."""
    found: Sequence[tuple[Passage, ...] | None] = passages or [None] * len(questions)
    rendered = [
        render(decoder, prompt, question.question, shown)
        for question, shown in zip(questions, found, strict=True)
    ]
    made = decoder.generate(
        rendered, prompt.max_new_tokens, batch_size=batch_size, step=step, timings=timings
    )
    return tuple(
        _scored(question, text, shown, answer.text, answer.tokens_in, answer.tokens_out)
        for question, text, shown, answer in zip(questions, rendered, found, made, strict=True)
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


def reply(system: System, question: str) -> tuple[str, tuple[Passage, ...]]:
    """One answer outside any evaluation, with the passages it was given."""
    found: tuple[Passage, ...] | None = None
    if system.retrieval:
        spec = system.retrieval
        searcher = open_index(spec.index)
        found = searcher.search([question], k=spec.k, mode=spec.mode, alpha=spec.alpha)[0]
    decoder = load_decoder(system.model.ref, system.adapter)
    prompt = render(decoder, system.prompt, question, found)
    (made,) = decoder.generate([prompt], max_new_tokens=system.prompt.max_new_tokens)
    return read_answer(made.text), found or ()
