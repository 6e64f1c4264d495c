"""Other wordings of training questions, asked for once, for all models that learn from them."""

from flows.steps import Stages, step
from tasks.artifacts import ExampleSet, Paraphrases
from tasks.core.race import Cost
from tasks.core.race_state import FREE
from tasks.models.spending import current
from tasks.results.outcome import Plan
from tasks.run import RunFile
from tasks.training.paraphrase import paraphrase as ask_for

paraphrase = step(ask_for, "paraphrase", tensors=True)


def reword(
    stages: Stages, run: RunFile, examples: ExampleSet, plan: Plan
) -> tuple[Paraphrases | None, Cost]:
    """The paraphrases that are learnt from, if a model is named for it, and what they cost here."""
    if plan.paraphraser is None:
        return None, FREE
    spec, money = run.training, current().spent.money
    made = stages(
        "paraphrase", paraphrase, model=plan.paraphraser, examples=examples,
        wordings=spec.rewordings, near_duplicate=run.data.near_duplicate,
        validation=spec.validation, task=run.task, seed=run.seed,
        batch_size=run.answering.batch_size,
    )  # fmt: skip
    stage, energy = stages.done[-1], made.cost.energy_kwh or 0.0
    if stage.reused:
        return made, FREE
    return made, Cost(stage.seconds, current().spent.money - money, energy)
