"""What tests of hosted models share: a model on loopback, asked within a run's terms."""

from typing import Any

import pytest

from tasks.models.answerer import Answerer, load_answerer
from tasks.models.spending import Account, spending
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tasks.services import services

KEY = "sk-secret-4711"
RUN = {
    "name": "x",
    "data": {"documents": "d", "questions": "q"},
    "models": [{"ref": "openai:m"}],
}
FAST = {"attempts": 2, "timeout_seconds": 0.3}  # a `[hosted]` table that gives up soon


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names this endpoint, with a key."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    services.cache_clear()


def hosted() -> Answerer:
    """The model of that endpoint."""
    return load_answerer("openai:m")


def run_of(**tables: Any) -> RunFile:
    """A run of the hosted model, with these tables."""
    return parse_run(RUN | tables)


def ask(*texts: str, new: int = 8, **tables: Any) -> tuple[list[str], Account]:
    """Ask within a run's terms; returns the answers and what was spent."""
    model = hosted()
    with spending(run_of(**tables)) as account:
        made = model.generate([model.plain(text) for text in texts], new)
    return [one.text for one in made], account
