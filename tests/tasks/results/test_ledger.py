from pathlib import Path

import pytest

from tasks.results.ledger import read_test

pytestmark = pytest.mark.usefixtures("home")


def test_each_system_that_reads_a_test_split_counts_once() -> None:
    assert read_test("questions", "a") == 1
    assert read_test("questions", "b") == 2
    assert read_test("questions", "a") == 2
    assert read_test("questions", "c") == 3


def test_each_test_split_has_its_own_count() -> None:
    assert read_test("questions", "a") == 1
    assert read_test("others", "b") == 1


def test_the_ledger_outlives_the_process_and_leaves_no_part(home: Path) -> None:
    read_test("questions", "a")
    assert [path.name for path in (home / "test_reads").iterdir()] == ["questions.json"]
