"""How a question becomes a prompt, and which prompts each path may choose from."""

from collections.abc import Sequence

from tasks.artifacts import QUESTION_ANSWERING, Messages, Passage, PathName, Prompt, Question
from tasks.known_tasks import TASKS
from tasks.run import AnsweringSpec
from tasks.task import Wording

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
        for turn in (("user", user), ("assistant", answer))
    )
    asked = question if passages is None else f"{_joined(passages)}\n\nQuestion: {question}"
    return (("system", prompt.instruction), *shown, ("user", asked))


def plain(prompt: Prompt, question: str, passages: Sequence[Passage] | None) -> str:
    """Text that the answer continues: passages, instruction, demonstrations, question."""
    prompt, passages = placed(prompt, passages)
    ask, answer = TASKS[prompt.task].turn
    pairs = "".join(f"{ask}: {q}\n{answer}: {a}\n" for q, a in prompt.demonstrations)
    parts = [_joined(passages or ()), prompt.instruction, f"{pairs}{ask}: {question}\n{answer}:"]
    return "\n\n".join(part for part in parts if part)


def placed(
    prompt: Prompt, passages: Sequence[Passage] | None
) -> tuple[Prompt, Sequence[Passage] | None]:
    """Where passages go: knowledge before the question, labelled examples as demonstrations.

    Those come after the fixed ones, the nearest one last, beside the question.
    """
    if passages is None or TASKS[prompt.task].retrieves == "documents":
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
    *,
    generates: bool = True,
) -> tuple[Prompt, ...]:
    """The prompts that a path chooses among; `shown` are the demonstrations.

    A path that retrieves labelled examples shows those and no fixed ones. An encoder, which does
    not generate, is shown the text alone.
    """
    if not generates:
        return tuple(_reading(vote, task, labels) for vote in VOTES[path])
    known = TASKS[task]
    wordings = known.tuned if is_tuned(path) else known.untuned
    if known.retrieves == "examples" and reads_passages(path):
        shown = ()
    return tuple(
        Prompt(
            name=wording.name,
            style=wording.style,
            instruction=_instruction(wording, known.grounding, path, labels),
            demonstrations=tuple(
                (one.question, known.target(one))
                for one in shown
                if wording.examples and (one.answerable or wording.refusal)
            ),
            max_new_tokens=spec.max_new_tokens,
            task=task,
            labels=tuple(labels),
        )
        for wording in wordings
    )


def _reading(vote: float, task: str, labels: Sequence[str]) -> Prompt:
    """How an encoder answers: by its head, by the vote of its neighbours, or by both."""
    parts = [] if vote == 1 else ["head"]
    parts += [f"vote of the neighbours, {vote:.0%}"] if vote else []
    name = " and ".join(parts)
    return Prompt(name=name, instruction="", task=task, labels=tuple(labels), vote=vote)


def _instruction(wording: Wording, grounding: str, path: PathName, labels: Sequence[str]) -> str:
    if not wording.instruction:
        return ""
    told = wording.instruction.replace("{labels}", ", ".join(labels))
    return grounding + told if reads_passages(path) else told


def training_prompt(
    path: PathName,
    spec: AnsweringSpec,
    task: str = QUESTION_ANSWERING,
    labels: Sequence[str] = (),
    *,
    generates: bool = True,
) -> Prompt:
    """The prompt that a path's adapter is trained with."""
    return candidates(path, spec, (), task, labels, generates=generates)[0]
