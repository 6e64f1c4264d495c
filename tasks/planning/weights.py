"""The weights of the models of a plan: whether they can be had here, and what tells them apart."""

from collections.abc import Sequence

from tasks.artifacts import ModelRef
from tasks.core import digest
from tasks.models.endpoint import address
from tasks.models.here import check_here, on_hub
from tasks.models.references import has_chat_template, weights_digest, weights_here
from tasks.results.outcome import Need, Plan, Planned


def obstacle(model: ModelRef, needs: Sequence[Need], there: float) -> str | None:
    """Why a model cannot answer here: it needs more GiB than are there, or it is not here.

    Raises:
        InputError: its reference points at no weights.
    """
    reasons = []
    answering = min((one.answer_gib for one in needs), default=0.0)
    if answering > there:
        reasons.append(f"answering needs {answering:.1f} GiB (estimated) of {there:.1f} GiB there")
    absent = weights_here(model)
    if absent:
        reasons.append(absent)
    if not reasons and model.open_weights:
        check_here(model.ref)
    return "; ".join(reasons) or None


def weighed(model: ModelRef) -> ModelRef:
    """A model with what tells it from others of its name; of a hosted one that is its address."""
    found = weights_digest(model.ref) if model.open_weights else digest.of_text(address())
    return model.model_copy(update={"weights": found})


def with_weights(planned: Planned) -> Planned:
    """A planned model with the digest of its weights, and whether it brings a chat template."""
    model = planned.model
    bare = model.open_weights and model.generates and not has_chat_template(model.ref)
    return planned.model_copy(update={"model": weighed(model), "plain_template": bare})


def fetch_weights(plan: Plan) -> Plan:
    """A plan whose models are all here: those on the hub are fetched, which may take a while.

    Raises:
        InputError: weights cannot be had, or only in a format that can run code.
    """
    judge, paraphraser = plan.judge, plan.paraphraser
    if judge is not None and on_hub(judge.model.ref):
        judge = judge.model_copy(update={"model": weighed(judge.model)})
    if paraphraser is not None and on_hub(paraphraser.ref):
        paraphraser = weighed(paraphraser)
    models = tuple(
        with_weights(one) if one.reason is None and _to_fetch(one) else one for one in plan.models
    )
    return plan.model_copy(update={"models": models, "judge": judge, "paraphraser": paraphraser})


def _to_fetch(planned: Planned) -> bool:
    return planned.system is None and on_hub(planned.model.ref)
