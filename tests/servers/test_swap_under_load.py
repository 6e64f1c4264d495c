"""Answers while an index on Weaviate is rebuilt and its alias swapped."""

import uuid
from collections.abc import Iterator

import pytest

from tasks.retrieval.backend import prefix
from tasks.retrieval.weaviate_backend import Weaviate
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.run import IndexSpec
from tests.swapping import swap_under_load

pytestmark = pytest.mark.servers


@pytest.fixture
def name(weaviate_url: str) -> Iterator[str]:
    """An index name of the test's own; what was made under it is removed."""
    chosen = f"town-{uuid.uuid4().hex[:8]}"
    yield chosen
    connect_weaviate().alias.delete(alias_name=prefix(chosen))
    for collection in Weaviate().collections(chosen):
        Weaviate().drop(collection)


@pytest.mark.usefixtures("home")
def test_no_answer_fails_or_mixes_versions_while_the_alias_is_swapped(name: str) -> None:
    spec = IndexSpec(backend="weaviate", keep=2)
    outcome = swap_under_load(spec, name, questions=200, threads=8, swaps=4)
    assert outcome.failed == []
    assert outcome.mixed == []
    assert outcome.asked >= 200
    assert len(outcome.editions) == 5
