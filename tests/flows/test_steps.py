"""Stages that run once and are found again: what is reused, made again, retried and told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import steps
from flows.steps import Stages, step
from tasks.artifacts import Corpus, Question
from tasks.core.errors import InputError
from tasks.progress import reporter
from tasks.results.record import Stage
from tasks.retrieval.backend import WriteFailed
from tasks.retrieval.index import build, exists, latest
from tasks.run import IndexSpec
from tests.corpora import corpus_of
from tests.flows.workshop import Workshop

MAKING = """
from tasks.artifacts import Blob, Corpus, Question
from tasks.made_helper import shout
from tasks.store import put_bytes

calls = []

def make(question: Question, suffix: str = ".txt", put=put_bytes) -> Corpus:
    calls.append(question.id)
    if question.id == "bad":
        raise ValueError("not this one")
    return Corpus(documents=put(shout(question.question).encode(), suffix), count=len(calls))
"""
QUESTION = Question(id="q", question="When?", answers=("1886",))


@pytest.fixture
def make(workshop: Workshop, home: Path, prefect_url: str, request: Any) -> Callable[..., Any]:
    workshop.write("made_helper", "def shout(text):\n    return text.upper()\n")
    workshop.write("made_stage", MAKING)
    return workshop.function("made_stage", "make")


def run_once(
    function: Callable[..., Any], label: str, *, cached: bool = True, **inputs: Any
) -> tuple[Any, Stage]:
    """One flow run with one stage; the label keeps each test's cache its own."""
    stages = Stages()
    made = step(function, label, cached=cached)

    @flow(name="one stage")
    def one_stage() -> Any:
        return stages(label, made, **inputs)

    value = one_stage()
    (stage,) = stages.done
    return value, stage


def calls(function: Callable[..., Any]) -> list[str]:
    found: list[str] = function.__globals__["calls"]
    return found


def test_a_stage_whose_inputs_have_not_changed_is_not_run_again(
    make: Callable[..., Any],
) -> None:
    first, fresh = run_once(make, "unchanged", question=QUESTION)
    again, reused = run_once(make, "unchanged", question=QUESTION)
    assert isinstance(again, Corpus)
    assert again == first
    assert (fresh.reused, reused.reused) == (False, True)
    assert (fresh.name, calls(make)) == ("unchanged", ["q"])


def test_a_stage_whose_inputs_have_changed_is_run_again(make: Callable[..., Any]) -> None:
    run_once(make, "changed", question=QUESTION)
    other = QUESTION.model_copy(update={"question": "Where?"})
    _, stage = run_once(make, "changed", question=other)
    _, suffixed = run_once(make, "changed", question=QUESTION, suffix=".md")
    assert (stage.reused, suffixed.reused) == (False, False)
    assert calls(make) == ["q", "q", "q"]


def test_a_stage_whose_helper_has_changed_is_run_again(
    make: Callable[..., Any], workshop: Workshop
) -> None:
    first, _ = run_once(make, "helped", question=QUESTION)
    workshop.write("made_helper", "def shout(text):\n    return text.upper() + '!'\n")
    workshop.function("made_helper", "shout")
    rewritten = workshop.function("made_stage", "make")
    again, stage = run_once(rewritten, "helped", question=QUESTION)
    assert not stage.reused
    assert again.documents.sha != first.documents.sha


def test_a_cached_value_whose_blob_is_gone_is_made_again(make: Callable[..., Any]) -> None:
    first, _ = run_once(make, "gone", question=QUESTION)
    stored = Path(first.documents.uri.removeprefix("file://"))
    stored.unlink()
    again, stage = run_once(make, "gone", question=QUESTION)
    assert not stage.reused
    assert stored.exists()
    assert again.documents == first.documents
    third, reused = run_once(make, "gone", question=QUESTION)
    assert reused.reused
    assert third == again
    assert len(calls(make)) == 2


def test_a_cached_index_that_is_gone_is_built_again(home: Path, prefect_url: str) -> None:
    corpus = corpus_of({"pier": "Built in 1886."})
    inputs = {"corpus": corpus, "spec": IndexSpec(), "name": "gone"}
    first, _ = run_once(build, "index", **inputs)
    _, reused = run_once(build, "index", **inputs)
    shutil.rmtree(first.uri)
    again, stage = run_once(build, "index", **inputs)
    assert (reused.reused, stage.reused) == (True, False)
    assert again.sha == first.sha
    assert exists(again)


