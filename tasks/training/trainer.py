"""TRL's trainer, changed in how a batch is laid out, where the head is computed, and who hears."""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState
from trl import SFTTrainer

from tasks.models.tree import logits_at
from tasks.progress import progress
from tasks.training.checkpoints import STATE, Checkpoint, note_seconds
from tasks.training.packing import UNLABELLED, lay_out


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """Packs short rows; computes the head at answers alone: 1.7 times TRL's speed on a CPU.

    The loss is the mean negative log-likelihood in nats of the labelled tokens, as in TRL.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Loss over the labels that are not -100, summed over the accumulated batch."""
        laid = lay_out(
            inputs["input_ids"], inputs["labels"], inputs["attention_mask"], model.config
        )
        places = (laid.targets != UNLABELLED).nonzero()
        logits = logits_at(model, laid.tokens, laid.mask, places, laid.positions)
        targets = laid.targets[places[:, 0], places[:, 1]]
        total = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        loss = total / (len(targets) if num_items_in_batch is None else num_items_in_batch)
        return (loss, None) if return_outputs else loss

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """The loss alone: no logits are kept."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return self.compute_loss(model, inputs).detach(), None, None

    def take_up(self, last: Checkpoint | None, pause: int | None) -> None:
        """Train to the end, from a checkpoint if there is one; the best weights are then loaded."""
        if last is None or not last.ended(pause):
            self.train(resume_from_checkpoint=str(last.folder) if last else None)
            return
        self.state = TrainerState.load_from_json(str(last.folder / STATE))
        self._load_best_model()


class Reporting(TrainerCallback):  # type: ignore[misc]
    """Feeds the trainer's steps into `tasks.progress`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the count, after what an earlier process has done."""
        self.step = progress(f"training {self.name}", state.max_steps)
        self.advance = self.step.__enter__()
        if state.global_step:
            self.advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count one optimiser step."""
        self.advance(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End the count."""
        self.step.__exit__(None, None, None)


class Clock(TrainerCallback):  # type: ignore[misc]
    """Keeps what a resumed training needs besides its checkpoint; `before` are seconds spent."""

    def __init__(self, folder: Path, before: float) -> None:
        self.folder, self.began = folder, time.perf_counter() - before

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell the loss where a resumed training would begin to count it."""
        control.should_log = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time that a checkpoint will stand for."""
        note_seconds(self.folder, state.global_step, time.perf_counter() - self.began)


class Pause(TrainerCallback):  # type: ignore[misc]
    """Stops after so many epochs, with a checkpoint from which the training can go on."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop where the epochs are done."""
        control.should_training_stop |= state.epoch >= self.epochs
