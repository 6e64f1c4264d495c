"""Progress with the time left: bars on a terminal, now and then a line in a log."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from tasks.progress import Reporter, reporter

LOG_EVERY = 5.0  # seconds between two progress lines in a log
GRACE = 5.0  # seconds from Ctrl-C to the end of the process


@contextmanager
def reporting(console: Console) -> Iterator[None]:
    """Show the progress of every step in the block on this console."""
    report = terminal_reporter(console)
    token = reporter.set(report)
    try:
        yield
    finally:
        reporter.reset(token)
        if isinstance(report, Bars):
            report.close()


@contextmanager
def interruptible(code: int) -> Iterator[None]:
    """Ctrl-C in the block says how to go on and ends the process with this code, soon.

    Ctrl-C ends Prefect's embedded server as well, and Prefect would wait for that one without
    end: to tell it of the interrupt, and again at exit.
    """
    first = threading.Lock()

    def tell() -> None:
        if first.acquire(blocking=False):
            message = "Interrupted. The same command goes on from the last finished stage."
            print(message, file=sys.stderr, flush=True)

    def give_up() -> None:
        tell()
        os._exit(code)

    def interrupted(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE, give_up)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    except KeyboardInterrupt:
        tell()
        sys.exit(code)
    finally:
        signal.signal(signal.SIGINT, before)


def terminal_reporter(console: Console) -> Reporter:
    """A reporter for this console: bars on a terminal, now and then a line in a log."""
    return Bars(console) if console.is_terminal else lines(console)


class Bars:
    """Progress bars with the time left, on screen only while a step is under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """Move one step's bar; it goes when the step is done."""
        if done < total:
            self._shown().update(self._task(step, total), completed=done, total=total)
        elif step in self._tasks:
            self._shown().remove_task(self._tasks.pop(step))
            if not self._tasks:
                self.close()

    def close(self) -> None:
        """Take what is left off the screen and give the cursor back."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._tasks = None, {}

    def _task(self, step: str, total: int) -> TaskID:
        if step not in self._tasks:
            self._tasks[step] = self._shown().add_task(step, total=total)
        return self._tasks[step]

    def _shown(self) -> Progress:
        if self._progress is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._progress = Progress(
                *columns, TimeRemainingColumn(), console=self._console, transient=True
            )
            self._progress.start()
        return self._progress


def lines(console: Console, clock: Callable[[], float] = time.monotonic) -> Reporter:
    """A reporter for logs: silent on steps under `LOG_EVERY` seconds, then a line as often."""
    began: dict[str, float] = {}
    said: dict[str, float] = {}

    def report(step: str, done: int, total: int) -> None:
        now = clock()
        start = began.setdefault(step, now)
        if done >= total:
            if said.pop(step, None) is not None:
                console.print(f"{step} {done}/{total}, took {duration(now - start)}")
            del began[step]
        elif now - said.get(step, start) >= LOG_EVERY:
            said[step] = now
            left = f", about {duration((now - start) / done * (total - done))} left" if done else ""
            console.print(f"{step} {done}/{total}{left}")

    return report


def duration(seconds: float) -> str:
    """Seconds for people: `12 s`, or `3 min` from two minutes on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
