"""Classification: one label for each text, always one of those that the training split has."""

from collections.abc import Sequence

from tasks.artifacts import Question
from tasks.sampling import shuffled
from tasks.task import Task, Wording


def target(example: Question) -> str:
    """The label."""
    return example.answers[0]


def demonstrators(pool: Sequence[Question], count: int, seed: int) -> tuple[Question, ...]:
    """`count` training examples, the labels in turn, each of another source where there is one.

    With fewer than there are labels, some labels are not shown; which ones, the seed draws.
    """
    waiting: dict[str, list[Question]] = {}
    for example in shuffled(pool, seed):
        waiting.setdefault(target(example), []).append(example)
    chosen: list[Question] = []
    while len(chosen) < count and any(waiting.values()):
        for examples in filter(None, list(waiting.values())):
            shown = {example.cluster for example in chosen}
            fresh = (one for one in examples if one.cluster not in shown)
            chosen.append(next(fresh, examples[0]))
            examples.remove(chosen[-1])
    return tuple(chosen[:count])


def score(answer: str, example: Question) -> dict[str, float]:
    """Accuracy of one answer: 1.0 for the right label, else 0.0."""
    return {"accuracy": float(answer == target(example))}


LISTED = "Classify the text. Reply with one of these labels: {labels}."

CLASSIFICATION = Task(
    name="classification",
    data=("examples",),
    retrieves="examples",
    turn=("Text", "Label"),
    untuned=(
        Wording("labels listed", "plain", LISTED, examples=True),
        Wording("plain examples", "plain", "", examples=True),
        Wording("chat", "chat", LISTED, examples=True),
    ),
    # The labels are learnt, so that the prompt need not list them: short prompts train faster.
    tuned=(
        Wording("brief", "chat", "Classify the text. Reply with only its label."),
        Wording("bare", "chat", "Label."),
        Wording("labels listed", "chat", LISTED),
    ),
    target=target,
    demonstrators=demonstrators,
    score=score,
    metrics=("macro_f1", "accuracy", "calibration_error"),
    deciding=("macro_f1", "accuracy"),
    # Whole examples as demonstrations; scoring labels is cheap, so prompts are tried on more.
    defaults={
        "index": {"k": 8, "mode": "vector", "chunk_tokens": 128},
        "answering": {"demonstrations": 12, "prompt_sample": 48},
        "training": {"epochs": 4, "epochs_with_passages": 2},
    },
    labels=True,
)
