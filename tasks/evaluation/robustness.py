"""The same questions as hurried people type them: what a path loses to slips of the fingers."""

from tasks.artifacts import Answer, Answers, ExampleSet, Scorecard, System
from tasks.core.misspell import misspelled
from tasks.core.stats import Interval, mean_interval
from tasks.data.collect import read_questions
from tasks.evaluation.evaluate import answer_questions
from tasks.results.record import answers_of
from tasks.store import get_rows
from tasks.task.metrics import intervals, values


def answer_misspelled(
    system: System, examples: ExampleSet, share: float, seed: int, batch_size: int
) -> Answers:
    """A system's answers to the dev questions with a slip in about this share of their words.

    Every path is asked with the same slips: they depend on the seed and the question's id alone.
    """
    asked = [
        one.model_copy(update={"question": misspelled(one.question, share, f"{seed} {one.id}")})
        for one in read_questions(examples, "dev")
    ]
    return answer_questions(system, asked, "dev", batch_size)


def lost_to_misspelling(card: Scorecard, answers: Answers) -> dict[str, Interval]:
    """The primary metric on misspelled questions, and what it lost, paired by question."""
    rows, before = get_rows(answers.blob, Answer), answers_of(card)
    gains = zip(values(before, card.primary), values(rows, card.primary), strict=True)
    clusters = [row.cluster for row in rows]
    return {
        "misspelled": intervals(rows, [card.primary])[card.primary],
        "lost_to_misspelling": mean_interval([one - other for one, other in gains], clusters),
    }
