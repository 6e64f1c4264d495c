"""Which training makes which path's adapter: one of its own, or one that both tuned paths share."""

from collections.abc import Collection

from tasks.artifacts import ModelRef, PathName
from tasks.prompts import is_tuned
from tasks.results.outcome import Planned
from tasks.run import TrainingSpec
from tasks.training.loop import BOTH


def training_of(spec: TrainingSpec, planned: Planned, path: PathName) -> str | None:
    """The name of the training behind a path: the path's, or `BOTH`; None without one.

    An encoder's one head serves both tuned paths, and is called `finetune`. What runs already was
    trained long ago.
    """
    if planned.system is not None or not is_tuned(path):
        return None
    if not planned.model.generates:
        return "finetune"
    return BOTH if is_shared(spec, planned.model, planned.paths) else path


def is_shared(spec: TrainingSpec, model: ModelRef, paths: Collection[PathName]) -> bool:
    """Whether these paths of a decoder have one adapter between them."""
    return spec.one_adapter and model.generates and {"finetune", "finetune+rag"} <= set(paths)


def trained_for(spec: TrainingSpec, planned: Planned, training: str) -> tuple[PathName, ...]:
    """The planned paths that a training serves."""
    return tuple(one for one in planned.paths if training_of(spec, planned, one) == training)


def is_first(spec: TrainingSpec, planned: Planned, path: PathName) -> bool:
    """Whether a path needs a training that no path before it has needed."""
    training = training_of(spec, planned, path)
    return training is not None and trained_for(spec, planned, training)[0] == path
