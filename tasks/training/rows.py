"""What a training reads: token ids of a prompt and its answer, with a mask over the answer."""

from collections.abc import Sequence

from tasks.artifacts import GeneralText, Messages, Passage, Prompt, Question
from tasks.core.errors import InputError
from tasks.models.chat_tokenizer import ChatTokenizer
from tasks.prompts import chat
from tasks.sampling import shuffled
from tasks.task.known import find_task

Row = dict[str, list[int]]


def shuffled_text(texts: Sequence[GeneralText], count: int, seed: int) -> tuple[GeneralText, ...]:
    """Up to `count` replay texts in an order that depends on ids and seed alone."""
    known = {text.id: text for text in texts if text.split == "replay"}
    stand_ins = [Question(id=name, question="", answers=()) for name in known]
    return tuple(known[question.id] for question in shuffled(stand_ins, seed)[:count])


def question_row(
    reader: ChatTokenizer,
    prompt: Prompt,
    question: Question,
    passages: Sequence[Passage] | None,
    max_tokens: int,
) -> Row:
    """Token ids of one example with a mask over the answer and the end of its turn.

    Raises:
        InputError: the example is longer than `max_tokens`.
    """
    asked = chat(prompt, question.question, passages)
    answer = find_task(prompt.task).target(question)
    return _row(reader, asked, answer, question.id, max_tokens)


def general_row(reader: ChatTokenizer, text: GeneralText, max_tokens: int) -> Row:
    """Token ids of one replayed general text with a mask over the answer.

    Raises:
        InputError: the text is longer than `max_tokens`.
    """
    return _row(reader, (("user", text.question),), text.text, text.id, max_tokens)


def _row(reader: ChatTokenizer, asked: Messages, answer: str, name: str, max_tokens: int) -> Row:
    head, tail = reader.encode([reader.render(asked), answer])
    tail = [*tail, reader.turn_end]
    if len(head) + len(tail) > max_tokens:
        raise InputError(
            f"training example {name}", f"{len(head) + len(tail)} tokens",
            f"at most training.max_tokens = {max_tokens}",
            "Raise it, or lower index.k or index.chunk_tokens.",
        )  # fmt: skip
    return {"input_ids": head + tail, "completion_mask": [0] * len(head) + [1] * len(tail)}
