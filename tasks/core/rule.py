"""The size rule, exactly as practitioners state it; thresholds and named models are settings."""

from dataclasses import dataclass

from tasks.core.errors import InputError

SMALL, MID, LARGE = "small", "mid", "large"


@dataclass(frozen=True)
class Thresholds:
    """Where the size classes begin, and which models the rule classes by name.

    `mid_from`: parameters from which a model is mid (the rule's examples: Llama 2 7B, Falcon 7B).
    `large_from`: parameters from which it is large ("trillions of parameters": GPT-4).
    `small_names`: names that the rule calls small whatever their size (Zephyr, Orca: 7B to 13B).
    """

    mid_from: float = 3e9
    large_from: float = 1e12
    small_names: tuple[str, ...] = ("zephyr", "orca")


def size_class(
    name: str,
    params: float | None,
    *,
    open_weights: bool,
    generates: bool = True,
    thresholds: Thresholds = Thresholds(),
) -> str:
    """Class of a base model: small, mid or large.

    Weights out of reach make a model large whatever its size. An open model of unknown size is
    mid, the class for which the rule looks at the task instead; an encoder, which does not
    generate, is small: the largest in use have a few hundred million parameters.
    """
    if not open_weights:
        return LARGE
    if any(known in name.lower() for known in thresholds.small_names):
        return SMALL
    if params is None:
        return MID if generates else SMALL
    if params >= thresholds.large_from:
        return LARGE
    return MID if params >= thresholds.mid_from else SMALL


@dataclass(frozen=True)
class RuleAdvice:
    """What the rule says: a path, or none where it does not commit."""

    path: str | None
    commits: bool
    text: str


QUESTION_ANSWERING = ("question-answering", "document QA", "closed-book factual QA")


def size_rule(
    size_class: str,
    task: str,
    memorization: bool | None = None,
    niche: bool | None = None,
) -> RuleAdvice:
    """What the size rule says about a model of this class and a task.

    `memorization`: whether the task is memorization-intensive; None: it is if it answers
    questions. `niche`: whether it classifies in a niche domain; None: not known, and then the
    rule says nothing about classification.
    """
    if size_class == LARGE:
        return RuleAdvice(
            "rag", True,
            "Large model: retrieval keeps its abilities and avoids catastrophic forgetting.",
        )  # fmt: skip
    if size_class == SMALL:
        return RuleAdvice("finetune", True, "Small model: fine-tune it.")
    if size_class != MID:
        raise InputError("size_class", size_class, "small, mid, large", "Name one of them.")
    return _mid(task, memorization, niche)


def _mid(task: str, memorization: bool | None, niche: bool | None) -> RuleAdvice:
    weigh = "weigh how much general knowledge must be kept."
    if memorization or (memorization is None and task in QUESTION_ANSWERING):
        return RuleAdvice(
            "finetune", True, f"Mid-sized model, memorization-intensive task: fine-tune; {weigh}"
        )
    if task == "generation":
        return RuleAdvice("rag", True, f"Mid-sized model, generates content: retrieve; {weigh}")
    if task == "classification" and niche:
        return RuleAdvice(
            "rag", True, f"Mid-sized model, classifies in a niche domain: retrieve; {weigh}"
        )
    return RuleAdvice(
        None, False,
        f"Mid-sized model: the rule does not commit for {task}; it only says to {weigh}",
    )  # fmt: skip
