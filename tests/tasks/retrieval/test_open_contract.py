"""Which version of an index is opened, on every backend, and what it says of itself."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tasks.artifacts import Index
from tasks.core.errors import InputError
from tasks.retrieval import search
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.retrieval.index import build, latest
from tasks.retrieval.search import Searcher, open_index, open_latest, search_latest
from tasks.run import IndexSpec
from tests.tasks.retrieval.searching import RUN, TEXTS, dated_corpus, how


def test_keyword_search_loads_no_encoder(built: Index) -> None:
    def refuse(ref: str) -> Encoder:
        raise AssertionError(ref)

    (passages,) = open_index(built, refuse).search(["ferry"], how(1, "keyword"))
    assert passages[0].document == "ferry"


def test_queries_are_encoded_in_one_call(built: Index) -> None:
    calls: list[tuple[int, str]] = []

    def load(ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            calls.append((len(texts), kind))
            return real.encode(texts, kind)

        return replace(real, encode=encode)

    open_index(built, load).search(["a lamp", "", "a boat", "bread"], how(1, "hybrid"))
    assert calls == [(3, "query")]


def test_describe_says_what_is_in_it(searcher: Searcher, shared_spec: IndexSpec) -> None:
    described = searcher.describe()
    (passages,) = searcher.search(["anything"], how(1000, "vector"))
    assert described["chunks"] == len(passages)
    assert described["name"] == f"town-{RUN}"
    assert described["backend"] == shared_spec.backend
    assert described["chunk_tokens"] == 32
    assert described["dimension"] == 384
    assert described["sha"] == searcher.index.sha
    assert described["encoder"] == shared_spec.encoder
    assert described["fields"] == ("document", "title", "source", "date", "tags")


def test_the_latest_is_searched_by_name_and_what_moved_on_is_not_searched_in_its_stead(
    shared_spec: IndexSpec,
) -> None:
    name = f"moving-{RUN}"
    first = build(dated_corpus(TEXTS), shared_spec, name)
    second = build(dated_corpus(TEXTS | {"bread": "The oven is fired at noon."}), shared_spec, name)
    assert first.sha != second.sha
    query = ["When is the oven fired?"]
    now = open_latest(first)
    assert now.index.sha == second.sha
    assert "noon" in now.search(query, how(1, "vector"))[0][0].text
    if first.address == second.address:  # refreshed in place
        with pytest.raises(InputError, match="moved on"):
            open_index(first)
    else:
        assert "at three" in open_index(first).search(query, how(1, "vector"))[0][0].text


def test_a_version_removed_under_a_search_is_replaced_by_the_present_one(
    shared_spec: IndexSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"swapped-{RUN}"
    first = build(dated_corpus(TEXTS), shared_spec, name)
    other = shared_spec.model_copy(update={"chunk_tokens": 48, "keep": 1})
    second = build(dated_corpus(TEXTS), other, name)  # and the first is gone
    answers = iter([first])
    monkeypatch.setattr(search, "latest", lambda index: next(answers, None) or latest(index))
    (found,), searched = search_latest(first, ["Who trims the wick?"], how(1, "hybrid"))
    assert searched.sha == second.sha != first.sha
    assert found[0].document == "lamp"
    with pytest.raises(InputError, match=r"index\.k"):  # what no version mends
        search_latest(first, ["Who trims the wick?"], how(0, "hybrid"))


def test_an_encoder_of_other_weights_does_not_open(built: Index) -> None:
    with pytest.raises(InputError, match="weights it was built with"):
        open_index(built.model_copy(update={"encoder_sha": "0"}))


def test_an_index_that_is_not_there_does_not_open(built: Index) -> None:
    with pytest.raises(InputError, match="found 'nothing'"):
        open_index(built.model_copy(update={"address": built.address + "9"}))
