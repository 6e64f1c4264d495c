"""One training by TRL: the best checkpoint kept, stopped early, taken up after a kill."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.artifacts import LossPoint
from tasks.core.estimate import split_batch
from tasks.machine import device_and_dtype, free_memory
from tasks.run import TrainingSpec
from tasks.training.checkpoints import last_checkpoint
from tasks.training.method import decoder_lora, load_to_train, save_trained
from tasks.training.rows import Row

BOTH = "both tuned paths"  # the name of a lesson whose adapter serves both


class Lesson(NamedTuple):
    """What is learnt from: rows to train on, rows to stop by, for how many epochs at most."""

    name: str
    ref: str
    rows: Sequence[Row]
    checks: Sequence[Row]
    epochs: float
    seed: int


class Trained(NamedTuple):
    """What one training left behind; `before` are seconds that an earlier process took."""

    folder: Path
    curve: tuple[LossPoint, ...]
    best_step: int
    best_loss: float
    tokens: int
    before: float
    notes: tuple[str, ...]


def train(lesson: Lesson, spec: TrainingSpec, folder: Path, pause: int | None = None) -> Trained:
    """Train until early stopping or the last epoch, or pause after some epochs.

    `folder` holds the checkpoints; what stands there is gone on with, to the same end. Out of
    memory splits the batch, and the gradients of its parts are accumulated.
    """
    import torch

    notes: list[str] = []
    last = last_checkpoint(folder)
    if last is not None:
        notes.append(f"taken up after step {last.step} of {last.steps}, where it was stopped")
    before = last.seconds if last else 0.0
    effective = batch = min(spec.batch_size, len(lesson.rows))
    while True:
        trainer = trainer_of(lesson, spec, folder, (batch, effective // batch), before, pause)
        try:
            trainer.take_up(last, pause)
            break
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
            batch = split_batch(batch, effective)
            notes.append(f"out of memory: batches of {batch}, {effective // batch} accumulated")
            del trainer
            torch.cuda.empty_cache()
            last = last_checkpoint(folder)
    kept = save_trained(trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False),
                        spec, folder / "trained", lesson.ref)  # fmt: skip
    left = _left(trainer, lesson, kept, before, notes)
    del trainer
    free_memory()
    return left


def _left(trainer: Any, lesson: Lesson, kept: Path, before: float, notes: list[str]) -> Trained:
    state = trainer.state
    names = {"loss": "train_loss", "eval_loss": "validation_loss"}
    curve = tuple(
        LossPoint(step=row["step"], name=name, value=row[key])
        for row in state.log_history
        for key, name in names.items()
        if key in row
    )
    return Trained(
        folder=kept,
        curve=curve,
        best_step=int(state.best_global_step or state.global_step),
        best_loss=math.inf if state.best_metric is None else float(state.best_metric),
        tokens=int(sum(len(row["input_ids"]) for row in lesson.rows) * state.epoch),
        before=before,
        notes=tuple(notes),
    )


def trainer_of(
    lesson: Lesson,
    spec: TrainingSpec,
    folder: Path,
    batches: tuple[int, int],
    before: float,
    pause: int | None,
) -> Any:
    """A trainer around a fresh model, quiet but for its progress."""
    from datasets import Dataset, disable_progress_bars
    from transformers import EarlyStoppingCallback, PrinterCallback

    from tasks.training.trainer import AnswerTrainer, Clock, Pause, Reporting

    disable_progress_bars()
    decoder = load_to_train(lesson.ref, spec)
    told = [
        EarlyStoppingCallback(early_stopping_patience=1),
        Reporting(lesson.name),
        Clock(folder, before),
    ]
    trainer = AnswerTrainer(
        model=decoder.model,
        args=_arguments(lesson, spec, folder, batches),
        train_dataset=Dataset.from_list(list(lesson.rows)),
        eval_dataset=Dataset.from_list(list(lesson.checks)),
        processing_class=decoder.tokenizer,
        peft_config=decoder_lora(spec),
        callbacks=told if pause is None else [*told, Pause(pause)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(lesson: Lesson, spec: TrainingSpec, folder: Path, batches: tuple[int, int]) -> Any:
    from trl import SFTConfig

    device, dtype = device_and_dtype()
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=lesson.epochs,
        per_device_train_batch_size=batches[0],
        per_device_eval_batch_size=batches[0],
        gradient_accumulation_steps=batches[1],
        learning_rate=spec.rate,
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
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_steps=4,
        disable_tqdm=True,
        report_to="none",
        seed=lesson.seed,
        data_seed=lesson.seed,
        dataloader_pin_memory=device == "cuda",
        log_level="error",
    )
