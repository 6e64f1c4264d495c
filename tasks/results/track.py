"""A whole run in MLflow, logged once at its end from values: one parent, a child a system."""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Blob, Document, Question, Scorecard, Training, Value
from tasks.results.judge_report import agreement_metrics
from tasks.results.logged import (
    answer_table,
    card_metrics,
    interval_metrics,
    numbers,
    run_params,
    run_tags,
    stage_metrics,
    system_params,
    system_tags,
)
from tasks.results.plot import plot_confusion
from tasks.results.record import GeneralOf, RunRecord, Stage, answers_of
from tasks.results.report import render_summary
from tasks.results.tracking import check_tracking, connect, open_experiment
from tasks.retrieval.track_index import log_build_files
from tasks.services import services
from tasks.store import get_rows

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["GeneralOf", "RunRecord", "Stage", "TrackedRun", "check_tracking", "log_run"]


class TrackedRun(Value):
    """Where a run was logged; `children` are the runs of its systems."""

    experiment_id: str
    run_id: str
    children: tuple[str, ...]
    uri: str


def log_run(record: RunRecord) -> TrackedRun:
    """Log a finished run, reused stages too: called once, from values, never cached.

    The experiment has the run file's name; a parent run holds the decision, a child run each
    model and path.
    """
    client = connect()
    experiment = open_experiment(client, record.run.name)
    import mlflow

    name = f"{record.run.name} {datetime.now(UTC):%Y-%m-%d %H:%M}"
    told = render_summary(record)
    with (
        _quiet(),
        mlflow.start_run(run_name=name, tags=run_tags(record), description=told) as parent,
    ):
        mlflow.log_params(run_params(record))
        mlflow.log_metrics(stage_metrics(record))
        if record.agreement is not None:
            mlflow.log_metrics(agreement_metrics(record.agreement))
        # As text: a limit of infinity is null there, which `log_dict` would not write.
        mlflow.log_text(record.run.model_dump_json(indent=2), "run.json")
        mlflow.log_text(record.plan.model_dump_json(indent=2), "plan.json")
        mlflow.log_artifacts(record.output)
        if record.index is not None:
            log_build_files(record.index)
        _log_datasets(record)
        children = [_log_system(record, card) for card in record.cards("dev")]
    _link_champion(client, record, parent.info.run_id)
    return TrackedRun(
        experiment_id=experiment,
        run_id=parent.info.run_id,
        children=tuple(children),
        uri=services().tracking_uri,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's warnings about pandas' dtypes and its own choice of a dataset source."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="mlflow")
        yield


def _log_system(record: RunRecord, card: Scorecard) -> str:
    import mlflow

    training = record.training_of(card)
    name = f"{card.system.model.name} · {card.path}"
    with mlflow.start_run(run_name=name, nested=True, tags=system_tags(record, card)) as run:
        mlflow.log_params(system_params(card))
        same = [c for c in record.scorecards if (c.model, c.path) == (card.model, card.path)]
        for one in same:
            mlflow.log_metrics(card_metrics(one))
            answers = answers_of(one)
            mlflow.log_table(answer_table(answers), f"answers_{one.split}.json")
            if one.system.prompt.labels:
                title = f"{name}, {one.split}"
                mlflow.log_figure(plot_confusion(answers, title), f"confusion_{one.split}.png")
        for point in record.learning:
            if (point.model, point.path) == (card.model, card.path):
                mlflow.log_metric(f"learning/{point.metric}", point.score.value, point.examples)
        if training is not None:
            mlflow.log_metrics(numbers(training.cost.model_dump(), "cost/train_"))
            _log_curve(run.info.run_id, training)
        if (general := record.general_of(card)) is not None:
            intervals = {"accuracy": general.accuracy, "loss": general.loss}
            mlflow.log_metrics(interval_metrics(intervals, "general/"))
        mlflow.log_text(card.system.prompt.model_dump_json(indent=2), "prompt.json")
        mlflow.log_text(card.system.model_dump_json(indent=2), "system.json")
        return str(run.info.run_id)


def _log_curve(run_id: str, training: Training) -> None:
    import mlflow
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [Metric(point.name, point.value, now, point.step) for point in training.curve]
    mlflow.MlflowClient().log_batch(run_id, metrics=points)


def _log_datasets(record: RunRecord) -> None:
    """Log the documents and each split's questions as inputs, named by their content."""
    import mlflow
    import pandas as pd  # type: ignore[import-untyped]
    from mlflow.data.pandas_dataset import from_pandas

    documents = get_rows(record.corpus.documents, Document)
    questions = get_rows(record.examples.questions, Question)
    inputs: list[tuple[str, Blob, Sequence[Value]]] = [
        ("documents", record.corpus.documents, documents)
    ]
    for split in ("train", "dev", "test"):
        rows = [question for question in questions if question.split == split]
        inputs.append((f"questions-{split}", record.examples.questions, rows))
    for name, blob, values in inputs:
        if values:
            table = pd.DataFrame([_flat(value) for value in values])
            data = from_pandas(table, source=blob.uri, name=name, digest=blob.sha)
            mlflow.log_input(data, context=name)


def _flat(value: Value) -> dict[str, Any]:
    """A row of text, numbers and truth values: a list of answers becomes lines."""
    return {
        key: "\n".join(cell) if isinstance(cell, tuple) else ("" if cell is None else cell)
        for key, cell in value.model_dump().items()
    }


def _link_champion(client: "MlflowClient", record: RunRecord, run_id: str) -> None:
    champion = record.outcome.champion
    if champion is not None and champion.version is not None:
        client.set_model_version_tag(champion.name, champion.version, "decision_run", run_id)