def test_a_cached_index_that_its_name_has_left_is_built_again(home: Path, prefect_url: str) -> None:
    def inputs(year: str) -> dict[str, Any]:
        corpus = corpus_of({"pier": f"Built in {year}."})
        return {"corpus": corpus, "spec": IndexSpec(), "name": "left"}

    first, _ = run_once(build, "moved index", **inputs("1886"))
    later = build(**inputs("1887"))
    again, stage = run_once(build, "moved index", **inputs("1886"))
    assert not stage.reused
    assert again.sha == first.sha != later.sha
    assert latest(first).sha == first.sha


def test_what_another_try_may_mend_is_retried_and_bad_input_is_not(
    home: Path, prefect_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "BACKOFF", 0)
    tried: list[str] = []

    def write(fault: Exception) -> int:
        tried.append(type(fault).__name__)
        if len(tried) < 3:
            raise fault
        return len(tried)

    @flow(name="writing")
    def writing(fault: Exception) -> Any:
        made = step(write, "write", cached=False, retries=2)
        return Stages()("write", made, fault=fault)

    assert writing(WriteFailed(["1"], "busy")) == 3
    tried.clear()
    with pytest.raises(InputError):
        writing(InputError("k", 0, "1 or more", "Mend it."))
    assert tried == ["InputError"]


def test_a_failure_is_raised_and_not_kept(make: Callable[..., Any]) -> None:
    bad = QUESTION.model_copy(update={"id": "bad"})
    for _ in range(2):
        with pytest.raises(ValueError, match="not this one"):
            run_once(make, "failing", question=bad)
    assert calls(make) == ["bad", "bad"]


def test_a_stage_that_is_not_cached_runs_every_time(make: Callable[..., Any]) -> None:
    for _ in range(2):
        _, stage = run_once(make, "uncached", cached=False, question=QUESTION)
        assert not stage.reused
    assert calls(make) == ["q", "q"]


def test_cached_values_are_json_and_never_pickles(make: Callable[..., Any]) -> None:
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

    run_once(make, "as json", question=QUESTION)
    (kept,) = Path(PREFECT_LOCAL_STORAGE_PATH.value()).glob("as json-*")
    record = json.loads(kept.read_text())
    assert record["metadata"]["serializer"]["type"] == "json"
    assert "1.0" not in record["result"]
    assert json.loads(record["result"])["data"]["documents"]["bytes"] == len("WHEN?")


def test_bad_input_comes_through_a_stage_with_its_fields(home: Path, prefect_url: str) -> None:
    def refuse() -> None:
        raise InputError("models.ref", "x", "y", "Do z.")

    with pytest.raises(InputError) as caught:
        run_once(refuse, "refusing", cached=False)
    assert (caught.value.where, caught.value.remedy) == ("models.ref", "Do z.")


LONG = """
from tasks.progress import progress

def work(units: int) -> int:
    with progress("long work", units) as advance:
        for _ in range(units):
            advance()
    return units
"""


def test_progress_of_a_long_stage_is_told_to_the_terminal_and_to_prefect(
    workshop: Workshop, home: Path, prefect_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client

    monkeypatch.setattr(steps, "PROGRESS_AFTER", 0.0)
    workshop.write("made_long", LONG)
    told: list[tuple[str, int, int]] = []
    token = reporter.set(lambda *seen: told.append(seen))
    try:
        run_once(workshop.function("made_long", "work"), "working", units=3)
    finally:
        reporter.reset(token)
    assert told[0] == ("long work", 0, 3)
    assert told[-1] == ("long work", 3, 3)
    with get_client(sync_client=True) as client:  # of a server that other tests use, too
        told_to_prefect = {
            str(one.description).partition(",")[0]: one.data
            for one in client.read_artifacts()
            if one.type == "progress"
        }
    assert told_to_prefect["long work: 3 of 3"] == 100.0


def test_a_short_stage_makes_no_progress_artifact(
    workshop: Workshop, home: Path, prefect_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(steps, "create_progress_artifact", lambda **given: made.append(given))
    workshop.write("made_long", LONG)
    assert run_once(workshop.function("made_long", "work"), "short", units=3)[0] == 3
    assert made == []
