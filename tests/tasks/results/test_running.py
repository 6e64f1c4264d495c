"""A system that runs already stands as it answers people: by alias or version, or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.artifacts import Blob, System
from tasks.core.errors import InputError
from tasks.core.veto import PATHS
from tasks.decision.racing import Speed
from tasks.planning.plan import make_plan
from tasks.planning.preview import AS_IT_IS, path_plan
from tasks.results.record import RunRecord
from tasks.results.register import register
from tasks.results.running import as_it_runs, registered
from tasks.results.version_files import Candidate
from tasks.run import ModelSpec, RunFile
from tasks.services import services

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own

HERE = "models:/harbour@champion"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow asks a system before it is logged answers without a model."""
    import sys
    from types import ModuleType, SimpleNamespace

    stand_in = ModuleType("tasks.evaluation.answering")
    told = SimpleNamespace(text="1886", passages=(), index_sha=None, probabilities={})
    stand_in.reply = lambda system, question: told  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tasks.evaluation.answering", stand_in)


@pytest.fixture
def ours(record: RunRecord, answering: None, tiny_folder: Path) -> System:
    """A tuned system without retrieval, registered as champion."""
    card = record.scorecards[1]
    model = card.system.model.model_copy(update={"ref": f"path:{tiny_folder}"})
    system = card.system.model_copy(update={"retrieval": None, "model": model})
    register(
        Candidate(
            run=record.run,
            run_id=record.run_id,
            system=system,
            verdict=record.outcome.verdicts[0],
            scorecard=card.model_copy(update={"system": system, "path": system.path}),
            documents=record.corpus.documents,
            questions=Blob(uri="questions", sha="qs", bytes=1),
        ),
        lambda _: [],
    )
    return system


def naming(run: RunFile, ref: str, **changes: object) -> RunFile:
    return run.model_copy(update={"models": (ModelSpec(ref=ref),), **changes})


@pytest.mark.parametrize("ref", [HERE, "models:/harbour/1"])
def test_a_registered_system_is_planned_with_its_only_path(
    ours: System, record: RunRecord, ref: str
) -> None:
    (planned,) = make_plan(naming(record.run, ref), record.corpus, record.examples).models
    assert (planned.model.ref, planned.model.name) == (ref, "harbour 1")
    assert (planned.paths, planned.vetoes, planned.reason) == (("finetune",), (), None)
    assert planned.system == ours
    assert planned.model.params == ours.model.params


def test_a_plan_shows_that_a_running_system_is_asked_as_it_is(
    ours: System, record: RunRecord
) -> None:
    run = naming(record.run, HERE)
    (planned,) = make_plan(run, record.corpus, record.examples).models
    plans = [path_plan(run, planned, path, record.examples, Speed(1e9, 1e9)) for path in PATHS]
    assert [one.path for one in plans if one.tried] == ["finetune"]
    assert {one.why for one in plans if not one.tried} == {(AS_IT_IS,)}
    assert all((one.seconds is None) != one.tried for one in plans)


def test_the_versions_own_copy_of_an_adapter_answers_where_the_store_lost_it(
    ours: System,
) -> None:
    assert ours.adapter is not None
    stored = Path(ours.adapter.blob.uri.removeprefix("file://"))
    for file in stored.iterdir():
        file.unlink()
    stored.rmdir()
    found = as_it_runs(HERE, registered(HERE))
    assert found.adapter is not None
    held = Path(found.adapter.blob.uri)
    assert (held / "adapter_model.safetensors").read_bytes() == b"weights"
    assert found.digest == ours.digest


@pytest.mark.parametrize(
    "ref", ["models:/harbour@chamipon", "models:/other@champion", "models:/harbour/9",
            "models:/harbour", "models:/"],
)  # fmt: skip
def test_a_name_that_is_not_registered_is_explained_with_those_that_are(
    ours: System, record: RunRecord, ref: str
) -> None:
    with pytest.raises(InputError) as caught:
        make_plan(naming(record.run, ref), record.corpus, record.examples)
    error = caught.value
    assert (error.where, error.value, error.allowed) == ("models.ref", ref, HERE)
    assert "MLFLOW_TRACKING_URI" in error.remedy


def test_nothing_registered_at_all_is_told(home: Path) -> None:
    with pytest.raises(InputError, match="none is registered yet"):
        registered(HERE)


def test_a_system_for_another_task_is_refused(ours: System, record: RunRecord) -> None:
    run = naming(record.run, HERE, task="classification")
    with pytest.raises(InputError, match="a system for classification"):
        make_plan(run, record.corpus, record.examples)


def test_a_system_whose_weights_are_not_here_is_refused(
    ours: System, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.results.running.weights_here", lambda model: "weights gone")
    with pytest.raises(InputError, match="weights gone"):
        make_plan(naming(record.run, HERE), record.corpus, record.examples)


@pytest.fixture
def elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow at an address where nobody listens."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    services.cache_clear()
    yield
    services.cache_clear()


def test_a_server_that_does_not_answer_is_named(elsewhere: None) -> None:
    with pytest.raises(InputError) as caught:
        registered(HERE)
    assert (caught.value.where, caught.value.value) == (
        "MLFLOW_TRACKING_URI",
        "http://127.0.0.1:9",
    )


def test_a_version_that_another_program_registered_is_refused(
    home: Path, record: RunRecord, tmp_path: Path, make_card: Callable[..., object]
) -> None:
    import mlflow

    from tasks.results.tracking import connect, open_experiment

    client = connect()
    open_experiment(client, "foreign")
    logged = mlflow.pyfunc.log_model(
        name="m", python_model=lambda model_input: model_input, pip_requirements=["mlflow"]
    )
    mlflow.register_model(logged.model_uri, "foreign")
    client.set_registered_model_alias("foreign", "champion", "1")
    with pytest.raises(InputError, match="a version that `adapt run` registered"):
        as_it_runs("models:/foreign@champion", registered("models:/foreign@champion"))
