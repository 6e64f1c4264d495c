"""How a question becomes a prompt, and which prompts each path may choose from."""

import re
from collections.abc import Sequence

from tasks.artifacts import (
    NO_CONSTRAINTS,
    QUESTION_ANSWERING,
    Constraints,
    Messages,
    Passage,
    PathName,
    Prompt,
    Question,
)
from tasks.run import AnsweringSpec
from tasks.task import Task, Wording
from tasks.task.constraints import told, with_terms
from tasks.task.known import find_task

PLACEHOLDER = re.compile(r"\{(labels|instruction|constraints)\}")

# How much an encoder's neighbours count beside its head, by path; of several the best is chosen.
VOTES: dict[PathName, tuple[float, ...]] = {
    "rag": (1.0,), "finetune": (0.0,), "finetune+rag": (0.5, 0.3, 0.7, 0.1, 0.9),
}  # fmt: skip


def reads_passages(path: PathName) -> bool:
    """Whether a path reads retrieved passages."""
    return path in ("rag", "finetune+rag")


def is_tuned(path: PathName) -> bool:
    """Whether a path has an adapter."""
    return path in ("finetune", "finetune+rag")


def chat(prompt: Prompt, question: str, passages: Sequence[Passage] | None) -> Messages:
    """The whole chat for one question: instruction, demonstrations, passages and question."""
    prompt, passages = placed(prompt, passages)
    shown = tuple(
        turn
        for user, answer in prompt.demonstrations
        for turn in (("user", as_read(prompt, user)), ("assistant", answer))
    )
    asked = as_read(prompt, question)
    if passages is not None:
        asked = f"{_joined(passages)}\n\nQuestion: {asked}"
    return (("system", prompt.instruction), *shown, ("user", asked))


def plain(prompt: Prompt, question: str, passages: Sequence[Passage] | None) -> str:
    """Text that the answer continues: passages, instruction, demonstrations, question."""
    prompt, passages = placed(prompt, passages)
    ask, answer = find_task(prompt.task).turn
    shown = (
        f"{ask}: {as_read(prompt, user)}\n{answer}: {reply}\n"
        for user, reply in prompt.demonstrations
    )
    asked = f"{''.join(shown)}{ask}: {as_read(prompt, question)}\n{answer}:"
    parts = [_joined(passages or ()), prompt.instruction, asked]
    return "\n\n".join(part for part in parts if part)


def as_read(prompt: Prompt, text: str) -> str:
    """A question or text as it stands in a prompt: cut where the run file says so, terms below."""
    return with_terms(first_words(text, prompt.text_words), prompt.constraints)


def first_words(text: str, most: int | None) -> str:
    """The first so many words of a text that has more, else the text as it is."""
    words = text.split()
    return text if most is None or len(words) <= most else " ".join(words[:most])


def stop_of(prompt: Prompt) -> str:
    """What ends an answer, beside the end of sequence: nothing where the string is empty.

    Text that is continued goes on with another example, which ends an answer of several lines.
    """
    task = find_task(prompt.task)
    if not task.multiline:
        return "\n"
    return f"\n{task.turn[0]}:" if prompt.style == "plain" else ""


def placed(
    prompt: Prompt, passages: Sequence[Passage] | None
) -> tuple[Prompt, Sequence[Passage] | None]:
    """Where passages go: knowledge before the question, labelled examples as demonstrations.

    Those come after the fixed ones, the nearest one last, beside the question.
    """
    if passages is None or find_task(prompt.task).retrieves == "documents":
        return prompt, passages
    pairs = tuple((one.text, one.tags[0]) for one in reversed(passages))
    return prompt.model_copy(update={"demonstrations": prompt.demonstrations + pairs}), None


def _joined(passages: Sequence[Passage]) -> str:
    return "\n\n".join(passage.text for passage in passages)


def candidates(
    path: PathName,
    spec: AnsweringSpec,
    shown: Sequence[Question],
    task: str = QUESTION_ANSWERING,
    labels: Sequence[str] = (),
    constraints: Constraints = NO_CONSTRAINTS,
    *,
    generates: bool = True,
) -> tuple[Prompt, ...]:
    """The prompts that a path chooses among; `shown` are the demonstrations.

    A path that retrieves labelled examples shows those and no fixed ones. An encoder, which does
    not generate, is shown the text alone.
    """
    if not generates:
        return tuple(_reading(vote, task, labels) for vote in VOTES[path])
    known = find_task(task)
    wordings = known.tuned if is_tuned(path) else known.untuned
    if known.retrieves == "examples" and reads_passages(path):
        shown = ()
    words = {"min_words": spec.min_words, "max_words": spec.max_words}
    asked = constraints.model_copy(update=words)
    return tuple(
        Prompt(
            name=wording.name,
            style=wording.style,
            instruction=_instruction(wording, known, path, labels, spec.instruction, asked),
            demonstrations=tuple(
                (one.question, known.target(one))
                for one in shown
                if wording.examples and (one.answerable or wording.refusal)
            ),
            max_new_tokens=spec.max_new_tokens,
            task=task,
            labels=tuple(labels),
            constraints=asked,
            text_words=spec.text_words,
        )
        for wording in wordings
    )


def _reading(vote: float, task: str, labels: Sequence[str]) -> Prompt:
    """How an encoder answers: by its head, by the vote of its neighbours, or by both."""
    parts = [] if vote == 1 else ["head"]
    parts += [f"vote of the neighbours, {vote:.0%}"] if vote else []
    name = " and ".join(parts)
    return Prompt(name=name, instruction="", task=task, labels=tuple(labels), vote=vote)


def _instruction(
    wording: Wording,
    task: Task,
    path: PathName,
    labels: Sequence[str],
    instruction: str | None,
    constraints: Constraints,
) -> str:
    """What a wording says; each placeholder is filled once, so that none is read in what fills."""
    if not wording.instruction:
        return ""
    fills = {
        "labels": ", ".join(labels),
        "instruction": instruction or task.instruction,
        "constraints": told(constraints),
    }
    said = PLACEHOLDER.sub(lambda found: fills[found[1]], wording.instruction)
    return task.grounding + said if reads_passages(path) else said


def training_prompt(
    path: PathName,
    spec: AnsweringSpec,
    task: str = QUESTION_ANSWERING,
    labels: Sequence[str] = (),
    constraints: Constraints = NO_CONSTRAINTS,
    *,
    generates: bool = True,
) -> Prompt:
    """The prompt that a path's adapter is trained with."""
    return candidates(path, spec, (), task, labels, constraints, generates=generates)[0]
