"""Answers while a local index is rebuilt and swapped."""

import pytest

from tasks.run import IndexSpec
from tests.swapping import swap_under_load


@pytest.mark.usefixtures("home")
def test_no_answer_fails_or_mixes_versions_while_the_index_is_swapped() -> None:
    spec = IndexSpec(backend="lancedb", keep=2)
    outcome = swap_under_load(spec, "town", questions=200, threads=8, swaps=4)
    assert outcome.failed == []
    assert outcome.mixed == []
    assert outcome.asked >= 200
    assert len(outcome.editions) == 5
