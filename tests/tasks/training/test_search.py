from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tasks.run import TrainingSpec
from tasks.training.loop import Lesson, train
from tasks.training.search import candidates, search
from tasks.training.trainer import AnswerTrainer
from tests.tasks.training.test_loop import STEPS, killed, lesson

__all__ = ["killed", "lesson"]  # fixtures

pytestmark = pytest.mark.usefixtures("home")
TRIED = TrainingSpec(
    rank=4, batch_size=6, max_tokens=200, try_learning_rate=(1e-6, 5e-3), try_rank=(2, 4)
)


def test_candidates_are_every_combination_and_try_nothing_themselves() -> None:
    made = candidates(TRIED)
    assert [(one.learning_rate, one.rank) for one in made] == [
        (1e-6, 2), (1e-6, 4), (5e-3, 2), (5e-3, 4),
    ]  # fmt: skip
    assert {(one.try_learning_rate, one.try_rank) for one in made} == {((), ())}
    assert candidates(TrainingSpec()) == (TrainingSpec(),)
    assert len(candidates(TRIED.model_copy(update={"try_rank": (4, 4)}))) == 2


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of each trainer whose step was taken, in turn."""
    real, seen = AnswerTrainer.training_step, []

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.args.learning_rate)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(AnswerTrainer, "training_step", step)
    return seen


def test_what_falls_behind_is_stopped_and_the_winner_is_as_if_trained_alone(
    lesson: Lesson, tmp_path: Path, steps: list[float]
) -> None:
    chosen, made = search(lesson, TRIED, tmp_path / "searched")
    assert chosen.learning_rate == 5e-3
    assert steps.count(1e-6) == 2 * STEPS  # an epoch for each rank, no more
    assert steps.count(5e-3) == (2 + 4) * STEPS  # two for the second-best, four for the best
    alone = train(lesson, chosen, tmp_path / "alone")
    assert made.curve == alone.curve
    found, expected = (load_file(one.folder / "adapter_model.safetensors") for one in (made, alone))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert made.notes[-1] == f"chosen: learning rate 0.005, rank {chosen.rank}"
    assert sum(note.startswith("tried:") for note in made.notes) == 4 + 2 + 1
    assert made.before == 0


def test_a_search_that_was_killed_ends_as_one_that_was_not(
    lesson: Lesson, tmp_path: Path, killed: Callable[[int], None], steps: list[float]
) -> None:
    chosen, whole = search(lesson, TRIED, tmp_path / "whole")
    steps.clear()
    killed(5 * STEPS + 2)  # in the second rung
    with pytest.raises(KeyboardInterrupt):
        search(lesson, TRIED, tmp_path / "killed")
    again, made = search(lesson, TRIED, tmp_path / "killed")
    assert again == chosen
    assert made.curve == whole.curve
    assert made.notes == whole.notes
    assert made.before > 0
    assert len(steps) <= 8 * STEPS + STEPS  # no more than the epoch that was cut is done again
