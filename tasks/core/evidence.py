"""What published head-to-heads say about a case; their figures stand in `evidence.csv`.

Each row scores at least two paths for one model on one data set. Rows of one paper are not
independent, so every share is averaged within a paper first, then over papers.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from tasks.core.veto import PATHS

FAMILIES = {
    "question-answering": ("document QA", "closed-book factual QA"),
    "classification": ("classification",),
    "code": ("code",),
    "generation": ("generation",),
    "summarization": ("summarization",),
}
WITHOUT_WEIGHTS = ("prompt", "rag")
EXPOSURES = ("general", "popular", "domain", "long-tail", "private")  # well known to unknown
SCORES = {
    "prompt": "prompt_score",
    "rag": "rag_score",
    "finetune": "finetune_score",
    "finetune+rag": "finetune_rag_score",
}
CASES = 3


@dataclass(frozen=True)
class Evidence:
    """What published head-to-heads say; `ranking` is best first, `path` its head or None.

    `cases` are the rows nearest to the case, one from each paper, with citation and figures.
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
    params: float | None
    task: str
    dataset: str
    metric: str
    changes: bool
    exposure: str
    scores: tuple[tuple[str, float], ...]
    best: tuple[str, ...]


def published() -> tuple[Row, ...]:
    """All published results that the project knows."""
    text = resources.files("tasks.core").joinpath("evidence.csv").read_text(encoding="utf-8")
    return tuple(_row(line) for line in csv.DictReader(text.splitlines()))


def evidence_for(
    task: str,
    *,
    open_weights: bool,
    changes: bool | None = None,
    exposure: str | None = None,
    params: float | None = None,
) -> Evidence:
    """Rank the paths by their share of wins in published results on the same family of tasks.

    `changes`: whether the knowledge changes; True or False keeps the results where it does or
    does not, if there are any. Without open weights only prompt and rag compete. Exposure (one
    of `EXPOSURES`) and `params` choose the nearest cases, not the ranking: the results that
    score the same paths are too few to split further.
    """
    paths = PATHS if open_weights else WITHOUT_WEIGHTS
    types = FAMILIES.get(task, (task,))
    rows = [row for row in (_among(one, paths) for one in published()) if row.task in types]
    rows = [row for row in rows if row.best]
    alike = [row for row in rows if row.changes is changes]
    rows = alike or rows
    papers = len({row.paper for row in rows})
    if not rows:
        return Evidence(None, (), 0, 0, f"no published result on {task}", ())
    shares = win_shares(rows, paths)
    ranking = tuple(sorted(paths, key=lambda path: -shares[path]))  # ties: the simpler first
    cases = tuple(_case(row) for row in _nearest(rows, changes, exposure, params))
    about = _about(task, bool(alike), changes)
    won = ", ".join(f"{path} {shares[path]:.0%}" for path in ranking)
    text = f"{papers} papers with {len(rows)} results on {about}; share of wins by paper: {won}"
    return Evidence(ranking[0], ranking, papers, len(rows), text, cases)


def win_shares(rows: Sequence[Row], paths: Sequence[str]) -> dict[str, float]:
    """Share of wins of each path: ties split, averaged within papers, then over papers."""
    by_paper: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_paper[row.paper].append(row)
    return {
        path: math.fsum(
            math.fsum((path in row.best) / len(row.best) for row in group) / len(group)
            for group in by_paper.values()
        )
        / len(by_paper)
        for path in paths
    }


def _row(line: dict[str, str]) -> Row:
    billions = line["params_billions"]
    return Row(
        paper=line["paper"],
        year=line["year"],
        citation=line["citation"],
        model=line["model"],
        params=float(billions) * 1e9 if billions else None,
        task=line["task_type"],
        dataset=line["dataset"],
        metric=line["metric"],
        changes=line["knowledge_changes"] == "yes",
        exposure=line["knowledge_exposure"],
        scores=tuple((path, float(line[key])) for path, key in SCORES.items() if line[key]),
        best=tuple(line["winner"].split("=")),
    )


def _among(row: Row, paths: Sequence[str]) -> Row:
    """The row as a contest among these paths alone; `best` is empty where it held none."""
    if set(row.best) <= set(paths) and len(paths) == len(PATHS):
        return row
    scores = tuple((path, score) for path, score in row.scores if path in paths)
    if len(scores) > 1:
        top = max(score for _, score in scores)
        best = tuple(path for path, score in scores if score == top)
    else:
        best = row.best if not row.scores and set(row.best) <= set(paths) else ()
    return Row(**{**vars(row), "scores": scores, "best": best})


def _nearest(
    rows: Sequence[Row], changes: bool | None, exposure: str | None, params: float | None
) -> list[Row]:
    """Up to three rows like the case, each from another paper; of equals the first listed."""

    def distance(row: Row) -> float:
        steps = 0
        if exposure in EXPOSURES and row.exposure in EXPOSURES:
            steps = abs(EXPOSURES.index(exposure) - EXPOSURES.index(row.exposure))
        moves = changes is not None and row.changes is not changes
        if params is None or row.params is None:
            return steps + 2 * moves + ((params is None) != (row.params is None))
        return steps + 2 * moves + abs(math.log10(params / row.params))

    found: dict[str, Row] = {}
    for row in sorted(rows, key=distance):
        found.setdefault(row.paper, row)
    return list(found.values())[:CASES]


def _case(row: Row) -> str:
    figures = ", ".join(f"{path} {score:g}" for path, score in row.scores)
    return (
        f"{row.paper} ({row.year}, {row.citation}): {row.model} on {row.dataset}, {row.metric}: "
        f"{figures or 'scores not published'}; best: {' = '.join(row.best)}"
    )


def _about(task: str, narrowed: bool, changes: bool | None) -> str:
    if changes is None or not narrowed:
        return task
    return f"{task} over knowledge that {'changes' if changes else 'does not change'}"
