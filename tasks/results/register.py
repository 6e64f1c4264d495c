"""The winner as a registered model version; the alias `champion` goes to the better one."""

import json
import re
import shutil
import string
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version as installed
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from tasks.artifacts import (
    Answer,
    Blob,
    Scorecard,
    System,
    Value,
)
from tasks.core.decide import Verdict
from tasks.core.stats import Interval, lower_bound, paired_gain
from tasks.results.outcome import Champion
from tasks.results.record import answers_of
from tasks.results.tracking import connect, open_experiment
from tasks.run import RunFile
from tasks.store import local_folder, scratch
from tasks.task.metrics import JUDGED, values

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
SYSTEM_TAG = "system"
CARD = Path(__file__).resolve().parents[2] / "mlflow" / "model_card.md.tmpl"
# What answers need; training and orchestration stay at home.
REQUIREMENTS = (
    "lancedb", "mlflow", "numpy", "peft", "pydantic", "pydantic-settings", "scipy",
    "sentence-transformers", "torch", "transformers",
)  # fmt: skip
HOSTED_REQUIREMENTS = ("openai",)
Rescore = Callable[[System], Sequence[float]]


class Candidate(Value):
    """A winner with what it won by: its verdict and its scorecard on the dev questions.

    `documents` and `questions` are the blobs it was built and measured with.
    """

    run: RunFile
    run_id: str
    system: System
    verdict: Verdict
    scorecard: Scorecard
    documents: Blob
    questions: Blob


def is_better(
    newcomer: Sequence[float],
    incumbent: Sequence[float],
    clusters: Sequence[str],
    confidence: float,
) -> bool:
    """Whether a newcomer's mean is higher and this is not chance.

    Scores of the same questions in the same order; the one-sided lower bound of the paired gain,
    clustered by source document, must lie above zero.
    """
    gain = paired_gain(newcomer, incumbent, clusters)
    return gain.gain > 0 and lower_bound(gain, 1 - confidence) > 0


def register(candidate: Candidate, rescore: Rescore) -> Champion:
    """Register a winner, unless a version holds the same system already, and move the alias.

    It becomes the champion if there is none or if it is better than the present one on the same
    dev questions, else the challenger. `rescore` answers the candidate's dev questions with the
    present champion where that one was measured on others, or where a judge decides: the primary
    metric of each, in the order of the candidate's answers.
    """
    client = connect()
    open_experiment(client, candidate.run.name)
    name = candidate.run.name
    version = _same_system(client, name, candidate.system) or _new_version(candidate)
    present = _aliases(client, name).get(CHAMPION)
    wins = present is None or present == version or _beats(candidate, present, rescore)
    alias = CHAMPION if wins else CHALLENGER
    if wins and _aliases(client, name).get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    client.set_registered_model_alias(name, alias, version)
    return Champion(
        model=candidate.scorecard.model,
        path=candidate.system.path,
        name=name,
        version=version,
        alias=alias,
    )


def registered_system(name: str, version: str) -> System:
    """The system that a registered version holds."""
    path = artifact(name, version, "system.json")
    return System.model_validate_json(path.read_text(encoding="utf-8"))


def _beats(candidate: Candidate, version: str, rescore: Rescore) -> bool:
    """Compare with a registered version on the candidate's dev questions."""
    name, primary = candidate.run.name, candidate.scorecard.primary
    answers = answers_of(candidate.scorecard)
    card = Scorecard.model_validate_json(
        artifact(name, version, "scorecard.json").read_text(encoding="utf-8")
    )
    same_questions = card.questions_digest == candidate.scorecard.questions_digest
    if same_questions and primary != JUDGED:  # another judge may have judged what is held
        lines = artifact(name, version, "answers.jsonl").read_text(encoding="utf-8").split("\n")
        held = [Answer.model_validate_json(line) for line in lines if line]
        by_id = {answer.question_id: answer for answer in held}
        same = [by_id[answer.question_id] for answer in answers]
        incumbent: Sequence[float] = values(same, primary)
    else:
        incumbent = rescore(registered_system(name, version))
    return is_better(
        values(answers, primary),
        incumbent,
        [answer.cluster for answer in answers],
        candidate.verdict.confidence,
    )


def _new_version(candidate: Candidate) -> str:
    """Log everything the winner needs as one model, and register it.

    MLflow lets the model answer its input example before it is logged: a system that cannot
    answer is never registered.
    """
    import mlflow

    from tasks import serve

    files = _write_files(candidate, scratch(f"register-{candidate.system.digest}"))
    asked = answers_of(candidate.scorecard)[0].question
    logged = mlflow.pyfunc.log_model(
        name="system",
        python_model=str(Path(serve.__file__)),
        artifacts={name: str(path) for name, path in files.items()},
        input_example={"input": [{"role": "user", "content": asked}]},
        pip_requirements=[f"{name}=={installed(name)}" for name in _required(candidate.system)],
    )
    with redirect_stderr(StringIO()):  # it prints, past any logger, that all went well
        made = mlflow.register_model(logged.model_uri, candidate.run.name, tags=_tags(candidate))
    card = files["README"].read_text(encoding="utf-8")
    mlflow.MlflowClient().update_model_version(made.name, made.version, description=card)
    return str(made.version)


