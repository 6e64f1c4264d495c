"""The day after: documents change, questions have other answers, and the same systems are asked."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tasks.artifacts import (
    Answer,
    Answers,
    Blob,
    Corpus,
    ExampleSet,
    Index,
    Question,
    Scorecard,
    System,
    Value,
)
from tasks.core.errors import InputError
from tasks.core.stats import Interval
from tasks.data.documents import collect_documents, read_documents
from tasks.data.questions import question_of
from tasks.data.reading import unique
from tasks.data.rows import read_rows
from tasks.evaluation.evaluate import answer_questions
from tasks.retrieval.refresh import IndexBuild, follow_sources
from tasks.run import IndexSpec
from tasks.store import get_rows, put_rows
from tasks.task.metrics import intervals

COPY = "-changed"  # the index that follows the change stands under this name beside the run's own


class Changed(Value):
    """What has changed: all documents as they are then, and the questions asked about it.

    `documents` counts those that are new or have another text; `questions` are rows of `Question`.
    """

    corpus: Corpus
    documents: int
    questions: Blob


def collect_changes(documents: Path, questions: Path, corpus: Corpus) -> Changed:
    """Lay changed documents over those of a run, and read the questions about them.

    A document with an id that is there already takes its place; others come on top. Questions
    are rows as those of a run; a split is not needed, and not heeded.

    Raises:
        InputError: a document or a question is at fault, or nothing is changed.
    """
    before = {one.id: one for one in read_documents(corpus)}
    given = read_documents(collect_documents(documents))
    changed = [one for one in given if one.id not in before or before[one.id].sha != one.sha]
    if not changed:
        raise InputError(
            str(documents), f"{len(given)} documents, all of them as they were",
            "at least one document with another text, under the id that it has in the run",
            "Change some of them, or leave [changes] out.",
        )  # fmt: skip
    after = before | {one.id: one for one in changed}
    return Changed(
        corpus=Corpus(documents=put_rows(after[name] for name in sorted(after)), count=len(after)),
        documents=len(changed),
        questions=put_rows(_questions(questions, {name: name for name in after})),
    )


def _questions(source: Path, known: dict[str, str]) -> Sequence[Question]:
    rows = read_rows(source, list(Question.model_fields), ["id", "question"], {"answers": "|"})
    found = [(row.where, question_of(row, known)) for row in rows]
    by_id, _ = unique(found, list(Question.model_fields))
    return [by_id[name].model_copy(update={"split": "dev"}) for name in sorted(by_id)]


def follow_changes(
    corpus: Corpus,
    changed: Changed,
    examples: ExampleSet,
    spec: IndexSpec,
    name: str,
    used: Callable[[], Collection[str]],
) -> IndexBuild:
    """Refresh a copy of a run's index to the changed documents; its report says what that took.

    The copy is built from the documents before the change first, where it is not there yet, so
    that what is measured is the refresh alone. The run's own index stays as it is.
    """
    follow_sources(corpus, examples, spec, name + COPY, used)
    return follow_sources(changed.corpus, examples, spec, name + COPY, used)


def answer_changes(
    system: System, changed: Changed, index: Index | None, batch_size: int
) -> Answers:
    """A system's answers to the questions about what changed, from this index if one is given."""
    if index is not None and system.retrieval is not None:
        retrieval = system.retrieval.model_copy(update={"index": index})
        system = system.model_copy(update={"retrieval": retrieval})
    return answer_questions(system, get_rows(changed.questions, Question), "dev", batch_size)


def freshness(
    card: Scorecard, stale: Answers, fresh: Answers, followed: IndexBuild | None
) -> dict[str, Interval]:
    """The primary metric on changed facts, before anything follows and after the index has."""
    found = {
        name: intervals(get_rows(answers.blob, Answer), [card.primary])[card.primary]
        for name, answers in (("stale", stale), ("fresh", fresh))
    }
    if followed is not None:
        seconds = followed.report.seconds
        found["refresh_seconds"] = Interval(seconds, seconds, seconds)
    return found
