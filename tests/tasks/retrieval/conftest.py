"""Each backend in turn, with an index of the test's own on it or one that tests share."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.artifacts import Index
from tasks.retrieval import backend as index_backend
from tasks.retrieval.index import build
from tasks.retrieval.search import Searcher, open_index
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.run import IndexSpec
from tasks.services import services
from tests.corpora import document, stored
from tests.tasks.retrieval.building import CANARIES, TEXTS, town_corpus
from tests.tasks.retrieval.searching import RUN, dated_corpus
from tests.tasks.retrieval.searching import TEXTS as SEARCHED
from tests.tasks.retrieval.town import LONG

EACH_BACKEND = ["lancedb", pytest.param("weaviate", marks=pytest.mark.servers)]


@pytest.fixture(params=EACH_BACKEND)
def spec(request: pytest.FixtureRequest, home: Path) -> IndexSpec:
    """Each backend in turn."""
    if request.param == "weaviate":
        request.getfixturevalue("weaviate_url")
    return IndexSpec.model_validate(
        {"backend": request.param, "chunk_tokens": 32, "mode": "vector", "k": 1}
    )


@pytest.fixture
def name(spec: IndexSpec) -> Iterator[str]:
    """An index name of the test's own; what was made under it is removed."""
    yield from named(spec)


@pytest.fixture
def second_name(spec: IndexSpec) -> Iterator[str]:
    yield from named(spec)


def named(spec: IndexSpec) -> Iterator[str]:
    chosen = f"town-{uuid.uuid4().hex[:8]}"
    yield chosen
    backend = index_backend.BACKENDS[spec.backend](chosen)
    if spec.backend == "weaviate":
        connect_weaviate().alias.delete(alias_name=index_backend.prefix(chosen))
    for address in (*backend.records(chosen), *backend.collections(chosen)):
        backend.drop(address)


@pytest.fixture
def first(spec: IndexSpec, name: str) -> Index:
    return build(town_corpus(TEXTS), spec, name)


@pytest.fixture
def rebuilt(first: Index, spec: IndexSpec, name: str) -> Index:
    other = spec.model_copy(update={"chunk_tokens": 16})
    return build(town_corpus(TEXTS), other, name, canaries=CANARIES)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder for indexes that are built once and searched by many tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(params=EACH_BACKEND)
def shared_spec(
    request: pytest.FixtureRequest, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[IndexSpec]:
    """Each backend in turn, with the indexes that earlier tests have built there."""
    monkeypatch.setenv("ADAPT_HOME", str(shared))
    services.cache_clear()
    if request.param == "weaviate":
        request.getfixturevalue("weaviate_url")
    yield IndexSpec.model_validate({"backend": request.param, "chunk_tokens": 32})
    services.cache_clear()


@pytest.fixture
def built(shared_spec: IndexSpec) -> Index:
    return build(dated_corpus(SEARCHED | {"museum": LONG}), shared_spec, f"town-{RUN}")


@pytest.fixture
def searcher(built: Index) -> Searcher:
    return open_index(built)


@pytest.fixture
def copies(shared_spec: IndexSpec) -> Searcher:
    """Sixty documents of one text, from `copy-059` down to `copy-000`."""
    names = [f"copy-{n:03}" for n in reversed(range(60))]
    corpus = stored(
        document(name, "The same bell rings.", title="Copy", sha=name) for name in names
    )
    return open_index(build(corpus, shared_spec, f"copies-{RUN}"))
