"""A system answers questions: retrieve, prompt, generate or choose a label, score."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.artifacts import (
    QUESTION_ANSWERING,
    Answer,
    Passage,
    Prompt,
    Question,
    Retrieval,
    System,
)
from tasks.core.errors import InputError
from tasks.core.labels import LEAST, log_means, normalised, votes
from tasks.core.ranking import recall_at, reciprocal_rank
from tasks.models.answerer import Answerer, load_answerer
from tasks.prompts import chat, plain, stop_of
from tasks.retrieval.demonstrations import nearest_examples
from tasks.retrieval.search import Found, Searcher, open_index, search_latest
from tasks.task import Task
from tasks.task.constraints import constraint_scores
from tasks.task.known import find_task
from tasks.task.metrics import WHOLE
from tasks.task.question_answering import REFUSAL


class Reply(NamedTuple):
    """An answer, the passages that it was given, and the digest of the index that was searched.

    `probabilities` are those of the labels, where the answer is one of them.
    """

    text: str
    passages: tuple[Passage, ...]
    index_sha: str | None
    probabilities: Mapping[str, float] = {}


class Made(NamedTuple):
    """What a model made of one prompt, and the tokens that it took."""

    text: str
    tokens_in: int
    tokens_out: int
    probabilities: dict[str, float]


def retrieve(
    retrieval: Retrieval, questions: Sequence[Question], task: str = QUESTION_ANSWERING
) -> Found:
    """The passages for each question, best first, from the very index that is named.

    A labelled example never finds itself.
    """
    searcher, texts = open_index(retrieval.index), [question.question for question in questions]
    if find_task(task).retrieves == "documents":
        return searcher.search(texts, retrieval)
    return nearest_examples(searcher, texts, retrieval, [question.id for question in questions])


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
    task = find_task(prompt.task)
    refusing = refuse_unfound and task.retrieves == "documents"
    unasked = [refusing and shown == () for shown in found]
    rendered = [
        "" if skipped else render(decoder, prompt, question.question, shown)
        for question, shown, skipped in zip(questions, found, unasked, strict=True)
    ]
    asked = [i for i, skipped in enumerate(unasked) if not skipped]
    made = _made(
        decoder, prompt, [rendered[i] for i in asked], [questions[i].id for i in asked],
        [found[i] for i in asked], batch_size, step, timings,
    )  # fmt: skip
    refused = Made(task.read(REFUSAL), 0, 0, {})
    by_place = dict(zip(asked, made, strict=True))
    return tuple(
        _scored(prompt, question, rendered[i], found[i], by_place.get(i, refused))
        for i, question in enumerate(questions)
    )


def _made(
    decoder: Answerer,
    prompt: Prompt,
    rendered: Sequence[str],
    names: Sequence[str],
    passages: Sequence[Sequence[Passage] | None],
    batch_size: int = 32,
    step: str = "",
    timings: list[float] | None = None,
) -> list[Made]:
    """What a model makes of rendered prompts: the likeliest label, or text as the task reads it.

    A label stands after the prompt as an answer does in its demonstrations. Where the prompt has
    a vote, the labels of the passages count beside the model, or alone.
    """
    if prompt.vote == 1:
        return [_voted(prompt, Made("", 0, 0, {}), shown) for shown in passages]
    if not prompt.labels:
        read = find_task(prompt.task).read
        texts = decoder.generate(
            rendered, prompt.max_new_tokens, batch_size=batch_size, step=step, timings=timings,
            names=names, stop=stop_of(prompt),
        )  # fmt: skip
        return [Made(read(one.text), one.tokens_in, one.tokens_out, {}) for one in texts]
    space = " " if prompt.style == "plain" else ""
    options = [space + label for label in prompt.labels]
    made = []
    for one in decoder.choose(rendered, options, batch_size, step, timings, names):
        label, chances = chosen_label(prompt, one.log_probabilities)
        made.append(Made(label, one.tokens_in, one.tokens_out, chances))
    if prompt.vote:
        return [_voted(prompt, one, shown) for one, shown in zip(made, passages, strict=True)]
    return made


def _voted(prompt: Prompt, made: Made, passages: Sequence[Passage] | None) -> Made:
    """A model's choice with the vote of the labelled examples that were found for it.

    Probabilities are mixed in the prompt's proportion; where nothing is found, the model's stand.
    """
    if not passages and made.probabilities:
        return made
    found = votes(prompt.labels, [(one.tags[0], one.score) for one in passages or ()])
    own, vote = made.probabilities, prompt.vote
    chances = {one: (1 - vote) * own.get(one, 0.0) + vote * found[one] for one in prompt.labels}
    return made._replace(text=max(chances, key=chances.__getitem__), probabilities=chances)


def chosen_label(
    prompt: Prompt, log_probabilities: Sequence[float]
) -> tuple[str, dict[str, float]]:
    """The likeliest of a prompt's labels, less what it favours, and the probabilities of all."""
    prior = prompt.prior or (0.0,) * len(prompt.labels)
    levelled = [one - other for one, other in zip(log_probabilities, prior, strict=True)]
    chances = dict(zip(prompt.labels, normalised(levelled), strict=True))
    return max(chances, key=chances.__getitem__), chances


