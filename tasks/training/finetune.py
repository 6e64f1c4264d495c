"""Fine-tuning with peft and TRL: loss on the answer only, the best checkpoint kept."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tasks.artifacts import (
    Adapter,
    Cost,
    GeneralText,
    ModelRef,
    Paraphrase,
    Passage,
    Prompt,
    Question,
    Training,
    content,
)
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.machine import metered, runtime
from tasks.models.references import weights_digest
from tasks.run import TrainingSpec
from tasks.sampling import hold_out
from tasks.store import put_folder
from tasks.training.checkpoints import workplace
from tasks.training.loop import Lesson
from tasks.training.method import check_method
from tasks.training.paraphrase import reworded
from tasks.training.rows import Row, general_row, question_row, shuffled_text
from tasks.training.search import search

GROUNDED = "finetune+rag"
CODE = Path(__file__).parent  # what a checkpoint depends on besides its data
Example = tuple[Question, tuple[Passage, ...] | None]


def finetune(
    model: ModelRef,
    examples: Sequence[Example],
    prompt: Prompt,
    replay: Sequence[GeneralText],
    spec: TrainingSpec,
    seed: int,
    share: float = 1.0,
    paraphrases: Sequence[Paraphrase] = (),
) -> Training:
    """Tune one model on questions, each with its passages or with None.

    A tenth of the questions is held out to stop early and to choose the checkpoint; `replay`
    rows of general text are mixed into the rest so that general ability survives. With a `share`
    below 1 only the first of the rest are learnt from, in an order drawn from the seed. Paraphrases
    of what is learnt from are learnt from as well, with the passages of their question. A training
    that was killed goes on from its last epoch, to the same weights. Where the spec names settings
    to try, those are searched first.

    Raises:
        InputError: an example is longer than `training.max_tokens`, or the method cannot be used
            on this machine.
    """
    check_method(spec)
    passages = {question.id: found for question, found in examples}
    learn, held = hold_out([question for question, _ in examples], spec.validation, seed)
    learn = learn[: max(1, round(share * len(learn)))]
    more = reworded(learn, paraphrases)
    passages |= {one.id: passages[one.of] for one in paraphrases if one.of in passages}
    extra = shuffled_text(replay, round((len(learn) + len(more)) * spec.replay), seed)
    lesson = _lesson(model.ref, prompt, (learn, held, more), passages, extra, spec, seed)
    with metered() as meter, workplace(_key(lesson, spec)) as folder:
        chosen, run = search(lesson, spec, folder)
        blob = put_folder(run.folder, "adapters")
        meter.tokens = run.tokens
    return Training(
        adapter=Adapter(
            blob=blob,
            base=model.ref,
            rank=None if spec.method == "full" else chosen.rank,
            with_passages=lesson.name == GROUNDED,
        ),
        curve=run.curve,
        cost=_whole(meter.measured(), run.before),
        examples=len(learn),
        replayed=len(extra),
        best_step=run.best_step,
        notes=run.notes,
        paraphrased=len(lesson.rows) - len(learn) - len(extra),
    )


def _lesson(
    ref: str,
    prompt: Prompt,
    questions: tuple[Sequence[Question], Sequence[Question], Sequence[Question]],
    passages: dict[str, tuple[Passage, ...] | None],
    extra: Sequence[GeneralText],
    spec: TrainingSpec,
    seed: int,
) -> Lesson:
    """Questions to learn from and to stop by, and replayed texts, as rows of tokens.

    The third questions, paraphrases, are learnt from where they are not too long.
    """
    from tasks.models.loading import load_tokenizer

    reader = load_tokenizer(ref)

    def row(one: Question) -> Row:
        return question_row(reader, prompt, one, passages[one.id], spec.max_tokens)

    learn, held, more = questions
    rows, checks = [row(one) for one in learn], [row(one) for one in held]
    for one in more:
        with suppress(InputError):  # nobody wrote it: nothing is to be mended
            rows.append(row(one))
    rows += [general_row(reader, text, spec.max_tokens) for text in extra]
    grounded = any(found is not None for found in passages.values())
    return Lesson(
        name=GROUNDED if grounded else "finetune",
        ref=ref,
        rows=rows,
        checks=checks,
        epochs=spec.epochs_with_passages if grounded else spec.epochs,
        seed=seed,
    )


def _key(lesson: Lesson, spec: TrainingSpec) -> str:
    """What a training depends on, wherever its model lies: data, settings, code and runtime."""
    return digest.of_json([
        lesson._replace(ref=weights_digest(lesson.ref)), content(spec), runtime(),
        digest.of_files(CODE.glob("*.py"), CODE),
    ])  # fmt: skip


def _whole(cost: Cost, before: float) -> Cost:
    """A cost with the seconds of what an earlier process did; its energy was not kept."""
    if not before:
        return cost
    seconds = cost.seconds + before
    return cost.model_copy(update={"seconds": seconds, "energy_kwh": None, "energy_method": None})
