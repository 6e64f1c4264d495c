"""Where a training stands: its checkpoints outlive a kill, and the same training takes them up."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from tasks.services import services

KEPT_DAYS = 7  # for which a killed training may be taken up; then its checkpoints go
STATE = "trainer_state.json"  # the Trainer writes it last: with it a checkpoint is whole
CLOCK = "seconds.json"


class Checkpoint(NamedTuple):
    """A whole checkpoint: after how many steps, of how many, after how many epochs and seconds.

    `best` is the step with the lowest validation loss.
    """

    folder: Path
    step: int
    steps: int
    best: int
    epochs: float
    seconds: float

    def ended(self, pause: int | None = None) -> bool:
        """Whether nothing is left to train: all steps or epochs done, or the last was no better."""
        paused = pause is not None and self.epochs >= pause
        return paused or self.step >= self.steps or self.best < self.step


@contextmanager
def workplace(key: str) -> Iterator[Path]:
    """A folder for the training of this key: removed once it is done, kept where it was not.

    The key covers all that the training depends on. Two processes with the same one wait for each
    other.
    """
    root = services().home / "scratch" / "trainings"
    root.mkdir(parents=True, exist_ok=True)
    _clear(root)
    folder = root / key
    with FileLock(root / f"{key}.lock"):
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def _clear(root: Path) -> None:
    """Remove what was killed and not taken up for days."""
    for lock in root.glob("*.lock"):
        folder = lock.with_suffix("")
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            if not folder.exists():
                lock.unlink()
            elif time.time() - folder.stat().st_mtime > KEPT_DAYS * 24 * 3600:
                shutil.rmtree(folder, ignore_errors=True)


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """The last whole checkpoint of a training; what a kill left half-written is removed."""
    found = []
    for state in sorted(folder.glob("checkpoint-*")):
        values = _json(state / STATE)
        seconds = _json(folder / CLOCK).get(str(values.get("global_step")))
        if seconds is None:
            shutil.rmtree(state)
            continue
        step, best = int(values["global_step"]), int(values.get("best_global_step") or 0)
        found.append(Checkpoint(
            folder=state, step=step, steps=int(values["max_steps"]), best=best,
            epochs=float(values["epoch"]), seconds=float(seconds),
        ))  # fmt: skip
    return max(found, key=lambda one: one.step, default=None)


def note_seconds(folder: Path, step: int, seconds: float) -> None:
    """Note how long a training has taken up to a step, before its checkpoint is written."""
    known = _json(folder / CLOCK) | {str(step): seconds}
    part = folder / f"{CLOCK}.part"
    part.write_text(json.dumps(known), encoding="utf-8")
    part.replace(folder / CLOCK)


def _json(path: Path) -> dict[str, Any]:
    """What a file holds; nothing if it is absent or was cut off."""
    with suppress(OSError, ValueError):
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read
    return {}