def _required(system: System) -> tuple[str, ...]:
    return REQUIREMENTS if system.model.open_weights else REQUIREMENTS + HOSTED_REQUIREMENTS


def _write_files(candidate: Candidate, folder: Path) -> dict[str, Path]:
    """What the version holds, by artifact name."""
    card = candidate.scorecard
    data = {
        "documents": candidate.documents.model_dump(),
        "questions": candidate.questions.model_dump(),
        "dev_questions_digest": card.questions_digest,
    }
    texts = {
        "system.json": candidate.system.model_dump_json(indent=2),
        "run.json": candidate.run.model_dump_json(indent=2),
        "verdict.json": TypeAdapter(Verdict).dump_json(candidate.verdict, indent=2).decode(),
        "scorecard.json": card.model_dump_json(indent=2),
        "answers.jsonl": "".join(row.model_dump_json() + "\n" for row in answers_of(card)),
        "data.json": json.dumps(data, indent=2),
        "README.md": model_card(candidate),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    files = {Path(name).stem: folder / name for name in texts}
    if candidate.system.adapter is not None:
        held = local_folder(candidate.system.adapter.blob)
        files["adapter"] = Path(shutil.copytree(held, folder / "adapter"))
    return files


def model_card(candidate: Candidate) -> str:
    """The model card, filled in from the run; its template stands in `mlflow/`."""
    run, system, card = candidate.run, candidate.system, candidate.scorecard
    retrieval = system.retrieval
    test = candidate.verdict.test
    scores = [f"| {name} | {_shown(value)} |" for name, value in card.metrics.items()]
    scores += [
        f"| {card.primary}, {kind} | {_shown(metrics[card.primary])} |"
        for kind, metrics in card.by_kind.items()
        if card.primary in metrics
    ]
    return string.Template(CARD.read_text(encoding="utf-8")).substitute(
        name=run.name,
        path=system.path,
        model=system.model.ref,
        revision=system.model.revision or "none: the reference is exact",
        adapter=system.adapter.kind if system.adapter else "none",
        index=f"{retrieval.index.name}, digest {retrieval.index.sha}" if retrieval else "none",
        search=f"{retrieval.mode}, k = {retrieval.k}" if retrieval else "none",
        prompt=(system.prompt.instruction or "(none)").replace("\n", "\n> "),
        style=system.prompt.style,
        demonstrations=len(system.prompt.demonstrations),
        basis=candidate.verdict.basis,
        reasons="\n".join(f"- {reason}" for reason in candidate.verdict.reasons),
        primary=card.primary,
        n=card.n,
        confidence=f"{candidate.verdict.confidence:.0%}",
        scores="\n".join(scores),
        test=f"{test.metric} {_shown(test.score)} on {test.n} questions" if test else "not scored",
        documents=candidate.documents.sha,
        questions=candidate.questions.sha,
        system=system.digest,
        run_id=candidate.run_id,
        run_digest=run.digest,
    )


def _tuned(system: System) -> str:
    """What was tuned of the model, for people."""
    if system.adapter is None:
        return "none"
    rank = system.adapter.rank
    return "none: all weights were tuned" if rank is None else f"LoRA, rank {rank}"


def _shown(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _tags(candidate: Candidate) -> dict[str, str]:
    card = candidate.scorecard
    return {
        SYSTEM_TAG: candidate.system.digest,
        "model": card.model,
        "path": candidate.system.path,
        "primary": card.primary,
        re.sub(r"[^\w\-. :/]", "_", card.primary): f"{card.metrics[card.primary].value:.4f}",
        "questions_digest": card.questions_digest,
        "basis": candidate.verdict.basis,
        "run_digest": candidate.run.digest,
    }


def _same_system(client: "MlflowClient", name: str, system: System) -> str | None:
    """The version that holds the same system, if there is one."""
    versions = client.search_model_versions(f"name = '{name}'")
    same = [v.version for v in versions if v.tags.get(SYSTEM_TAG) == system.digest]
    return str(max(same, key=int)) if same else None


def _aliases(client: "MlflowClient", name: str) -> dict[str, str]:
    """Which version each alias of a registered model points at."""
    return {alias: str(at) for alias, at in client.get_registered_model(name).aliases.items()}


def artifact(name: str, version: str, file: str) -> Path:
    """A local copy of what a registered version holds under this name."""
    import mlflow

    uri = f"models:/{name}/{version}/artifacts/{file}"
    return Path(mlflow.artifacts.download_artifacts(uri))
