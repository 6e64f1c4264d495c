"""Which settings a refresh keeps, and which questions it asks."""

from pathlib import Path

import pytest

from tasks.artifacts import Corpus
from tasks.core.errors import InputError
from tasks.data.questions import known_sources
from tasks.retrieval.index import build
from tasks.retrieval.refresh import (
    collect_canaries,
    is_current,
    listed,
    present_settings,
)
from tasks.run import Data, IndexSpec
from tests.corpora import corpus_of
from tests.files import write_rows

TRIED = IndexSpec(chunk_tokens=48, try_chunk_tokens=(16, 32), try_k=(1, 2), try_alpha=(0.2,))


def corpus(*names: str) -> Corpus:
    texts = {name: f"The {name}." for name in names}
    return corpus_of(texts, title="").model_copy(update={"same_text": {"copy": "bell"}})


def test_chunk_size_of_the_present_index_is_kept_where_it_was_one_of_those_tried(
    home: Path,
) -> None:
    build(corpus("bell"), IndexSpec(chunk_tokens=32), "town")
    kept = present_settings(TRIED, "town")
    assert kept is not None
    assert (kept.chunk_tokens, kept.k, kept.alpha) == (32, TRIED.k, TRIED.alpha)
    assert (kept.try_chunk_tokens, kept.try_k, kept.try_alpha) == ((), (), ())


@pytest.mark.parametrize(
    "spec",
    [
        TRIED.model_copy(update={"try_chunk_tokens": (16, 64)}),
        TRIED.model_copy(update={"encoder": "path:/other"}),
    ],
)
def test_settings_are_chosen_anew_where_the_present_index_has_none_of_them(
    home: Path, spec: IndexSpec
) -> None:
    assert present_settings(spec, "town") is None
    build(corpus("bell"), IndexSpec(chunk_tokens=32), "town")
    assert present_settings(spec, "town") is None


def test_chunk_size_in_the_run_file_counts_where_none_is_tried(home: Path) -> None:
    build(corpus("bell"), IndexSpec(chunk_tokens=32), "town")
    assert present_settings(IndexSpec(chunk_tokens=64), "town") == IndexSpec(chunk_tokens=64)


def test_only_the_index_that_a_name_points_at_is_current(home: Path) -> None:
    first = build(corpus("bell"), IndexSpec(), "town")
    assert is_current(first)
    second = build(corpus("bell", "gull"), IndexSpec(), "town")
    assert (is_current(first), is_current(second)) == (False, True)


def test_canaries_are_answerable_dev_questions_and_may_ask_of_what_is_gone(
    home: Path, tmp_path: Path
) -> None:
    rows = [
        {"id": "1", "question": "Bell?", "answers": ["x"], "document": "copy", "split": "dev"},
        {"id": "2", "question": "Harpoon?", "answers": ["x"], "document": "gone", "split": "dev"},
        {"id": "3", "question": "Weather?", "answers": ["x"], "split": "dev"},
        {"id": "4", "question": "Nothing?", "answerable": False, "document": "bell",
         "split": "dev"},
        {"id": "5", "question": "Tower?", "answers": ["x"], "document": "bell", "split": "train"},
        {"id": "6", "question": "Rope?", "answers": ["x"], "document": "bell", "split": "test"},
    ]  # fmt: skip
    path = write_rows(tmp_path / "questions.jsonl", rows)
    data = Data(documents="d", questions="q", share_documents=True)
    canaries = known_sources(collect_canaries(path, corpus("bell"), data, seed=7))
    assert [(one.id, one.document) for one in canaries] == [("1", "bell"), ("2", "gone")]


@pytest.mark.parametrize(("backend", "field"), [("lancedb", "index"), ("shelf", "--backend")])
def test_unknown_name_or_backend_has_no_versions_to_list(
    home: Path, backend: str, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        listed("nowhere", backend)
    assert caught.value.where == field
