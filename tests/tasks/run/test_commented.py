"""Every key of a run file is written with its value and a comment, and reads back."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tasks.run import RunFile
from tasks.run.commented import COMMENTS, render
from tasks.run.reading import parse_run, read_run
from tasks.run.unused import unused
from tasks.task.known import find_task


def test_values_other_than_the_defaults_survive_writing_and_reading(tmp_path: Path) -> None:
    run = RunFile.model_validate(
        {
            "name": "x",
            "data": {"documents": 'a "quoted" — folder', "questions": "q\\é.csv"},
            "general": {"items": "i.jsonl", "text": "t.jsonl"},
            "models": [
                {"ref": "hf:a/b", "params": 7.25e9},
                {"ref": "openai:gpt-4", "size_class": "large"},
            ],
            "training": {"learning_rate": 1e-5},
            "limits": {"memory_gib": 1.5},
            "budget": {"seconds": 600, "money": 2.5},
            "prices": {"gpt-4": {"input_per_million": 30, "output_per_million": 60}},
            "decision": {"paths": ["rag"], "weights": {"f1": 0.9, "tokens": -0.05}},
        }
    )
    target = tmp_path / "x.toml"
    target.write_text(render(run), encoding="utf-8")
    assert read_run(target) == run


DATA: dict[str, dict[str, str]] = {
    "question-answering": {"documents": "d", "questions": "q"},
    "classification": {"examples": "e"},
    "translation": {"examples": "e"},
}
TABLES = {
    "general": {"items": "i", "text": "t"},
    "prices": {"gpt-4.1": {"input_per_million": 2, "output_per_million": 8}},
    "changes": {"documents": "d", "questions": "q"},
    "judge": {"model": "openai:j"},
}


def run_of(task: str, **tables: Any) -> RunFile:
    table = {"name": "x", "task": task, "data": DATA[task], "models": [{"ref": "hf:a"}]}
    return parse_run(table | tables)


def keys(text: str) -> list[str]:
    """Names of the keys that are written, commented or not, each with its table's."""
    table, found = "", []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if bare.startswith("[") and bare.endswith("]"):
            table = re.sub(r"\W.*", "", bare.strip("[]")) + "."
        elif " = " in bare and "  # " in bare:
            found.append(table + bare.split()[0])
    return found


@pytest.mark.parametrize("given", [True, False])
def test_every_key_is_written_once_with_its_comment_and_no_comment_is_left_over(
    given: bool,
) -> None:
    names = set()
    for task in DATA:
        idle = unused(find_task(task))
        tables = {name: table for name, table in TABLES.items() if name not in idle and given}
        text = render(run_of(task, **tables))
        written = keys(text)
        assert len(written) == len(set(written))
        names |= set(written)
        for name in written:
            key = name.rpartition(".")[2]
            assert re.search(rf"^(# )?{key} = .*  # {re.escape(COMMENTS[name])}$", text, re.M), name
    assert names == set(COMMENTS)


@pytest.mark.parametrize("task", DATA)
def test_tables_that_are_not_given_wait_behind_comment_signs_and_change_nothing(task: str) -> None:
    run = run_of(task)
    text = render(run)
    assert parse_run(tomllib.loads(text)) == run
    assert "# [general]\n# items = ...  #" in text
    assert '# [prices."gpt-4o"]\n# input_per_million = ...  #' in text
    assert ("# [changes]\n# documents = ...  #" in text) is (task == "question-answering")
    assert ("# [judge]\n# model = ...  #" in text) is (task == "translation")


def test_keys_that_a_task_cannot_use_are_left_out_unless_they_are_set() -> None:
    written = keys(render(run_of("classification")))
    for name in ("data.documents", "data.glossary", "index.try_k", "index.canaries",
                 "training.without_source", "answering.instruction", "limits.min_refused",
                 "answering.max_new_tokens"):  # fmt: skip
        assert name not in written
    assert {"index.k", "training.encoder_method", "data.examples"} <= set(written)
    assert "training.encoder_method" not in keys(render(run_of("translation")))
    run = run_of("classification", index={"canaries": 9})
    assert parse_run(tomllib.loads(render(run))) == run
