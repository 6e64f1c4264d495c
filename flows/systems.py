"""One system of a run: its parts built, questions asked of it, its answers scored."""

from collections.abc import Iterable
from typing import NamedTuple

from flows.changes import After, ask_changed
from flows.judging import judge_card, judge_rows
from flows.steps import Stages, step
from tasks.artifacts import (
    ExampleSet,
    General,
    GeneralScore,
    Judge,
    ModelRef,
    Paraphrases,
    PathName,
    Prompt,
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
from tasks.planning.adapters import training_of
from tasks.prompts import reads_passages, training_prompt
from tasks.results.outcome import Planned
from tasks.run import RunFile
from tasks.task.metrics import JUDGED
from tasks.training import tuning
from tasks.training.loop import BOTH

train = step(tuning.train_path, "fine-tune", tensors=True)
train_both = step(tuning.train_both, "fine-tune for both paths", tensors=True)
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
    prompt = stages(
        f"choose prompt: {path}{part(share)}", choose_prompt, model=planned.model, path=path,
        adapter=training.adapter if training else None,
        retrieval=inputs.retrieval if reads_passages(path) else None, examples=inputs.examples,
        spec=run.answering, validation=run.training.validation, primary=run.prompt_metric,
        seed=run.seed, task=run.task,
    )  # fmt: skip
    return put_together(inputs, planned, path, training, prompt)


def put_together(
    inputs: Inputs, planned: Planned, path: PathName, training: Training | None, prompt: Prompt
) -> Built:
    """A path's system with this prompt."""
    system = System(
        model=planned.model, prompt=prompt, adapter=training.adapter if training else None,
        retrieval=inputs.retrieval if reads_passages(path) else None,
    )  # fmt: skip
    return Built(system, training, planned.model.ref)


def learnt_prompt(inputs: Inputs, planned: Planned, path: PathName) -> Prompt:
    """The prompt that a path's adapter is trained with."""
    run, examples = inputs.run, inputs.examples
    return training_prompt(
        path, run.answering, run.task, examples.labels, examples.constraints,
        generates=planned.model.generates,
    )  # fmt: skip


def tune(
    stages: Stages, inputs: Inputs, planned: Planned, path: PathName, share: float = WHOLE
) -> Training:
    """Fine-tune a path's adapter on a share of the examples; what two paths share, once."""
    run, model = inputs.run, planned.model
    training = training_of(run.training, planned, path)
    if training == BOTH:
        shown_both: tuple[PathName, PathName] = ("finetune+rag", "finetune")
        grounded, bare = (learnt_prompt(inputs, planned, one) for one in shown_both)
        return stages(
            f"fine-tune: {BOTH}{part(share)}", train_both, model=model, examples=inputs.examples,
            retrieval=inputs.retrieval, general=inputs.general, spec=run.training, seed=run.seed,
            prompts=(grounded, bare), share=share,
            paraphrases=inputs.paraphrases,
        )  # fmt: skip
    shown = path if model.generates else "finetune"  # an encoder's head reads texts alone
    return stages(
        f"fine-tune: {training}{part(share)}", train, model=model, path=shown,
        examples=inputs.examples, retrieval=inputs.retrieval if reads_passages(shown) else None,
        general=inputs.general, spec=run.training, seed=run.seed, share=share,
        paraphrases=inputs.paraphrases, prompt=learnt_prompt(inputs, planned, shown),
    )  # fmt: skip


def trainings(built: Iterable[Built]) -> tuple[Training, ...]:
    """Every training once, however many systems have its adapter."""
    made = [one.training for one in built if one.training]
    return tuple({training.adapter.blob.sha: training for training in made}.values())


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
