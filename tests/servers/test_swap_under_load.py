"""Answers while an index on Weaviate is rebuilt and its alias swapped."""

import pytest

from tasks.run import IndexSpec
from tests.swapping import swap_under_load

pytestmark = pytest.mark.servers


@pytest.mark.usefixtures("home")
def test_no_answer_fails_or_mixes_versions_while_the_alias_is_swapped(name: str) -> None:
    spec = IndexSpec(backend="weaviate", keep=2)
    outcome = swap_under_load(spec, name, questions=200, threads=8, swaps=4)
    assert outcome.failed == []
    assert outcome.mixed == []
    assert outcome.asked >= 200
    assert len(outcome.editions) == 5
