"""Progress as a person sees it: bars on a terminal, lines in a log."""

import io

import pytest
from rich.console import Console

from flows import terminal
from tasks.progress import progress


def test_log_gets_a_line_at_most_every_five_seconds_with_the_time_left() -> None:
    log, now = Console(file=io.StringIO(), width=200), [0.0]
    report = terminal.lines(log, clock=lambda: now[0])
    for done in range(124):
        report("answering rag", done, 124)
        now[0] += 1
    report("answering rag", 124, 124)
    said = log.file.getvalue().splitlines()
    assert said[0] == "answering rag 5/124, about 119 s left"
    assert said[1] == "answering rag 10/124, about 114 s left"
    assert len(said) == 123 // 5 + 1
    assert said[-1] == "answering rag 124/124, took 2 min"


def test_step_shorter_than_five_seconds_leaves_no_line_and_starts_afresh() -> None:
    log, now = Console(file=io.StringIO()), [0.0]
    report = terminal.lines(log, clock=lambda: now[0])
    for _ in range(3):
        report("chunking", 0, 2)
        now[0] += 4
        report("chunking", 2, 2)
    assert log.file.getvalue() == ""


def test_bars_are_shown_while_a_step_runs_and_cleared_when_it_fails() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)

    def fail_halfway() -> None:
        with terminal.reporting(screen), progress("training", 10) as advance:
            advance(3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    text = screen.file.getvalue()
    assert "training" in text
    assert "3/10" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_reporter_is_silent_again_after_the_block() -> None:
    log = Console(file=io.StringIO())
    before = terminal.reporter.get()
    with terminal.reporting(log):
        assert terminal.reporter.get() is not before
    assert terminal.reporter.get() is before
