"""A run's values as MLflow takes them: parameters, tags, metrics and tables."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from tasks.artifacts import Answer, Scorecard
from tasks.results.across_report import across_sentence
from tasks.results.judge_report import agreement_sentence
from tasks.results.record import RunRecord, seconds_per_question

CHECKOUT = Path(__file__).resolve().parents[2]


def run_params(record: RunRecord) -> dict[str, Any]:
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


def system_params(card: Scorecard) -> dict[str, Any]:
    """What a system was made with."""
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


def run_tags(record: RunRecord) -> dict[str, str]:
    """What a run is found by, with its outcome and the checkout's commit."""
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


def system_tags(record: RunRecord, card: Scorecard) -> dict[str, str]:
    """What a system is found by, and where its numbers come from."""
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


def card_metrics(card: Scorecard) -> dict[str, float]:
    """A scorecard as metrics, grouped by split: `dev/f1`, `dev/f1_low`, `dev/trained/f1`."""
    found = interval_metrics(card.metrics, f"{card.split}/")
    for kind, metrics in card.by_kind.items():
        found |= numbers({name: m.value for name, m in metrics.items()}, f"{card.split}/{kind}/")
    together = {one.name.replace(" ", "_"): one.value for one in card.corpus}
    found |= numbers(together, f"{card.split}/")
    costs = numbers(card.cost, f"cost/{card.split}_")
    return found | costs | {f"cost/{card.split}_seconds_per_question": seconds_per_question(card)}


def interval_metrics(metrics: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """Means with both ends of their intervals."""
    named: dict[str, float] = {}
    for name, interval in metrics.items():
        named |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return numbers(named, prefix)


def numbers(values: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """What is a finite number, under names that MLflow allows."""
    return {
        re.sub(r"[^\w\-. :/]", "_", prefix + name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    }


def stage_metrics(record: RunRecord) -> dict[str, float]:
    """Seconds of each stage."""
    return numbers({stage.name: stage.seconds for stage in record.stages}, "seconds/")


def answer_table(answers: Sequence[Answer]) -> dict[str, list[Any]]:
    """Every answer with all that led to it, by columns."""
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
