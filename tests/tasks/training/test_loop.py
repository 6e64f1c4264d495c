import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tasks.artifacts import Prompt, Question
from tasks.models.loading import load_tokenizer
from tasks.run import TrainingSpec
from tasks.training.checkpoints import last_checkpoint
from tasks.training.loop import Lesson, Trained, train
from tasks.training.rows import question_row
from tasks.training.trainer import AnswerTrainer

pytestmark = pytest.mark.usefixtures("home")
PROMPT = Prompt(name="brief", instruction="Be brief.")
SPEC = TrainingSpec(rank=4, learning_rate=5e-3, batch_size=6, max_tokens=200, lora_dropout=0.1)
STEPS = 4  # an epoch


@pytest.fixture
def lesson(tiny_folder: Path) -> Lesson:
    """Twenty-four rows of several lengths in four steps an epoch, four epochs."""
    ref = f"path:{tiny_folder}"
    reader = load_tokenizer(ref)
    rows = [
        question_row(reader, PROMPT, Question(id=f"{n}", question="What? " * (n % 5), answers=(a,)),
                     None, 200)
        for n in range(24)
        for a in ("red", "nine", "two pence")[n % 3 : n % 3 + 1]
    ]  # fmt: skip
    return Lesson("finetune", ref, rows, rows[:3], 4, 7)


def weights(made: Trained) -> dict[str, torch.Tensor]:
    return load_file(made.folder / "adapter_model.safetensors")


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ends a training before its n-th step from now."""
    real = AnswerTrainer.training_step
    left: list[int] = []

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if left:
            left[0] -= 1
        if left == [0]:
            left.clear()
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(AnswerTrainer, "training_step", step)
    return lambda steps: left.extend([steps])


@pytest.mark.parametrize("stops", [(2,), (STEPS + 2,), (STEPS + 3, 1, 2 * STEPS + 1)])
def test_a_training_that_was_killed_ends_with_the_weights_and_losses_of_one_that_was_not(
    lesson: Lesson, tmp_path: Path, killed: Callable[[int], None], stops: tuple[int, ...]
) -> None:
    whole = train(lesson, SPEC, tmp_path / "whole")
    for steps in stops:
        killed(steps)
        with pytest.raises(KeyboardInterrupt):
            train(lesson, SPEC, tmp_path / "killed")
    again = train(lesson, SPEC, tmp_path / "killed")
    assert again.curve == whole.curve
    assert again.best_loss == whole.best_loss < math.inf
    expected, found = weights(whole), weights(again)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert bool(again.before) == bool(again.notes) == (sum(stops) > STEPS)


def test_what_was_done_before_a_kill_is_told_with_its_seconds(
    lesson: Lesson, tmp_path: Path, killed: Callable[[int], None]
) -> None:
    killed(2 * STEPS + 1)
    with pytest.raises(KeyboardInterrupt):
        train(lesson, SPEC, tmp_path)
    stopped = last_checkpoint(tmp_path)
    assert stopped is not None
    assert (stopped.step, stopped.steps) == (2 * STEPS, 4 * STEPS)
    made = train(lesson, SPEC, tmp_path)
    assert made.before == stopped.seconds > 0
    assert made.notes == ("taken up after step 8 of 16, where it was stopped",)


def test_a_training_that_had_ended_is_not_trained_further(
    lesson: Lesson, tmp_path: Path, killed: Callable[[int], None]
) -> None:
    made = train(lesson, SPEC, tmp_path)
    assert made.best_step == 4 * STEPS
    killed(1)  # no step may follow
    again = train(lesson, SPEC, tmp_path)
    assert (again.best_step, again.best_loss) == (made.best_step, made.best_loss)


def test_a_pause_leaves_what_the_same_training_goes_on_from(lesson: Lesson, tmp_path: Path) -> None:
    whole = train(lesson, SPEC, tmp_path / "whole")
    paused = train(lesson, SPEC, tmp_path / "paused", pause=1)
    assert paused.best_step == STEPS
    assert paused.curve == tuple(point for point in whole.curve if point.step <= STEPS)
    again = train(lesson, SPEC, tmp_path / "paused")
    assert again.curve == whole.curve


def test_out_of_memory_keeps_the_effective_batch(
    lesson: Lesson, tmp_path: Path, tried_sizes: list[int]
) -> None:
    made = train(lesson, SPEC, tmp_path)
    assert tried_sizes[:3] == [6, 3, 1]
    assert made.notes == (
        "out of memory: batches of 3, 2 accumulated",
        "out of memory: batches of 1, 6 accumulated",
    )
    steps = [point.step for point in made.curve if point.name == "validation_loss"]
    assert steps == [STEPS * epoch for epoch in range(1, len(steps) + 1)]
