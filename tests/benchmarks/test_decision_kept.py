"""Stages of the live scenarios are computed once, and cost later what they cost then."""

from pathlib import Path

import pytest

from flows.steps import step
from tasks.artifacts import Blob
from tasks.store import get_bytes, put_bytes
from tests.benchmarks.decision.kept import Kept

calls: list[int] = []


def square(number: int) -> int:
    calls.append(number)
    return number**2


def store_text(text: str) -> Blob:
    calls.append(len(text))
    return put_bytes(text.encode(), ".txt")


squared, stored = step(square, "square"), step(store_text, "store")


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def test_a_stage_is_computed_once_and_costs_what_it_cost_then(tmp_path: Path) -> None:
    first, second = Kept(tmp_path), Kept(tmp_path)
    assert [first("three", squared, number=3), second("three", squared, number=3)] == [9, 9]
    assert calls == [3]
    assert second.done == first.done
    assert not second.done[0].reused
    assert (first.computed, second.computed) == (1, 0)
    second("four", squared, number=4)
    assert calls == [3, 4]


def test_what_other_code_computed_is_kept_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Kept(tmp_path)("three", squared, number=3)
    monkeypatch.setattr("tests.benchmarks.decision.kept.code_digest", lambda module: "other")
    later = Kept(tmp_path)
    assert [later("three", squared, number=3) for _ in range(2)] == [9, 9]
    assert (calls, len(later.earlier)) == ([3], 1)


def test_a_value_whose_blob_is_gone_or_that_was_cut_short_is_computed_again(
    tmp_path: Path, home: Path
) -> None:
    stages = Kept(tmp_path)
    blob = stages("text", stored, text="buoy")
    Path(blob.uri.removeprefix("file://")).unlink()
    again = stages("text", stored, text="buoy")
    assert (get_bytes(again), calls) == (b"buoy", [4, 4])
    (record,) = tmp_path.glob("*.json")
    record.write_bytes(record.read_bytes()[:40])
    assert stages("text", stored, text="buoy") == blob
    assert calls == [4, 4, 4]


def test_what_is_loaded_before_the_first_stage_is_loaded_once(tmp_path: Path) -> None:
    loaded: list[str] = []
    stages = Kept(tmp_path, warm=lambda: loaded.append("model"))
    stages("three", squared, number=3)
    stages("four", squared, number=4)
    Kept(tmp_path, warm=lambda: loaded.append("again"))("three", squared, number=3)
    assert loaded == ["model"]
