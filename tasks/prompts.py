"""How a question becomes a prompt, and which prompts each path may choose from."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tasks.artifacts import Messages, Passage, PathName, Prompt, Question
from tasks.run import AnsweringSpec
from tasks.sampling import shuffled

REFUSAL = "I don't know."


class Wording(NamedTuple):
    """A way to ask."""

    name: str
    style: Literal["chat", "plain"]
    instruction: str
    examples: bool = False  # with demonstrations
    refusal: bool = False  # one of which has no answer


# Every path chooses the best of three on the training split, so that none wins by format alone
# and none loses to a clumsy instruction. Small chat models talk where they are asked for a word;
# continuing plain text they do not.
UNTUNED = (
    Wording("brief", "chat", "Reply with only the short answer."),
    Wording("plain examples", "plain", "", examples=True),
    Wording(
        "plain examples, refusal", "plain",
        f"Answer in a few words, or say: {REFUSAL}", examples=True, refusal=True,
    ),
)  # fmt: skip
# A tuned model has seen the demonstrations in training; the first wording is the one it learns.
TUNED = (
    Wording("brief", "chat", "Reply with only the short answer."),
    Wording("bare", "chat", "Answer."),
    Wording("refusal", "chat", f"Reply with only the short answer, or say: {REFUSAL}"),
)
FROM_PASSAGES = "Use the passages. "


def reads_passages(path: PathName) -> bool:
    """Whether a path reads retrieved passages."""
    return path in ("rag", "finetune+rag")


def is_tuned(path: PathName) -> bool:
    """Whether a path has an adapter."""
    return path in ("finetune", "finetune+rag")


def chat(prompt: Prompt, question: str, passages: Sequence[Passage] | None) -> Messages:
    """The whole chat for one question: instruction, demonstrations, passages and question."""
    shown = tuple(
        turn
        for user, answer in prompt.demonstrations
        for turn in (("user", user), ("assistant", answer))
    )
    asked = question if passages is None else f"{_joined(passages)}\n\nQuestion: {question}"
    return (("system", prompt.instruction), *shown, ("user", asked))


def plain(prompt: Prompt, question: str, passages: Sequence[Passage] | None) -> str:
    """Text that the answer continues: passages, instruction, demonstrations, question."""
    pairs = "".join(f"Q: {asked}\nA: {answer}\n" for asked, answer in prompt.demonstrations)
    parts = [_joined(passages or ()), prompt.instruction, f"{pairs}Q: {question}\nA:"]
    return "\n\n".join(part for part in parts if part)


def _joined(passages: Sequence[Passage]) -> str:
    return "\n\n".join(passage.text for passage in passages)


def target(question: Question) -> str:
    """The answer to learn: the first accepted one, or the refusal."""
    return question.answers[0] if question.answerable else REFUSAL


def demonstrators(pool: Sequence[Question], count: int, seed: int) -> tuple[Question, ...]:
    """Training questions that serve as demonstrations: one without an answer comes last.

    Each is from another document, so that they show the form of answers and not one subject.
    Where none are wanted, there is none without an answer either.
    """
    chosen: dict[str, Question] = {}
    ordered = shuffled(pool, seed)
    for question in ordered:
        if question.answerable and len(chosen) < count:
            chosen.setdefault(question.cluster, question)
    unanswerable = [question for question in ordered if not question.answerable]
    return (*chosen.values(), *unanswerable[: min(count, 1)])


def candidates(
    path: PathName, spec: AnsweringSpec, shown: Sequence[Question]
) -> tuple[Prompt, ...]:
    """The prompts that a path chooses among; `shown` are the demonstrations."""
    source = FROM_PASSAGES if reads_passages(path) else ""
    prompts = []
    for wording in TUNED if is_tuned(path) else UNTUNED:
        pairs = [(q.question, target(q)) for q in shown if q.answerable or wording.refusal]
        prompts.append(
            Prompt(
                name=wording.name,
                style=wording.style,
                instruction=source + wording.instruction if wording.instruction else "",
                demonstrations=tuple(pairs) if wording.examples else (),
                max_new_tokens=spec.max_new_tokens,
            )
        )
    return tuple(prompts)


def training_prompt(path: PathName, spec: AnsweringSpec) -> Prompt:
    """The prompt that a path's adapter is trained with."""
    return candidates(path, spec, ())[0]
