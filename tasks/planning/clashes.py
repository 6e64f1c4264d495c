"""Limits that no path can keep: told before anything is trained, with the numbers that clash."""

from tasks.artifacts import ExampleSet
from tasks.core.errors import InputError
from tasks.core.estimate import RUNTIME_GIB
from tasks.data.collect import read_questions
from tasks.results.outcome import Plan
from tasks.run import RunFile


def check_limits(run: RunFile, plan: Plan, examples: ExampleSet) -> None:
    """Refuse limits that leave nothing to measure of a model that is here and could answer.

    A model that is too large for this machine, or whose weights or key are elsewhere, is advised
    on and clashes with nothing.

    Raises:
        InputError: no path can be within the limits; the limit and what it clashes with are named.
    """
    limits = run.limits
    if limits.memory_gib is not None and limits.memory_gib < RUNTIME_GIB:
        raise InputError(
            "limits.memory_gib", limits.memory_gib,
            f"at least {RUNTIME_GIB:g}, which the libraries take without any model",
            "Loosen this limit, or leave it out.",
        )  # fmt: skip
    if limits.min_refused is not None and not _unanswerable(examples):
        raise InputError(
            "limits.min_refused", f"{limits.min_refused:g} of 0 dev questions without an answer",
            "dev questions that have no answer beside it",
            'Mark some with "answerable": false, or leave the limit out.',
        )  # fmt: skip
    here = [planned for planned in plan.models if planned.reason is None]
    if not here or any(planned.paths for planned in plan.models):
        return
    wanted = [veto for veto in here[0].vetoes if veto.path in run.decision.paths]
    raise InputError(
        f"limits, for {here[0].model.ref}", "; ".join(veto.text for veto in wanted),
        "at least one of decision.paths within all limits", "Loosen one of these limits.",
    )  # fmt: skip


def _unanswerable(examples: ExampleSet) -> bool:
    return any(not question.answerable for question in read_questions(examples, "dev"))
