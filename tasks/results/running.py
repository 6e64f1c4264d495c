"""A system that runs already, named `models:/NAME@alias` or `models:/NAME/version` in MLflow."""

from typing import NamedTuple

from tasks.artifacts import System
from tasks.core.errors import InputError
from tasks.models.references import weights_here
from tasks.results.outcome import Planned
from tasks.results.tracking import check_tracking, connect
from tasks.run import RUNNING, ModelSpec, RunFile
from tasks.store import exists


class Registered(NamedTuple):
    """A registered version; `alias` is None where the reference names the version itself."""

    name: str
    version: str
    alias: str | None


def plan_running(run: RunFile, spec: ModelSpec) -> Planned:
    """What will be done about a system that runs already: it answers as it is, and no more.

    Raises:
        InputError: MLflow does not answer, there is no such version, it holds no system of this
            project or one for another task, or it cannot answer here.
    """
    found = registered(spec.ref)
    system = as_it_runs(spec.ref, found)
    task, here = system.prompt.task, weights_here(system.model)
    if task != run.task:
        raise InputError(
            "models.ref", f"{spec.ref}, for {task}", f"a system for {run.task}",
            "Leave it out, or name one that was registered for this task.",
        )  # fmt: skip
    if here is not None:
        raise InputError(
            "models.ref", f"{spec.ref} ({system.model.ref}: {here})", "a system that answers here",
            "Mend that, or leave it out.",
        )  # fmt: skip
    model = system.model.model_copy(
        update={"ref": spec.ref, "name": f"{found.name} {found.version}"}
    )
    return Planned(
        model=model, paths=(system.path,), vetoes=(), reason=None, answer_gib=None,
        train_gib=None, system=system,
    )  # fmt: skip


def registered(ref: str) -> Registered:
    """The version that a reference names.

    Raises:
        InputError: MLflow does not answer, or has no such version or alias.
    """
    from mlflow.exceptions import MlflowException

    address = ref.removeprefix(RUNNING)
    name, _, alias = address.partition("@")
    if not alias:
        name, _, number = address.rpartition("/")
    check_tracking()
    client = connect()
    try:
        if alias:
            version = client.get_model_version_by_alias(name, alias).version
        else:
            version = client.get_model_version(name, number).version
    except MlflowException as error:
        known = [f"{RUNNING}{model.name}@{key}" for model in client.search_registered_models()
                 for key in model.aliases]  # fmt: skip
        raise InputError(
            "models.ref", ref, ", ".join(sorted(known)) or "none is registered yet",
            "Register one with `adapt run`; MLFLOW_TRACKING_URI says where to look.",
        ) from error  # fmt: skip
    return Registered(name, str(version), alias or None)


def as_it_runs(ref: str, found: Registered) -> System:
    """The system of a version as it answers people: from what its index's name points at now.

    Its adapter is the copy that the version holds, where the artifact store has lost it.

    Raises:
        InputError: the version holds no system of this project, or its index is gone.
    """
    from mlflow.exceptions import MlflowException

    from tasks.results.register import artifact, registered_system

    try:
        system = registered_system(found.name, found.version)
    except (MlflowException, OSError, ValueError) as error:
        raise InputError(
            "models.ref", ref, "a version that `adapt run` registered, by this release",
            f"Name another. ({str(error)[:200]})",
        ) from error  # fmt: skip
    if system.adapter is not None and not exists(system.adapter.blob):
        held = str(artifact(found.name, found.version, "adapter"))
        blob = system.adapter.blob.model_copy(update={"uri": held})
        adapter = system.adapter.model_copy(update={"blob": blob})
        system = system.model_copy(update={"adapter": adapter})
    return followed(system)


def followed(system: System) -> System:
    """The same system with what its index's name points at now.

    Raises:
        InputError: the name points at nothing.
    """
    from tasks.retrieval.index import latest

    if system.retrieval is None:
        return system
    index = latest(system.retrieval.index)
    retrieval = system.retrieval.model_copy(update={"index": index})
    return system.model_copy(update={"retrieval": retrieval})
