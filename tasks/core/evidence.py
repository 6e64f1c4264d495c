"""Published head-to-heads with citations (`evidence.csv`), and those nearest to a case.

Each row scores at least two paths for one model on one data set. Rows of one paper are not
independent: whatever is averaged is averaged within a paper first, then over papers.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from tasks.core.cases import (
    ARCHITECTURES,
    EXPOSURES,
    FORMS,
    HOSTED,
    OPEN,
    RETRIEVERS,
    TASKS,
    TUNABLE,
    Case,
    known_form,
    known_task,
)

SCORES = {
    "prompt": "prompt_score",
    "rag": "rag_score",
    "finetune": "finetune_score",
    "finetune+rag": "finetune_rag_score",
}
FLAGS = {"yes": True, "no": False}
WORDS: dict[str, tuple[str, ...]] = {  # the words that a table's columns know
    "architecture": ARCHITECTURES,
    "task_type": tuple(TASKS),
    "training_data": FORMS,
    "knowledge_changes": tuple(FLAGS),
    "knowledge_exposure": EXPOSURES,
    "corpus_covers": tuple(FLAGS),
    "retriever": RETRIEVERS,
}
CASES = 3
# Steps by which a row is farther from a case, for a fact in which they differ.
OTHER_TASK, OTHER_KIND, OTHER_CHANGES, OTHER_FORM, OTHER_WEIGHTS = 3.0, 6.0, 2.0, 2.0, 1.0
KNOWLEDGE = ("document QA", "closed-book factual QA", "fact verification")


@dataclass(frozen=True)
class Evidence:
    """What published head-to-heads say; `ranking` is best first, `path` its head or None.

    `cases` are the rows nearest to the case, one from each paper, with citation and figures.
    `papers` and `rows` count the results on the same task.
    """

    path: str | None
    ranking: tuple[str, ...]
    papers: int
    rows: int
    text: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One published result: where it stands, what the case was, what each path scored.

    `best` are the best of the paths published (several if tied), stated or by score.
    """

    paper: str
    year: str
    citation: str
    model: str
    dataset: str
    metric: str
    case: Case
    scores: tuple[tuple[str, float], ...]
    best: tuple[str, ...]

    def __str__(self) -> str:
        figures = ", ".join(f"{path} {score:g}" for path, score in self.scores)
        return (
            f"{self.paper} ({self.year}, {self.citation}): {self.model} on {self.dataset}, "
            f"{self.metric}: {figures or 'scores not published'}; best: {' = '.join(self.best)}"
        )


@lru_cache(maxsize=1)
def published() -> tuple[Row, ...]:
    """All published results that the project knows."""
    text = resources.files("tasks.core").joinpath("evidence.csv").read_text(encoding="utf-8")
    return tuple(_row(line) for line in csv.DictReader(text.splitlines()))


def read_case(line: Mapping[str, str | None]) -> Case:
    """The case that a row of a table describes; a word that is not known stays unknown.

    A hosted model for which training data are named was tuned by its provider.

    Raises:
        ValueError: a number is none, or out of range; its arguments are column and text.
    """

    words = {column: known_word(column, line.get(column) or "") for column in WORDS}
    billions = read_number(line, "params_billions", above=0)
    form, hosted = words["training_data"], words["architecture"] == "api"
    open_model = hosted or billions is not None or words["architecture"]
    weights = (TUNABLE if form else HOSTED) if hosted else OPEN if open_model else None
    return Case(
        task=words["task_type"],
        params=None if billions is None else billions * 1e9,
        weights=weights,
        form=form,
        examples=read_number(line, "n_train"),
        changes=FLAGS.get(words["knowledge_changes"] or ""),
        exposure=words["knowledge_exposure"],
        covers=FLAGS.get(words["corpus_covers"] or ""),
        retriever=words["retriever"],
    )


def known_word(column: str, text: str) -> str | None:
    """What a cell of a table's column says, in one of the words of `WORDS`; None if none is meant.

    A task is also known by its synonyms, or by a spelling that is near.
    """
    if column == "task_type":
        return known_task(text)
    if column == "training_data":
        return known_form(text)
    word = text.strip().casefold()
    return word if word in WORDS[column] else None


def read_number(
    line: Mapping[str, str | None], column: str, above: float | None = None
) -> float | None:
    """A cell's number, None if it is empty; `above`: the bound it must exceed, else at least 0."""
    text = (line.get(column) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(column, text) from error
    if not math.isfinite(value) or value < 0 or (above is not None and value <= above):
        raise ValueError(column, text)
    return value


def nearest(case: Case, rows: Sequence[Row] | None = None) -> tuple[Row, ...]:
    """Up to three results like the case, each from another paper; of equals the first listed."""
    found: dict[str, Row] = {}
    for row in sorted(published() if rows is None else rows, key=lambda one: distance(case, one)):
        found.setdefault(row.paper, row)
    return tuple(found.values())[:CASES]


def distance(case: Case, row: Row) -> float:
    """How many steps a published case is from this one; facts unknown to either count nothing."""
    other = row.case
    steps = 0.0
    if case.task is not None and case.task != other.task:
        alike = (case.task in KNOWLEDGE) == (other.task in KNOWLEDGE)
        steps += OTHER_TASK if alike else OTHER_KIND
    for mine, theirs, cost in (
        (case.changes, other.changes, OTHER_CHANGES),
        (case.form, other.form, OTHER_FORM),
        (case.weights, other.weights, OTHER_WEIGHTS),
    ):
        steps += cost * (mine is not None and theirs is not None and mine != theirs)
    if case.exposure is not None and other.exposure is not None:
        steps += abs(EXPOSURES.index(case.exposure) - EXPOSURES.index(other.exposure))
    if case.params is not None:
        steps += 1.0 if other.params is None else abs(math.log10(case.params / other.params))
    return steps


def _row(line: dict[str, str]) -> Row:
    return Row(
        paper=line["paper"],
        year=line["year"],
        citation=line["citation"],
        model=line["model"],
        dataset=line["dataset"],
        metric=line["metric"],
        case=read_case(line),
        scores=tuple((path, float(line[key])) for path, key in SCORES.items() if line[key]),
        best=tuple(line["winner"].split("=")),
    )
