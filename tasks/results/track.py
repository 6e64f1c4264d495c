"""A whole run in MLflow, logged once at its end from values: one parent, a child a system."""

import re
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Answer, Blob, Document, Question, Scorecard, Training, Value
from tasks.results.across_report import across_sentence
from tasks.results.judge_report import agreement_metrics, agreement_sentence
from tasks.results.plot import plot_confusion
from tasks.results.record import GeneralOf, RunRecord, Stage, answers_of, seconds_per_question
from tasks.results.report import render_summary
from tasks.results.tracking import check_tracking, connect, open_experiment
from tasks.retrieval.track_index import log_build_files
from tasks.services import services
from tasks.store import get_rows

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["GeneralOf", "RunRecord", "Stage", "TrackedRun", "check_tracking", "log_run"]

CHECKOUT = Path(__file__).resolve().parents[2]


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
        mlflow.start_run(run_name=name, tags=_run_tags(record), description=told) as parent,
    ):
        mlflow.log_params(_params(record))
        mlflow.log_metrics(_stage_metrics(record))
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
    with mlflow.start_run(run_name=name, nested=True, tags=_system_tags(record, card)) as run:
        mlflow.log_params(_system_params(card))
        same = [c for c in record.scorecards if (c.model, c.path) == (card.model, card.path)]
        for one in same:
            mlflow.log_metrics(_metrics(one))
            answers = answers_of(one)
            mlflow.log_table(_answer_table(answers), f"answers_{one.split}.json")
            if one.system.prompt.labels:
                title = f"{name}, {one.split}"
                mlflow.log_figure(plot_confusion(answers, title), f"confusion_{one.split}.png")
        for point in record.learning:
            if (point.model, point.path) == (card.model, card.path):
                mlflow.log_metric(f"learning/{point.metric}", point.score.value, point.examples)
        if training is not None:
            mlflow.log_metrics(_numbers(training.cost.model_dump(), "cost/train_"))
            _log_curve(run.info.run_id, training)
        if (general := record.general_of(card)) is not None:
            intervals = {"accuracy": general.accuracy, "loss": general.loss}
            mlflow.log_metrics(_intervals(intervals, "general/"))
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


def _params(record: RunRecord) -> dict[str, Any]:
    """The parameters that matter; the run file itself is logged whole beside them."""
    run = record.run
    index = record.plan.index.chosen if record.plan.index else run.index
    return {
        "models": ", ".join(model.ref for model in run.models),
        "paths": ", ".join(run.decision.paths),
        "primary": run.decision.primary,
        "min_gain": run.decision.min_gain,
        "confidence": run.decision.confidence,
        "seed": run.seed,
        "documents": record.corpus.count,
        **{
            f"{split}_questions": record.examples.count(split) for split in ("train", "dev", "test")
        },
        "index_backend": index.backend,
        "encoder": index.encoder,
        "chunk_tokens": index.chunk_tokens,
        "k": index.k,
        "search_mode": index.mode,
        "alpha": index.alpha,
        "training_method": run.training.method,
        "lora_rank": run.training.rank,
        "learning_rate": run.training.learning_rate,
        "epochs": run.training.epochs,
        "epochs_with_passages": run.training.epochs_with_passages,
        "replay": run.training.replay,
        "max_new_tokens": run.answering.max_new_tokens,
        "demonstrations": run.answering.demonstrations,
        "max_forgetting": run.limits.max_forgetting,
    }


def _system_params(card: Scorecard) -> dict[str, Any]:
    system = card.system
    retrieval = system.retrieval
    return {
        "model": system.model.ref,
        "path": card.path,
        "prompt": system.prompt.name,
        "demonstrations": len(system.prompt.demonstrations),
        "max_new_tokens": system.prompt.max_new_tokens,
        "lora_rank": system.adapter.rank if system.adapter else None,
        "k": retrieval.k if retrieval else None,
        "search_mode": retrieval.mode if retrieval else None,
    }


def _run_tags(record: RunRecord) -> dict[str, str]:
    champion = record.outcome.champion
    tags = {
        "run_digest": record.run.digest,
        "run_id": record.run_id,
        "reused_stages": ", ".join(stage.name for stage in record.stages if stage.reused),
        "champion": f"{champion.model} {champion.path}" if champion else "none",
    }
    if (across := record.outcome.across) is not None:
        tags["across_models"] = across_sentence(across)
    if record.plan.judge is not None:
        tags |= {"judge": record.plan.judge.model.ref, "judge_trust": agreement_sentence(record)}
    commit = _git_commit()
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _system_tags(record: RunRecord, card: Scorecard) -> dict[str, str]:
    training = record.training_of(card)
    tags = {
        "model": card.model,
        "path": card.path,
        "system": card.system.digest,
        "questions_digest": card.questions_digest,
        "energy_method": str(card.cost.get("energy_method") or "not measured"),
        "device": str(card.cost.get("device") or "not recorded"),
        "run_digest": record.run.digest,
    }
    if training is not None:
        tags["train_energy_method"] = training.cost.energy_method or "not measured"
    reused = {name: card.cost.get(name) for name in ("reused_from", "train_reused_from")}
    return tags | {name: str(run) for name, run in reused.items() if run is not None}


def _metrics(card: Scorecard) -> dict[str, float]:
    """A scorecard as metrics, grouped by split: `dev/f1`, `dev/f1_low`, `dev/trained/f1`."""
    found = _intervals(card.metrics, f"{card.split}/")
    for kind, metrics in card.by_kind.items():
        found |= _numbers({name: m.value for name, m in metrics.items()}, f"{card.split}/{kind}/")
    together = {one.name.replace(" ", "_"): one.value for one in card.corpus}
    found |= _numbers(together, f"{card.split}/")
    costs = _numbers(card.cost, f"cost/{card.split}_")
    return found | costs | {f"cost/{card.split}_seconds_per_question": seconds_per_question(card)}


def _intervals(metrics: Mapping[str, Any], prefix: str) -> dict[str, float]:
    named: dict[str, float] = {}
    for name, interval in metrics.items():
        named |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return _numbers(named, prefix)


def _numbers(values: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """What is a finite number, under names that MLflow allows."""
    return {
        re.sub(r"[^\w\-. :/]", "_", prefix + name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    }


def _stage_metrics(record: RunRecord) -> dict[str, float]:
    return _numbers({stage.name: stage.seconds for stage in record.stages}, "seconds/")


def _answer_table(answers: Sequence[Answer]) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(name for answer in answers for name in answer.scores))
    rows = [
        {
            "question_id": answer.question_id,
            "kind": answer.kind,
            "document": answer.cluster,
            "question": answer.question,
            "expected": "\n".join(answer.expected),
            "answer": answer.answer,
            "passages": "\n\n".join(f"[{p.title} #{p.position}] {p.text}" for p in answer.passages),
            "prompt": answer.prompt,
            "tokens_in": answer.tokens_in,
            "tokens_out": answer.tokens_out,
            **{name: answer.scores.get(name) for name in names},
            **{f"p({label})": chance for label, chance in answer.probabilities.items()},
        }
        for answer in answers
    ]
    return {column: [row[column] for row in rows] for column in rows[0]} if rows else {}


def _git_commit() -> str | None:
    """The checkout's commit, None where there is no git or no commit yet."""
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "--verify", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
