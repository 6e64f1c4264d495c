import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

import tasks
from flows import steps
from flows.steps import ByContent, Stages, code_digest, step
from tasks.artifacts import Blob, Corpus, Cost, Document, Index, Prompt, Question, Retrieval
from tasks.core.errors import InputError
from tasks.progress import reporter
from tasks.results.record import Stage
from tasks.retrieval.backend import WriteFailed
from tasks.retrieval.index import build, exists, latest
from tasks.run import IndexSpec
from tasks.store import put_rows
from tests.own_task import installed, write_example

POLICY = ByContent(name="answer", module="tasks.sampling")
HERE = Blob(uri="file:///here/1.jsonl", sha="1", bytes=3)
THERE = HERE.model_copy(update={"uri": "s3://there/1.jsonl", "bytes": 4})
OTHER = HERE.model_copy(update={"sha": "2"})


def corpus(blob: Blob) -> Corpus:
    return Corpus(documents=blob, count=1)


def built(blob: Blob, sha: str) -> Retrieval:
    index = Index(
        name=f"name of {blob.sha}", backend="lancedb", uri=blob.uri, address=blob.sha, sha=sha,
        corpus="c", encoder="e", encoder_sha="es", embedded_by="eb", dimension=3, chunk_tokens=64,
        chunks=9, bytes=blob.bytes,
    )  # fmt: skip
    return Retrieval(index=index, k=3)


def cost(seconds: float) -> Cost:
    return Cost(
        seconds=seconds, tokens=1, energy_kwh=None, energy_method=None, device="cpu",
        dtype="float32", machine="m", run="r",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HERE, THERE),
        (corpus(HERE), corpus(THERE)),
        (built(HERE, "i"), built(OTHER, "i")),
        (cost(1.0), cost(2.0)),
        ((HERE, "a"), [THERE, "a"]),
        ({"a": 1, "b": HERE}, {"b": THERE, "a": 1}),
        (Path.read_text, Path.write_text),
    ],
)
def test_equal_content_has_an_equal_key(one: object, other: object) -> None:
    assert POLICY.key({"given": one, "k": 3}) == POLICY.key({"k": 3, "given": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HERE, OTHER),
        (corpus(HERE), corpus(OTHER)),
        (built(HERE, "i"), built(HERE, "j")),
        (built(HERE, "i"), built(HERE, "i").model_copy(update={"k": 4})),
        (IndexSpec(), IndexSpec(chunk_tokens=65)),
        (("a", "b"), ("b", "a")),
        (None, ""),
        (0.1, 0.2),
    ],
)
def test_other_content_has_another_key(one: object, other: object) -> None:
    assert POLICY.key({"given": one}) != POLICY.key({"given": other})


def test_the_key_knows_the_argument_that_a_value_was_given_as() -> None:
    assert POLICY.key({"a": 1, "b": 2}) != POLICY.key({"a": 2, "b": 1})


def test_each_stage_has_keys_of_its_own() -> None:
    other = ByContent(name="train", module="tasks.sampling")
    assert POLICY.key({"a": 1}) != other.key({"a": 1})
    assert POLICY.key({"a": 1}).startswith("answer-")


def test_only_what_is_computed_on_tensors_depends_on_the_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = ByContent(name="answer", module="tasks.sampling", tensors=True)
    monkeypatch.setattr(steps, "runtime", lambda: "torch 1, bfloat16")
    plain, first = POLICY.key({}), tensors.key({})
    monkeypatch.setattr(steps, "runtime", lambda: "torch 2, bfloat16")
    assert POLICY.key({}) == plain
    assert tensors.key({}) != first


def test_keys_are_equal_in_every_process() -> None:
    code = (
        "from flows.steps import ByContent\nfrom tasks.run import IndexSpec\n"
        "print(ByContent('n', 'tasks.run').key({'spec': IndexSpec(), 'paths': {'b': 1, 'a': 2}}))"
    )
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
        ).stdout
        for env in seeds
    }
    assert len(keys) == 1


