"""Tasks whose answers are texts, judged by references: summarisation, translation, generation."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tasks.artifacts import Question
from tasks.core.overlap import faithfulness
from tasks.task import Task, Wording
from tasks.task.similarity import ROUGE, chrf, corpus_scores, rouge

Score = Callable[[str, Question], dict[str, float]]

# The first is shortest, and what adapters are trained with: what is asked for is learnt.
TUNED = (
    Wording("instruction", "chat", "{instruction}"),
    Wording("told", "chat", "{instruction}{constraints}"),
    Wording("bare", "chat", "Reply."),
)
# Small models that continue examples keep to a form which they are deaf to as an instruction.
UNTUNED = (
    Wording("chat", "chat", "{instruction}{constraints}", examples=True),
    Wording("plain", "plain", "{instruction}{constraints}", examples=True),
    Wording("plain examples", "plain", "", examples=True),
)


def score_summary(answer: str, example: Question) -> dict[str, float]:
    """ROUGE of the best reference, and how much of the answer stands in the text itself."""
    faithful = faithfulness(answer, example.question)
    return {**rouge(answer, example.answers), "faithfulness": faithful}


def score_translation(answer: str, example: Question) -> dict[str, float]:
    """Sentence chrF of the best reference."""
    return chrf(answer, example.answers)


def score_generation(answer: str, example: Question) -> dict[str, float]:
    """Sentence chrF and ROUGE-L of the best reference."""
    return {**chrf(answer, example.answers), "rougeL": rouge(answer, example.answers)["rougeL"]}


def _defaults(k: int, answer_tokens: int) -> Mapping[str, Mapping[str, Any]]:
    # Whole texts as demonstrations, few of them: they are long.
    return {
        "index": {"k": k, "mode": "vector", "chunk_tokens": 128},
        "answering": {"demonstrations": k, "max_new_tokens": answer_tokens},
        "training": {"max_tokens": 1024},
    }


# What the three have in common: pairs to learn from and to show, and answers of several lines.
_text_task = partial(
    Task, data=("examples",), retrieves="examples", untuned=UNTUNED, tuned=TUNED, multiline=True
)

SUMMARISATION = _text_task(
    name="summarisation",
    turn=("Text", "Summary"),
    instruction="Summarise the text. Reply with only the summary.",
    score=score_summary,
    metrics=(*ROUGE, "faithfulness"),
    deciding=("rougeL", "rouge1", "rouge2"),
    defaults=_defaults(2, 96),
)

TRANSLATION = _text_task(
    name="translation",
    turn=("Text", "Translation"),
    instruction="Translate the text. Reply with only the translation.",
    score=score_translation,
    metrics=("chrf",),
    deciding=("chrf",),
    corpus=corpus_scores,
    defaults=_defaults(4, 96),
)

GENERATION = _text_task(
    name="generation",
    turn=("Request", "Reply"),
    instruction="Do what the request asks. Reply with only the result.",
    score=score_generation,
    metrics=("chrf", "rougeL"),
    deciding=("chrf", "rougeL"),
    defaults=_defaults(2, 160),
)
