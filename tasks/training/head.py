"""Tunes an encoder for labels: a classification head, with LoRA below it or with all weights."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.artifacts import Adapter, LossPoint, ModelRef, Paraphrase, Question, Training
from tasks.core.errors import InputError
from tasks.machine import Meter, device_and_dtype, metered
from tasks.models.references import base_name
from tasks.run import TrainingSpec
from tasks.sampling import hold_out
from tasks.store import put_folder, scratch
from tasks.task.known import find_task
from tasks.training.method import lora_config
from tasks.training.paraphrase import reworded

PATIENCE = 3  # epochs without a lower validation loss that end a training
Row = dict[str, Any]


def train_head(
    model: ModelRef,
    examples: Sequence[Question],
    task: str,
    labels: Sequence[str],
    spec: TrainingSpec,
    seed: int,
    share: float = 1.0,
    paraphrases: Sequence[Paraphrase] = (),
) -> Training:
    """Tune an encoder on labelled texts, all of whose labels are in `labels`.

    A tenth of them is held out to stop early and to choose the checkpoint; with a `share` below 1
    only the first of the rest are learnt from, in an order drawn from the seed, and paraphrases of
    these.

    Raises:
        InputError: the encoder's files don't fit together, or a text is too long for it.
    """
    import torch

    from tasks.models.classifier import load_classifier, token_ids, with_head

    load_classifier.cache_clear()  # room for what is trained
    learn, held = hold_out(examples, spec.validation, seed)
    learn = learn[: max(1, round(share * len(learn)))]
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # for what the checkpoint lacks
        encoder, tokenizer = with_head(model.ref, labels)

    def rows(questions: Sequence[Question]) -> list[Row]:
        ids = token_ids(
            encoder, tokenizer, [one.question for one in questions], [one.id for one in questions],
            spec.max_tokens,
        )  # fmt: skip
        places = [labels.index(find_task(task).target(one)) for one in questions]
        return [{"input_ids": row, "labels": at} for row, at in zip(ids, places, strict=True)]

    more: list[Row] = []
    for one in reworded(learn, paraphrases):
        with suppress(InputError):  # too long, but nobody wrote it: nothing is to be mended
            more += rows([one])
    whole = spec.tunes_fully(sum(part.numel() for part in encoder.parameters()))
    rank = None if whole else spec.rank
    with metered() as meter:
        trainer = _trained(
            encoder, tokenizer, ([*rows(learn), *more], rows(held)), spec, rank, seed, meter
        )
    return Training(
        adapter=Adapter(
            blob=put_folder(_saved(trainer, base_name(model.ref)), "adapters"),
            base=model.ref,
            rank=rank,
            with_passages=False,
        ),
        curve=_curve(trainer.state.log_history),
        cost=meter.measured(),
        examples=len(learn),
        replayed=0,
        best_step=int(trainer.state.best_global_step or trainer.state.global_step),
        paraphrased=len(more),
    )


def _trained(
    encoder: Any,
    tokenizer: Any,
    rows: tuple[list[Row], list[Row]],
    spec: TrainingSpec,
    rank: int | None,
    seed: int,
    meter: Meter,
) -> Any:
    from datasets import Dataset, disable_progress_bars
    from transformers import (
        DataCollatorWithPadding,
        EarlyStoppingCallback,
        PrinterCallback,
        Trainer,
    )

    from tasks.training.trainer import Reporting

    disable_progress_bars()
    learn, held = rows
    trainer = Trainer(
        model=encoder if rank is None else _with_adapter(encoder, spec),
        args=_arguments(scratch("head"), spec, rank, min(spec.batch_size, len(learn)), seed),
        train_dataset=Dataset.from_list(learn),
        eval_dataset=Dataset.from_list(held),
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=PATIENCE), Reporting("head")],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    meter.tokens = int(sum(len(row["input_ids"]) for row in learn) * trainer.state.epoch)
    return trainer


def _with_adapter(encoder: Any, spec: TrainingSpec) -> Any:
    """LoRA on every linear layer of the encoder's body; what stands on it is trained in whole."""
    import torch
    from peft import get_peft_model

    from tasks.models.weights import body_parts

    prefix, parts = encoder.base_model_prefix, body_parts(encoder)
    linear = [
        f"{prefix}.{name}"
        for name, layer in encoder.base_model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.split(".")[0] in parts
    ]
    children = {name: child for name, child in encoder.named_children() if name != prefix} | {
        f"{prefix}.{name}": child
        for name, child in encoder.base_model.named_children()
        if name not in parts
    }
    new = [name for name, child in children.items() if any(True for _ in child.parameters())]
    lora = lora_config(
        spec, target_modules=sorted(linear), modules_to_save=sorted(new), task_type="SEQ_CLS"
    )
    return get_peft_model(encoder, lora)


def _saved(trainer: Any, base: str) -> Path:
    """What was tuned, in safetensors, with its labels and the name of its base model."""
    from tasks.models.weights import name_base

    folder, tuned = Path(trainer.args.output_dir).parent / "tuned", trainer.model
    lora = getattr(tuned, "peft_config", {}).get("default")
    if lora is not None:  # a set is written in another order each time
        lora.target_modules = sorted(lora.target_modules)
        lora.modules_to_save = sorted(set(lora.modules_to_save))
    tuned.save_pretrained(folder)
    tuned.config.save_pretrained(folder)  # a head's labels stand there
    name_base(folder / ("config.json" if lora is None else "adapter_config.json"), base)
    (folder / "README.md").unlink(missing_ok=True)  # a card with placeholders and local paths
    return folder


def _curve(log: Sequence[dict[str, Any]]) -> tuple[LossPoint, ...]:
    return tuple(
        LossPoint(step=row["step"], name=name, value=row[key])
        for row in log
        for key, name in (("loss", "train_loss"), ("eval_loss", "validation_loss"))
        if key in row
    )


def _arguments(folder: Path, spec: TrainingSpec, rank: int | None, batch: int, seed: int) -> Any:
    from transformers import TrainingArguments

    device, dtype = device_and_dtype()
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=spec.encoder_epochs,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch,
        auto_find_batch_size=True,  # halved where memory runs out
        learning_rate=spec.learning_rate if rank else spec.full_learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        weight_decay=0.0,
        bf16=str(dtype) == "torch.bfloat16",
        use_cpu=device == "cpu",
        train_sampling_strategy="group_by_length",
        label_names=["labels"],  # peft's wrapper hides them
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
