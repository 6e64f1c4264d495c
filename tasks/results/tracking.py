"""The way to MLflow: where it is, whether it answers, which experiment is meant."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.core.errors import InputError
from tasks.services import services

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FAIL_FAST = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
}


def connect() -> "MlflowClient":
    """MLflow's client on the configured tracking URI; its chatter is left out."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    if services().embedded_tracking:
        services().home.mkdir(parents=True, exist_ok=True)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(services().tracking_uri)
    mlflow.set_registry_uri(services().tracking_uri)
    return mlflow.MlflowClient()


def check_tracking() -> None:
    """Make sure that runs can be logged, before any work is done.

    Raises:
        InputError: the tracking server does not answer, after one retry within seconds.
    """
    from mlflow.exceptions import MlflowException

    uri = services().tracking_uri
    with _environment(_FAIL_FAST):
        try:
            connect().search_experiments(max_results=1)
        except MlflowException as error:
            raise InputError(
                "MLFLOW_TRACKING_URI", uri, "an MLflow tracking server that answers",
                f"Start it or mend the address; unset it to track in a local file. ({error})",
            ) from error  # fmt: skip


def open_experiment(client: "MlflowClient", name: str) -> str:
    """The id of the experiment of a run's name, created if need be, and made the active one."""
    import mlflow

    found = client.get_experiment_by_name(name)
    if found is None:
        files = services().home.resolve() / "mlflow-artifacts"
        location = files.as_uri() if services().embedded_tracking else None
        client.create_experiment(name, artifact_location=location)
    return str(mlflow.set_experiment(name).experiment_id)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
