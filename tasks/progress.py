"""Progress of long steps, reported to whoever listens (a terminal, Prefect, nobody)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Reporter(Protocol):
    """Told of each step: its name, units done, units in all (done == total: finished)."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take note of how far a step is."""


def _silent(step: str, done: int, total: int) -> None:
    return None


reporter: ContextVar[Reporter] = ContextVar("reporter", default=_silent)


@contextmanager
def progress(step: str, total: int) -> Iterator[Callable[[int], None]]:
    """Report a step of `total` units; the yielded function adds finished units."""
    report, done = reporter.get(), 0

    def advance(units: int = 1) -> None:
        nonlocal done
        done = min(done + units, total)
        report(step, done, total)

    report(step, 0, total)
    yield advance
    report(step, total, total)
