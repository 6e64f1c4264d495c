"""Question answering over documents: short answers, or a refusal where there is none."""

from collections.abc import Sequence

from tasks import artifacts
from tasks.artifacts import Question
from tasks.core.scoring import read_answer, score_answer
from tasks.sampling import shuffled
from tasks.task import Task, Wording

REFUSAL = "I don't know."


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


def score(answer: str, question: Question) -> dict[str, float]:
    """Exact match, token F1, containment and refusal: see `core.scoring`."""
    return score_answer(answer, question.answers, question.answerable)


QUESTION_ANSWERING = Task(
    name=artifacts.QUESTION_ANSWERING,
    data=("documents", "questions"),
    retrieves="documents",
    grounding="Use the passages. ",
    turn=("Q", "A"),
    # Every path chooses the best of three on the training split, so that none wins by format alone
    # and none loses to a clumsy instruction. Small chat models talk where they are asked for a
    # word; continuing plain text they do not.
    untuned=(
        Wording("brief", "chat", "Reply with only the short answer."),
        Wording("plain examples", "plain", "", examples=True),
        Wording(
            "plain examples, refusal", "plain",
            f"Answer in a few words, or say: {REFUSAL}", examples=True, refusal=True,
        ),
    ),
    # A tuned model has seen the demonstrations in training; the first wording is what it learns.
    tuned=(
        Wording("brief", "chat", "Reply with only the short answer."),
        Wording("bare", "chat", "Answer."),
        Wording("refusal", "chat", f"Reply with only the short answer, or say: {REFUSAL}"),
    ),
    target=target,
    demonstrators=demonstrators,
    read=read_answer,
    score=score,
    metrics=("f1", "exact_match", "contains", "refused", "recall_at_k", "mrr"),
    deciding=("f1", "exact_match", "contains"),
)  # fmt: skip
