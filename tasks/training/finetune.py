"""Fine-tuning with peft and TRL: loss on the answer only, the best checkpoint kept."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

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
from tasks.models.chat_tokenizer import ChatTokenizer
from tasks.models.references import weights_digest
from tasks.run import TrainingSpec
from tasks.sampling import hold_out
from tasks.store import put_folder
from tasks.training.checkpoints import workplace
from tasks.training.loop import BOTH, Lesson
from tasks.training.method import check_method
from tasks.training.paraphrase import reworded
from tasks.training.rows import Row, general_row, question_row, shuffled_text
from tasks.training.search import search

GROUNDED = "finetune+rag"
CODE = Path(__file__).parent  # what a checkpoint depends on besides its data
Example = tuple[Question, tuple[Passage, ...] | None]
Form = tuple[Prompt, Sequence[Example]]


class _Laid(NamedTuple):
    """Rows of one form: to learn from and to stop by; how many are no paraphrases."""

    rows: list[Row]
    checks: list[Row]
    examples: int


def finetune(
    model: ModelRef,
    forms: Sequence[Form],
    replay: Sequence[GeneralText],
    spec: TrainingSpec,
    seed: int,
    share: float = 1.0,
    paraphrases: Sequence[Paraphrase] = (),
) -> Training:
    """Tune one model on questions in one form, or in several at once.

    A form is a prompt and all questions, each with its passages or with None. A tenth of the
    questions is held out to stop early and to choose the checkpoint; `replay` rows of general text
    are mixed into the rest so that general ability survives. With a `share` below 1 only the first
    of the rest are learnt from, in an order drawn from the seed. Paraphrases of what is learnt from
    are learnt from as well, with the passages of their question. A training that was killed goes on
    from its last epoch, to the same weights. Where the spec names settings to try, those are
    searched first.

    Raises:
        InputError: an example is longer than `training.max_tokens`, or the method cannot be used
            on this machine.
    """
    from tasks.models.loading import load_tokenizer

    check_method(spec)
    reader = load_tokenizer(model.ref)
    laid = [_lay(reader, form, paraphrases, spec, seed, share) for form in forms]
    rows = [row for one in laid for row in one.rows]
    extra = shuffled_text(replay, round(len(rows) * spec.replay), seed)
    rows += [general_row(reader, text, spec.max_tokens) for text in extra]
    grounded = any(found is not None for _, examples in forms for _, found in examples)
    lesson = Lesson(
        name=(GROUNDED if grounded else "finetune") if len(forms) == 1 else BOTH,
        ref=model.ref,
        rows=rows,
        checks=[row for one in laid for row in one.checks],
        epochs=(spec.epochs_with_passages if grounded else spec.epochs) / len(forms),
        seed=seed,
    )
    with metered() as meter, workplace(_key(lesson, spec)) as folder:
        chosen, run = search(lesson, spec, folder)
        blob = put_folder(run.folder, "adapters")
        meter.tokens = run.tokens
    return Training(
        adapter=Adapter(
            blob=blob,
            base=model.ref,
            rank=None if spec.method == "full" else chosen.rank,
            with_passages=grounded,
        ),
        curve=run.curve,
        cost=_whole(meter.measured(), run.before),
        examples=laid[0].examples,
        replayed=len(extra),
        best_step=run.best_step,
        notes=run.notes,
        paraphrased=max(len(one.rows) - one.examples for one in laid),
    )


def _lay(
    reader: ChatTokenizer,
    form: Form,
    paraphrases: Sequence[Paraphrase],
    spec: TrainingSpec,
    seed: int,
    share: float,
) -> _Laid:
    """One form's rows of tokens; a paraphrase is left out where it is too long."""
    prompt, examples = form
    passages = {question.id: found for question, found in examples}
    passages |= {one.id: passages[one.of] for one in paraphrases if one.of in passages}
    learn, held = hold_out([question for question, _ in examples], spec.validation, seed)
    learn = learn[: max(1, round(share * len(learn)))]

    def row(one: Question) -> Row:
        return question_row(reader, prompt, one, passages[one.id], spec.max_tokens)

    rows = [row(one) for one in learn]
    for one in reworded(learn, paraphrases):
        with suppress(InputError):  # nobody wrote it: nothing is to be mended
            rows.append(row(one))
    return _Laid(rows, [row(one) for one in held], len(learn))


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
