"""Asks a registered system through MLflow, as whoever serves it would."""

from typing import TYPE_CHECKING, Any

from tasks.artifacts import Passage, Value
from tasks.core.errors import InputError
from tasks.results.tracking import check_tracking, connect, open_experiment

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Reply(Value):
    """An answer, the passages it was given with, and the version and index they came from."""

    model: str
    version: str
    alias: str
    question: str
    answer: str
    passages: tuple[Passage, ...]
    index_digest: str | None = None


def ask_registered(name: str, question: str, alias: str = "champion") -> Reply:
    """Ask the version of a registered model that an alias points at.

    Raises:
        InputError: the question is blank, MLflow does not answer, or there is no such model
            or alias.
    """
    if not question.strip():
        raise InputError("QUESTION", question, "text that is not blank", "Type a question.")
    check_tracking()
    client = connect()
    version = _version(client, name, alias)
    open_experiment(client, name)  # where the answer's trace belongs
    import mlflow

    served = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    response = served.predict({"input": [{"role": "user", "content": question}]})
    told = response.get("custom_outputs") or {}
    return Reply(
        model=name,
        version=version,
        alias=alias,
        question=question,
        answer=_text(response),
        passages=tuple(Passage.model_validate(passage) for passage in told.get("passages", ())),
        index_digest=told.get("index_digest"),
    )


def _version(client: "MlflowClient", name: str, alias: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        known = [f"{model.name}@{key}" for model in client.search_registered_models()
                 for key in model.aliases]  # fmt: skip
        if f"{name}@{alias}" in known:
            raise
        allowed = ", ".join(sorted(known)) or "none is registered yet"
        remedy = "Register one with `adapt run`; MLFLOW_TRACKING_URI says where to look."
        raise InputError("NAME", f"{name}@{alias}", allowed, remedy) from error


def _text(response: dict[str, Any]) -> str:
    """The text of a response in the format of OpenAI's Responses API."""
    parts = [part for item in response["output"] for part in item.get("content") or ()]
    return "".join(part.get("text", "") for part in parts if part["type"] == "output_text")