def levelled(prompt: Prompt, rows: Sequence[Answer]) -> tuple[Prompt, tuple[Answer, ...]]:
    """A prompt less what it favours over some answers, and what these are then; no model is asked.

    `rows` are the prompt's answers, in which no label's frequency is taken off yet.
    """
    shares = [[max(one, LEAST) for one in row.probabilities.values()] for row in rows]
    name = f"{prompt.name}, levelled"
    fair = prompt.model_copy(update={"prior": log_means(shares), "name": name})
    score, again = find_task(prompt.task).score, []
    for row, chances in zip(rows, shares, strict=True):
        label, fresh = chosen_label(fair, [math.log(one) for one in chances])
        asked = Question(id=row.question_id, question=row.question, answers=row.expected)
        again.append(row.model_copy(update={
            "answer": label, "probabilities": fresh, "scores": score(label, asked)
        }))  # fmt: skip
    return fair, tuple(again)


def _scored(
    prompt: Prompt,
    question: Question,
    rendered: str,
    passages: tuple[Passage, ...] | None,
    made: Made,
) -> Answer:
    task = find_task(prompt.task)
    scores = _own_scores(task, made.text, question)
    scores |= constraint_scores(made.text, question.question, prompt.constraints)
    if passages is not None and question.document is not None and task.retrieves == "documents":
        ranked = [passage.document for passage in passages]
        scores["recall_at_k"] = recall_at(ranked, question.document, len(ranked))
        scores["mrr"] = reciprocal_rank(ranked, question.document)
    return Answer(
        question_id=question.id,
        cluster=question.cluster,
        kind=question.kind,
        question=question.question,
        expected=question.answers,
        prompt=rendered,
        passages=passages or (),
        answer=made.text,
        scores=scores,
        tokens_in=made.tokens_in,
        tokens_out=made.tokens_out,
        probabilities=made.probabilities,
    )


def _own_scores(task: Task, answer: str, question: Question) -> dict[str, float]:
    """What a task's own metrics say of one answer, checked: they may be anybody's.

    Raises:
        InputError: a score is no number from 0 to 1, or one that may decide is missing.
    """
    scores = dict(task.score(answer, question))
    wrong = {name: value for name, value in scores.items() if not 0 <= value <= 1}
    missing = [name for name in task.deciding if name not in scores and name not in WHOLE]
    if wrong or missing:
        raise InputError(
            f"task {task.name}: score of {question.id}",
            ", ".join([*(f"{name} {value}" for name, value in wrong.items()), *missing]),
            f"numbers from 0 to 1, {', '.join(task.deciding)} among them", "Mend the task's score.",
        )  # fmt: skip
    return scores


def reply(system: System, question: str) -> Reply:
    """One answer outside any evaluation, from what the index's name points at now."""
    task = find_task(system.prompt.task)
    found: tuple[Passage, ...] | None = None
    searched: str | None = None
    if system.retrieval:
        how = Searcher.search if task.retrieves == "documents" else nearest_examples
        (found,), index = search_latest(system.retrieval.index, [question], system.retrieval, how)
        searched = index.sha
        documents = task.retrieves == "documents"
        if documents and not found and refuses_unfound(system.retrieval):
            return Reply(task.read(REFUSAL), (), searched)
    decoder = load_answerer(system.model.ref, system.adapter)
    prompt = render(decoder, system.prompt, question, found)
    (made,) = _made(decoder, system.prompt, [prompt], ["the question"], [found])
    return Reply(made.text, found or (), searched, made.probabilities)
