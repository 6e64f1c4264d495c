import json
import os
import time
from pathlib import Path

import pytest

from tasks.services import services
from tasks.training.checkpoints import (
    KEPT_DAYS,
    Checkpoint,
    last_checkpoint,
    note_seconds,
    workplace,
)


def written(folder: Path, step: int, best: int = 0, seconds: float | None = 1.5) -> Path:
    """A checkpoint as the trainer leaves it."""
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    state = {"global_step": step, "max_steps": 8, "epoch": step / 2}
    state["best_global_step"] = best or step
    (place / "trainer_state.json").write_text(json.dumps(state))
    if seconds is not None:
        note_seconds(folder, step, seconds)
    return place


def test_the_last_whole_checkpoint_is_taken_up(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    written(tmp_path, 2)
    ten = written(tmp_path, 10, best=8, seconds=9.0)
    found = last_checkpoint(tmp_path)
    assert found is not None
    assert found == Checkpoint(ten, 10, 8, 8, 5.0, 9.0)


@pytest.mark.parametrize("state", [None, "", '{"global_step": 4, "max'])
def test_a_checkpoint_cut_off_is_removed_and_the_one_before_it_taken(
    tmp_path: Path, state: str | None
) -> None:
    two, four = written(tmp_path, 2), written(tmp_path, 4)
    (four / "trainer_state.json").unlink()
    if state is not None:
        (four / "trainer_state.json").write_text(state)
    found = last_checkpoint(tmp_path)
    assert found is not None
    assert found.folder == two
    assert not four.exists()


@pytest.mark.parametrize(
    ("step", "best", "ended"), [(2, 2, False), (4, 2, True), (8, 8, True), (8, 6, True)]
)
def test_a_training_has_ended_after_its_last_step_or_an_epoch_that_was_no_better(
    tmp_path: Path, step: int, best: int, ended: bool
) -> None:
    written(tmp_path, step, best)
    found = last_checkpoint(tmp_path)
    assert found is not None
    assert found.ended() == ended
    assert found.ended(pause=step // 2)


@pytest.mark.usefixtures("home")
def test_a_workplace_stays_after_a_fault_and_goes_when_the_training_is_done() -> None:
    with pytest.raises(KeyboardInterrupt), workplace("a") as folder:  # noqa: PT012
        (folder / "kept").touch()
        raise KeyboardInterrupt
    with workplace("b") as other:
        assert (folder / "kept").exists()
    assert not other.exists()
    with workplace("a") as again:
        assert (again / "kept").exists()
    assert not again.exists()


@pytest.mark.usefixtures("home")
def test_what_was_not_taken_up_for_days_goes_but_not_what_is_at_work() -> None:
    root = services().home / "scratch" / "trainings"
    old = time.time() - (KEPT_DAYS + 1) * 24 * 3600
    with pytest.raises(KeyboardInterrupt), workplace("left"):
        raise KeyboardInterrupt
    with workplace("at-work"):
        for name in ("left", "at-work"):
            os.utime(root / name, (old, old))
        with workplace("next"):
            assert {path.name for path in root.iterdir() if path.is_dir()} == {"at-work", "next"}
