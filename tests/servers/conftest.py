"""An index name of each test's own on Weaviate."""

import uuid
from collections.abc import Iterator

import pytest

from tasks.retrieval.backend import prefix
from tasks.retrieval.weaviate_backend import Weaviate
from tasks.retrieval.weaviate_client import connect_weaviate


@pytest.fixture
def name(weaviate_url: str) -> Iterator[str]:
    """An index name of the test's own; what was made under it is removed."""
    chosen = f"harbour {uuid.uuid4().hex[:8]}"
    yield chosen
    client = connect_weaviate()
    client.alias.delete(alias_name=prefix(chosen))
    for collection in Weaviate().collections(chosen):
        client.collections.delete(collection)
