"""The winner as a registered model version; the alias `champion` goes to the better one."""

from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version as installed
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.artifacts import Answer, Scorecard, System
from tasks.core.stats import lower_bound, paired_gain
from tasks.results.outcome import Champion
from tasks.results.record import answers_of
from tasks.results.tracking import connect, open_experiment
from tasks.results.version_files import SYSTEM_TAG, Candidate, required, tags, write_files
from tasks.store import scratch
from tasks.task.metrics import JUDGED, values

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
Rescore = Callable[[System], Sequence[float]]


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

    files = write_files(candidate, scratch(f"register-{candidate.system.digest}"))
    asked = answers_of(candidate.scorecard)[0].question
    logged = mlflow.pyfunc.log_model(
        name="system",
        python_model=str(Path(serve.__file__)),
        artifacts={name: str(path) for name, path in files.items()},
        input_example={"input": [{"role": "user", "content": asked}]},
        pip_requirements=[f"{name}=={installed(name)}" for name in required(candidate.system)],
    )
    with redirect_stderr(StringIO()):  # it prints, past any logger, that all went well
        made = mlflow.register_model(logged.model_uri, candidate.run.name, tags=tags(candidate))
    card = files["README"].read_text(encoding="utf-8")
    mlflow.MlflowClient().update_model_version(made.name, made.version, description=card)
    return str(made.version)


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