class Workshop:
    """Modules of `tasks` that can be rewritten, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, source: str) -> None:
        path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        importlib.invalidate_caches()
        code_digest.cache_clear()

    def function(self, module: str, name: str) -> Callable[..., Any]:
        sys.modules.pop(f"tasks.{module}", None)
        made: Callable[..., Any] = getattr(importlib.import_module(f"tasks.{module}"), name)
        return made


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    folder = tmp_path / "workshop"
    folder.mkdir()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(folder)])
    before = set(sys.modules)
    yield Workshop(folder)
    for name in set(sys.modules) - before:
        if name.startswith("tasks.made"):
            del sys.modules[name]
            vars(tasks).pop(name.removeprefix("tasks."), None)
    code_digest.cache_clear()


IMPORTS = {
    "from a module": "from tasks.made_far import value",
    "from the package": "from tasks import made_far",
    "by its name": "import tasks.made_far as far",
    "inside a function": "def late():\n    from tasks.made_far import value\n    return value",
    "through another": "from tasks.made_between import value",
    "from a package below": "from tasks.made_package import inside",
}


@pytest.mark.parametrize("how", sorted(IMPORTS))
def test_code_that_a_stage_imports_is_part_of_its_key(workshop: Workshop, how: str) -> None:
    workshop.write("made_near", IMPORTS[how])
    workshop.write("made_between", "from tasks.made_far import value\n")
    workshop.write("made_package.__init__", "")
    workshop.write("made_package.inside", "from tasks.made_far import value\n")
    workshop.write("made_far", "from tasks.made_near import late\nvalue = 1\n")  # and back again
    workshop.write("made_apart", "value = 1\n")
    first = code_digest("tasks.made_near")
    workshop.write("made_apart", "value = 2\n")
    assert code_digest("tasks.made_near") == first
    workshop.write("made_far", "from tasks.made_near import late\nvalue = 2\n")
    assert code_digest("tasks.made_near") != first


def test_the_real_stages_depend_on_what_they_reach() -> None:
    near = ByContent(name="s", module="tasks.sampling").key({})
    assert near != ByContent(name="s", module="tasks.evaluate").key({})
    assert code_digest("tasks.evaluate") != code_digest("tasks.tuning")


def test_the_code_of_a_task_of_ones_own_is_part_of_the_keys_that_name_it(tmp_path: Path) -> None:
    named, other = {"prompt": Prompt(name="p", instruction="", task="keywords")}, {"task": "other"}

    def keys() -> tuple[str, str]:
        code_digest.cache_clear()
        return POLICY.key(named), POLICY.key(other)

    with installed(tmp_path / "site", write_example) as folder:
        first = keys()
        module = folder / "keywords_task.py"
        module.write_text(module.read_text().replace("casefold", "lower"))
        edited = keys()
    assert (edited[0] != first[0], edited[1]) == (True, first[1])
    code_digest.cache_clear()


@pytest.mark.parametrize(
    "line", ["from .words import W", "from . import words", "import own.words"]
)
def test_modules_of_its_own_package_are_part_of_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("")
    (tmp_path / "own" / "task.py").write_text(f"import numpy\n{line}\n")
    digests = set()
    for value in (1, 2):
        (tmp_path / "own" / "words.py").write_text(f"W = {value}\n")
        code_digest.cache_clear()
        digests.add(code_digest("own.task"))
    assert len(digests) == 2
    code_digest.cache_clear()
    sys.modules.pop("own", None)


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
    document = Document(id="pier", title="Pier", text="Built in 1886.", source="p.md", sha="1")
    inputs = {
        "corpus": Corpus(documents=put_rows([document]), count=1), "spec": IndexSpec(),
        "name": "gone",
    }  # fmt: skip
    first, _ = run_once(build, "index", **inputs)
    _, reused = run_once(build, "index", **inputs)
    shutil.rmtree(first.uri)
    again, stage = run_once(build, "index", **inputs)
    assert (reused.reused, stage.reused) == (True, False)
    assert again.sha == first.sha
    assert exists(again)


def test_a_cached_index_that_its_name_has_left_is_built_again(home: Path, prefect_url: str) -> None:
    def inputs(year: str) -> dict[str, Any]:
        document = Document(id="pier", title="", text=f"Built in {year}.", source="p", sha=year)
        corpus = Corpus(documents=put_rows([document]), count=1)
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
