"""How a judge is asked within a run: of people's answers first, then of each system's."""

from pathlib import Path

from flows.steps import Stages, step
from tasks.artifacts import Agreement, Blob, Judge, Judged, Scorecard
from tasks.data import verdicts
from tasks.evaluation import judging
from tasks.models.spending import BudgetError
from tasks.run import RunFile
from tasks.task.metrics import JUDGED

collect_verdicts = step(verdicts.collect_verdicts, "collect people's verdicts", cached=False)
judge_answers = step(judging.judge_answers, "judge", tensors=True)
judge_labelled = step(judging.judge_labelled, "judge labelled answers", tensors=True)


def collect_labelled(stages: Stages, run: RunFile, root: Path) -> Blob | None:
    """Answers that people judged, if there are some; `root` is the run file's folder."""
    if run.judge is None or run.judge.labels is None:
        return None
    return stages("collect people's verdicts", collect_verdicts, path=root / run.judge.labels)


def agree(
    stages: Stages, run: RunFile, judge: Judge | None, labelled: Blob | None
) -> Agreement | None:
    """How far the judge agrees with people; None where nobody says, or a limit ended it."""
    if judge is None or labelled is None:
        return None
    try:
        return stages(
            "judge labelled answers", judge_labelled, judge=judge, labelled=labelled,
            batch_size=run.answering.batch_size,
        )  # fmt: skip
    except BudgetError:
        return None


def judge_card(stages: Stages, run: RunFile, judge: Judge | None, card: Scorecard) -> Scorecard:
    """A scorecard with what the judge says; as it was without one, or where a limit ended it.

    Raises:
        BudgetError: the judge decides, and a limit ended it.
    """
    if judge is None:
        return card
    answers = Blob(uri=card.answers["uri"], sha=card.answers["digest"], bytes=0)
    try:
        judged = judge_rows(stages, run, judge, answers, f"{card.split}: {card.path}")
    except BudgetError:
        if run.decision.primary == JUDGED:
            raise
        return card
    return judging.judged_card(card, judged, run.price(judge.model.ref))


def judge_rows(stages: Stages, run: RunFile, judge: Judge, answers: Blob, what: str) -> Judged:
    """Answers with the judge's verdicts."""
    return stages(
        f"judge {what}", judge_answers, judge=judge, answers=answers,
        batch_size=run.answering.batch_size,
    )  # fmt: skip
