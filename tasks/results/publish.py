"""What a run leaves behind: files, MLflow runs, a registered version."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tasks.artifacts import (
    Answer,
    Corpus,
    ExampleSet,
    Judge,
    Scorecard,
    System,
)
from tasks.core.across import ModelChoice
from tasks.core.decide import Verdict
from tasks.decision.across import winners
from tasks.machine import PROCESS
from tasks.models.references import runs_already
from tasks.results.folders import require_writable
from tasks.results.outcome import Champion
from tasks.results.record import RunRecord, answers_of
from tasks.results.running import registered
from tasks.run import RunFile
from tasks.services import services
from tasks.store import get_rows
from tasks.task.metrics import JUDGED, values

FREE_BYTES = 1 << 30  # adapters, index and MLflow's copies of an example run take 0.3 GiB


def output_folder(name: str, chosen: Path | None) -> Path:
    """Where a run's files will be; checked before any work is done, made when there is a result.

    Raises:
        InputError: the folder cannot be written, or its disk or the store's is nearly full.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = (chosen or Path("runs") / name / stamp).absolute()
    for place, field in ((folder, "--output"), (services().home.absolute(), "ADAPT_HOME")):
        require_writable(field, place, FREE_BYTES)
    return folder


def register_best(
    run: RunFile,
    corpus: Corpus,
    examples: ExampleSet,
    verdicts: tuple[Verdict, ...],
    scorecards: tuple[Scorecard, ...],
    across: ModelChoice | None = None,
    judge: Judge | None = None,
) -> Champion | None:
    """Register the winner that the last step chose, or the only one; None without any.

    What runs already stays as it is where it was chosen.
    """
    won = {verdict.model: (verdict, card) for verdict, card in winners(verdicts, scorecards)}
    if not won:
        return None
    verdict, card = won[across.model] if across else next(iter(won.values()))
    if runs_already(verdict.model):
        present = registered(verdict.model)
        return Champion(model=verdict.model, path=card.path, **present._asdict())
    from tasks.results.register import register
    from tasks.results.version_files import Candidate

    candidate = Candidate(
        run=run,
        run_id=PROCESS,
        system=card.system,
        verdict=verdict,
        scorecard=card,
        documents=corpus.documents,
        questions=examples.questions,
    )

    def rescore(system: System) -> list[float]:
        from tasks.data.collect import read_questions
        from tasks.evaluation.evaluate import answer_questions
        from tasks.evaluation.judging import judge_answers

        dev = {question.id: question for question in read_questions(examples, "dev")}
        asked = [dev[row.question_id] for row in answers_of(card)]
        size = run.answering.batch_size
        answers = answer_questions(system, asked, "dev", size).blob
        if judge is not None and card.primary == JUDGED:
            answers = judge_answers(judge, answers, size).answers
        return values(get_rows(answers, Answer), card.primary)

    return register(candidate, rescore)


def publish(record: RunRecord) -> str:
    """Write the files, log the MLflow runs; returns the report's text."""
    from tasks.results.report import write_outputs
    from tasks.results.track import log_run

    folder = write_outputs(record)
    log_run(record)
    return (folder / "report.md").read_text(encoding="utf-8")


def read_scorecards(folder: Path) -> tuple[Scorecard, ...]:
    """The scorecards that a run wrote to its folder."""
    written = json.loads((folder / "scorecards.json").read_text(encoding="utf-8"))
    return tuple(Scorecard.model_validate(card) for card in written["scorecards"])
