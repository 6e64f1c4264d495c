"""LoRA fine-tuning with peft and TRL: loss on the answer only, the best checkpoint kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import (
    Adapter,
    GeneralText,
    LossPoint,
    Messages,
    ModelRef,
    Passage,
    Prompt,
    Question,
    Training,
)
from tasks.core.errors import InputError
from tasks.known_tasks import find_task
from tasks.machine import Meter, device_and_dtype, metered
from tasks.models.references import base_name
from tasks.prompts import chat
from tasks.run import TrainingSpec
from tasks.sampling import hold_out, shuffled
from tasks.store import put_folder, scratch

if TYPE_CHECKING:
    from tasks.models.decoder import Decoder

Row = dict[str, list[int]]
Example = tuple[Question, tuple[Passage, ...] | None]


def finetune(
    model: ModelRef,
    examples: Sequence[Example],
    prompt: Prompt,
    replay: Sequence[GeneralText],
    spec: TrainingSpec,
    seed: int,
    share: float = 1.0,
) -> Training:
    """Train one adapter on questions, each with its passages or with None.

    A tenth of the questions is held out to stop early and to choose the checkpoint; `replay`
    rows of general text are mixed into the rest so that general ability survives. With a `share`
    below 1 only the first of the rest are learnt from, in an order drawn from the seed.

    Raises:
        InputError: an example is longer than `training.max_tokens`.
    """
    from tasks.models.loading import load_decoder

    load_decoder.cache_clear()  # an adapter is trained into the model: never share it
    decoder = load_decoder(model.ref)
    load_decoder.cache_clear()
    passages = {question.id: found for question, found in examples}
    learn, held = hold_out([question for question, _ in examples], spec.validation, seed)
    learn = learn[: max(1, round(share * len(learn)))]
    extra = shuffled_text(replay, round(len(learn) * spec.replay), seed)
    rows = [question_row(decoder, prompt, q, passages[q.id], spec.max_tokens) for q in learn]
    rows += [general_row(decoder, text, spec.max_tokens) for text in extra]
    checks = [question_row(decoder, prompt, q, passages[q.id], spec.max_tokens) for q in held]
    grounded = any(found is not None for found in passages.values())
    with metered() as meter:
        run = _train(decoder, rows, checks, spec, grounded, seed, meter, base_name(model.ref))
    return Training(
        adapter=Adapter(
            blob=put_folder(run.folder, "adapters"),
            base=model.ref,
            rank=spec.rank,
            with_passages=grounded,
        ),
        curve=run.curve,
        cost=meter.measured(),
        examples=len(learn),
        replayed=len(extra),
        best_step=run.best_step,
        notes=run.notes,
    )


def shuffled_text(texts: Sequence[GeneralText], count: int, seed: int) -> tuple[GeneralText, ...]:
    """Up to `count` replay texts in an order that depends on ids and seed alone."""
    known = {text.id: text for text in texts if text.split == "replay"}
    stand_ins = [Question(id=name, question="", answers=()) for name in known]
    return tuple(known[question.id] for question in shuffled(stand_ins, seed)[:count])


def question_row(
    decoder: "Decoder",
    prompt: Prompt,
    question: Question,
    passages: Sequence[Passage] | None,
    max_tokens: int,
) -> Row:
    """Token ids of one example with a mask over the answer and the end of its turn."""
    asked = chat(prompt, question.question, passages)
    answer = find_task(prompt.task).target(question)
    return _row(decoder, asked, answer, question.id, max_tokens)


def general_row(decoder: "Decoder", text: GeneralText, max_tokens: int) -> Row:
    """Token ids of one replayed general text with a mask over the answer."""
    return _row(decoder, (("user", text.question),), text.text, text.id, max_tokens)


def _row(decoder: "Decoder", asked: Messages, answer: str, name: str, max_tokens: int) -> Row:
    head, tail = decoder.encode([decoder.render(asked), answer])
    tail = [*tail, int(decoder.tokenizer.eos_token_id)]
    if len(head) + len(tail) > max_tokens:
        raise InputError(
            f"training example {name}", f"{len(head) + len(tail)} tokens",
            f"at most training.max_tokens = {max_tokens}",
            "Raise it, or lower index.k or index.chunk_tokens.",
        )  # fmt: skip
    return {"input_ids": head + tail, "completion_mask": [0] * len(head) + [1] * len(tail)}


class _Run:
    """What one training left behind."""

    def __init__(self, folder: Path, trainer: Any, notes: tuple[str, ...]) -> None:
        self.folder, self.notes = folder, notes
        names = {"loss": "train_loss", "eval_loss": "validation_loss"}
        self.curve = tuple(
            LossPoint(step=row["step"], name=name, value=row[key])
            for row in trainer.state.log_history
            for key, name in names.items()
            if key in row
        )
        self.best_step = int(trainer.state.best_global_step or trainer.state.global_step)


def _train(
    decoder: "Decoder",
    rows: list[Row],
    checks: list[Row],
    spec: TrainingSpec,
    grounded: bool,
    seed: int,
    meter: Meter,
    base: str,
) -> _Run:
    import torch
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from transformers import EarlyStoppingCallback, PrinterCallback

    from tasks.models.weights import name_base
    from tasks.trainer import AnswerTrainer, Reporting

    disable_progress_bars()
    notes: list[str] = []
    batch, accumulation = min(spec.batch_size, len(rows)), 1
    data = Dataset.from_list(rows), Dataset.from_list(checks)
    lora = LoraConfig(
        r=spec.rank, lora_alpha=2 * spec.rank, lora_dropout=0.0, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    name = "finetune+rag" if grounded else "finetune"
    while True:
        folder = scratch(name)
        trainer = AnswerTrainer(
            model=decoder.model,
            args=_arguments(folder, spec, grounded, batch, accumulation, seed),
            train_dataset=data[0],
            eval_dataset=data[1],
            processing_class=decoder.tokenizer,
            peft_config=lora,
            callbacks=[EarlyStoppingCallback(early_stopping_patience=1), Reporting(name)],
        )
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train()
            break
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
            batch, accumulation = batch // 2, accumulation * 2
            notes.append(f"out of memory: batch halved to {batch}, {accumulation} accumulated")
            decoder.model = trainer.model.unload()
            del trainer
            torch.cuda.empty_cache()
    meter.tokens = int(sum(len(row["input_ids"]) for row in rows) * trainer.state.epoch)
    adapter = folder / "adapter"
    lora = trainer.model.peft_config["default"]
    lora.target_modules = sorted(lora.target_modules)  # a set is written in another order each time
    trainer.model.save_pretrained(adapter, safe_serialization=True)
    name_base(adapter / "adapter_config.json", base)
    (adapter / "README.md").unlink(missing_ok=True)  # a card with placeholders and local paths
    return _Run(adapter, trainer, tuple(notes))


def _arguments(
    folder: Path, spec: TrainingSpec, grounded: bool, batch: int, accumulation: int, seed: int
) -> Any:
    from trl import SFTConfig

    device, dtype = device_and_dtype()
    return SFTConfig(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=spec.epochs_with_passages if grounded else spec.epochs,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        weight_decay=0.0,
        bf16=str(dtype) == "torch.bfloat16",
        use_cpu=device == "cpu",
        activation_checkpointing=False,
        train_sampling_strategy="group_by_length",
        max_length=None,
        packing=False,
        completion_only_loss=True,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_steps=4,
        disable_tqdm=True,
        report_to="none",
        seed=seed,
        data_seed=seed,
        dataloader_pin_memory=device == "cuda",
        log_level="error",
    )
