"""One system of a run: its parts built, questions asked of it, its answers scored."""

from typing import NamedTuple

from flows.changes import After, ask_changed
from flows.judging import judge_card, judge_rows
from flows.steps import Stages, step
from tasks.artifacts import (
    Adapter,
    ExampleSet,
    General,
    GeneralScore,
    Judge,
    ModelRef,
    Paraphrases,
    PathName,
    Retrieval,
    Scorecard,
    Split,
    System,
    Training,
)
from tasks.core.race_state import WHOLE
from tasks.core.stats import Interval
from tasks.evaluation import evaluate, forgetting, latency, robustness
from tasks.machine import PROCESS
from tasks.prompts import reads_passages, training_prompt
from tasks.results.outcome import Planned
from tasks.run import RunFile
from tasks.task.metrics import JUDGED
from tasks.training import tuning

train = step(tuning.train_path, "fine-tune", tensors=True)
choose_prompt = step(evaluate.choose_prompt, "choose prompt", tensors=True)
answer = step(evaluate.answer_split, "answer", tensors=True)
check_general = step(forgetting.general_score, "general knowledge", tensors=True)
answer_misspelled = step(robustness.answer_misspelled, "answer misspelled", tensors=True)
time_answers = step(latency.time_answers, "time", tensors=True)


class Inputs(NamedTuple):
    """What every model is measured with.

    `after` is what changes later and `judge` who judges answers, if the run file tells;
    `paraphrases` is what is learnt from as well.
    """

    run: RunFile
    examples: ExampleSet
    general: General | None
    retrieval: Retrieval
    after: After | None = None
    judge: Judge | None = None
    paraphrases: Paraphrases | None = None


class Built(NamedTuple):
    """A system that can be asked, and the training that made its adapter.

    `model` is the reference it is listed under: its base model's, or that of what runs already.
    """

    system: System
    training: Training | None
    model: str


def build(
    stages: Stages,
    inputs: Inputs,
    planned: Planned,
    path: PathName,
    training: Training | None,
    share: float = WHOLE,
) -> Built:
    """A path's system: its parts, and the prompt that is best with them."""
    run = inputs.run
    retrieval = inputs.retrieval if reads_passages(path) else None
    adapter: Adapter | None = training.adapter if training else None
    prompt = stages(
        f"choose prompt: {path}{part(share)}", choose_prompt, model=planned.model, path=path,
        adapter=adapter, retrieval=retrieval, examples=inputs.examples, spec=run.answering,
        validation=run.training.validation, primary=run.prompt_metric, seed=run.seed,
        task=run.task,
    )  # fmt: skip
    system = System(model=planned.model, prompt=prompt, adapter=adapter, retrieval=retrieval)
    return Built(system, training, planned.model.ref)


def tune(
    stages: Stages, inputs: Inputs, planned: Planned, path: PathName, share: float = WHOLE
) -> Training:
    """Fine-tune one adapter, on prompts with or without passages, on a share of the examples.

    An encoder's one head serves both paths: the second finds it trained.
    """
    run, model = inputs.run, planned.model
    if not model.generates:
        path = "finetune"
    return stages(
        f"fine-tune: {path}{part(share)}", train, model=model, path=path,
        examples=inputs.examples, retrieval=inputs.retrieval if reads_passages(path) else None,
        general=inputs.general, spec=run.training, seed=run.seed, share=share,
        paraphrases=inputs.paraphrases,
        prompt=training_prompt(
            path, run.answering, run.task, inputs.examples.labels, inputs.examples.constraints,
            generates=model.generates,
        ),
    )  # fmt: skip


def part(share: float) -> str:
    """What a stage's name says of the share of the examples; nothing of all or none."""
    return f" on {share:.1%} of the examples" if 0 < share < WHOLE else ""


def is_checked(inputs: Inputs, model: ModelRef) -> bool:
    """Whether general knowledge is checked: there are questions, and the model can be asked."""
    return inputs.general is not None and model.tells_likelihood


def know(stages: Stages, inputs: Inputs, system: System) -> GeneralScore:
    """What a model knows in general, with its adapter if it has one."""
    return stages(
        f"general knowledge: {'base' if system.adapter is None else system.path}", check_general,
        model=system.model, adapter=system.adapter, general=inputs.general,
        batch_size=inputs.run.answering.batch_size,
    )  # fmt: skip


def score(
    stages: Stages,
    inputs: Inputs,
    built: Built,
    split: Split,
    general: dict[PathName, GeneralScore],
) -> Scorecard:
    """A system answers a split; what it scored, kept and cost."""
    run, system = inputs.run, built.system
    answers = stages(
        f"answer {split}: {system.path}", answer, system=system, examples=inputs.examples,
        split=split, batch_size=run.answering.batch_size,
    )  # fmt: skip
    card = evaluate.scorecard(
        system, answers, run.decision.primary, general.get(system.path), base_of(general),
        built.training, PROCESS, run.price(system.model.ref),
    )  # fmt: skip
    card = judge_card(stages, run, inputs.judge, card)
    if split == "dev":
        more = wait(stages, inputs, system) | misspell(stages, inputs, system, card)
        more |= ask_changed(stages, run, inputs.after, system, card)
        card = card.model_copy(update={"metrics": card.metrics | more})
    return card.model_copy(update={"model": built.model})


def wait(stages: Stages, inputs: Inputs, system: System) -> dict[str, Interval]:
    """How long single answers take, where a limit asks for it."""
    if inputs.run.limits.seconds_p95 is None:
        return {}
    cost = stages(
        f"time: {system.path}", time_answers, system=system, examples=inputs.examples,
        seed=inputs.run.seed,
    )  # fmt: skip
    return latency.waiting(cost)


def misspell(
    stages: Stages, inputs: Inputs, system: System, card: Scorecard
) -> dict[str, Interval]:
    """What a system scores on misspelled questions, where the run file asks for it."""
    run = inputs.run
    if run.data.misspelled == 0:
        return {}
    answers = stages(
        f"answer misspelled: {system.path}", answer_misspelled, system=system,
        examples=inputs.examples, share=run.data.misspelled, seed=run.seed,
        batch_size=run.answering.batch_size,
    )  # fmt: skip
    if inputs.judge is not None and run.decision.primary == JUDGED:
        what = f"misspelled: {system.path}"
        judged = judge_rows(stages, run, inputs.judge, answers.blob, what)
        answers = answers.model_copy(update={"blob": judged.answers})
    return robustness.lost_to_misspelling(card, answers)


def base_of(general: dict[PathName, GeneralScore]) -> GeneralScore | None:
    """What the model knew before it was tuned."""
    return general.get("prompt") or general.get("rag")
