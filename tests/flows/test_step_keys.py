"""What the cache key of a stage depends on: content, code and, for tensors, the runtime."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import steps
from flows.steps import ByContent, code_digest
from tasks.artifacts import Blob, Corpus, Cost, Prompt, Retrieval
from tasks.run import IndexSpec
from tests.corpora import index_of_nothing
from tests.flows.workshop import Workshop
from tests.own_task import installed, write_example

POLICY = ByContent(name="answer", module="tasks.sampling")
HERE = Blob(uri="file:///here/1.jsonl", sha="1", bytes=3)
THERE = HERE.model_copy(update={"uri": "s3://there/1.jsonl", "bytes": 4})
OTHER = HERE.model_copy(update={"sha": "2"})


def corpus(blob: Blob) -> Corpus:
    return Corpus(documents=blob, count=1)


def built(blob: Blob, sha: str) -> Retrieval:
    index = index_of_nothing(
        name=f"name of {blob.sha}", uri=blob.uri, address=blob.sha, sha=sha, bytes=blob.bytes
    )
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
    assert near != ByContent(name="s", module="tasks.evaluation.evaluate").key({})
    assert code_digest("tasks.evaluation.evaluate") != code_digest("tasks.training.tuning")


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
