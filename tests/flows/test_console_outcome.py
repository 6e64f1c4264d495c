"""What a finished run says on a terminal or in a log."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows import console_outcome
from tasks.core.decide import Margin
from tasks.results.outcome import Champion, Outcome
from tests.flows.finished import CARDS, OUTCOME, verdict


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"undecided": True, "questions_to_settle": 400},
            "about 400 more questions would settle it",
        ),
        ({"undecided": True}, "undecided: no path is ahead by enough."),
        ({"path": "prompt", "test": None}, "Verdict: prompt."),
    ],
)
def test_sentence_says_what_was_decided(changes: dict[str, Any], said: str) -> None:
    assert said in console_outcome.sentence(verdict(**{"test": None} | changes))


def test_sentence_recommends_nothing_where_no_path_stays_within_the_limits() -> None:
    assert console_outcome.sentence(verdict(path=None)).startswith("Verdict: none.")


def test_sentence_names_the_claim_with_the_lowest_bound() -> None:
    margins = (
        Margin("rag", "prompt", 0.5, 0.4, 0.6, True),
        Margin("rag", "finetune", 0.2, 0.1, 0.3, True),
        Margin("finetune", "prompt", 0.1, 0.0, 0.2, False),
    )
    text = console_outcome.sentence(verdict(margins=margins, test=None))
    assert text == "Verdict: rag, ahead of finetune by 0.200 (at least 0.100)."


def test_challenger_is_asked_by_its_alias_and_nothing_is_asked_if_nothing_was_registered(
    home: Path,
) -> None:
    champion = Champion(model="m", path="rag", name="grove", version="2", alias="challenger")
    asked = console_outcome.next_commands(Outcome(champion=champion, verdicts=()))
    assert asked[1].endswith('ask grove "your question" --alias challenger')
    left = champion.model_copy(update={"version": None, "alias": None})
    assert not any(
        " ask " in line
        for line in console_outcome.next_commands(OUTCOME.model_copy(update={"champion": left}))
    )


def test_terminal_gets_a_table_and_no_colour_if_none_is_wanted(monkeypatch, home) -> None:
    for no_color, coloured in ((None, True), ("1", False)):
        monkeypatch.delenv("NO_COLOR", raising=False)
        if no_color:
            monkeypatch.setenv("NO_COLOR", no_color)
        screen = Console(
            file=io.StringIO(), force_terminal=True, width=100, color_system="standard"
        )
        monkeypatch.setattr(console_outcome, "out", lambda screen=screen: screen)
        console_outcome.print_outcome(OUTCOME, CARDS, Path("o"), as_json=False)
        text = screen.file.getvalue()
        assert "┃" in text
        assert ("\x1b[1;32m" in text) is coloured
