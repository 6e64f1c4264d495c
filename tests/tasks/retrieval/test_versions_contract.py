"""Versions of an index on every backend: built beside, compared, swapped, pruned."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tasks.artifacts import Index
from tasks.core.errors import InputError
from tasks.retrieval.backend import collection_name
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.retrieval.index import (
    BuildReport,
    build,
    exists,
    index_report,
    latest,
    prune,
    rollback,
    versions,
)
from tasks.run import IndexSpec
from tests.tasks.retrieval.building import (
    CANARIES,
    NOON,
    TEXTS,
    Counting,
    held,
    told,
    town_corpus,
)


def noise(ref: str) -> Encoder:
    """An encoder that finds nothing: its vectors have nothing to do with the texts."""
    real, random = load_encoder(ref), np.random.default_rng(7)

    def encode(texts: Sequence[str], kind: Kind) -> Vectors:
        made = random.normal(size=(len(texts), real.dimension))
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    return replace(real, encode=encode)


def test_other_chunking_is_built_beside_and_swapped(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    assert rebuilt.sha != first.sha
    assert told(rebuilt, "rebuilt", "added", "canaries") == {
        "rebuilt": True, "added": 4, "canaries": 4
    }  # fmt: skip
    assert latest(first) == rebuilt
    assert exists(first)
    assert held(first) != held(rebuilt)
    listed = versions(name, spec.backend)
    assert [(one.address, one.current) for one in listed] == [
        (rebuilt.address, True), (first.address, False)
    ]  # fmt: skip


def test_rollback_returns_to_the_older_version(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    assert rollback(name, spec.backend) == first
    assert latest(rebuilt) == first
    assert exists(rebuilt)
    with pytest.raises(InputError, match="an older version"):
        rollback(name, spec.backend)


def test_former_chunking_comes_back_without_embedding(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    encoder = Counting()
    again = build(town_corpus(TEXTS), spec, name, load=encoder)
    assert encoder.texts == []
    assert again.sha == first.sha
    assert held(again) == held(first)
    assert latest(rebuilt) == again


def test_unknown_name_has_no_versions_and_nothing_to_roll_back_to(
    spec: IndexSpec, name: str
) -> None:
    assert versions(name, spec.backend) == ()
    with pytest.raises(InputError, match="an index that was built"):
        rollback(name, spec.backend)


def test_rebuild_that_finds_fewer_sources_is_refused(
    first: Index, spec: IndexSpec, name: str
) -> None:
    other = spec.model_copy(update={"chunk_tokens": 16, "canary_margin": 0.1})
    with pytest.raises(InputError, match=r"found '0\.\d+'; allowed: at least 1\.000"):
        build(town_corpus(TEXTS), other, name, CANARIES, load=documents_by(noise))
    assert latest(first) == first
    assert [one.address for one in versions(name, spec.backend)] == [first.address]
    wider = other.model_copy(update={"canary_margin": 1.0})
    encoder = Counting()
    taken = build(town_corpus(TEXTS), wider, name, CANARIES, load=documents_by(encoder))
    assert encoder.texts == []  # the refused collection is still there
    report = index_report(taken)
    assert report.canary_before == 1.0
    assert report.canary_after is not None
    assert report.canary_after < 0.9
    assert latest(first) == taken


def documents_by(load: Callable[[str], Encoder]) -> Callable[[str], Encoder]:
    """Questions are read by the real encoder, documents by another."""

    def both(ref: str) -> Encoder:
        real, other = load_encoder(ref), load(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            return (other if kind == "document" else real).encode(texts, kind)

        return replace(real, encode=encode)

    return both


def test_canaries_of_documents_that_are_gone_do_not_count(
    first: Index, spec: IndexSpec, name: str
) -> None:
    other = spec.model_copy(update={"chunk_tokens": 16})
    index = build(town_corpus({"lamp": TEXTS["lamp"]}), other, name, CANARIES)
    assert told(index, "canaries", "canary_before", "canary_after") == {
        "canaries": 1, "canary_before": 1.0, "canary_after": 1.0
    }  # fmt: skip


def test_refresh_asks_the_new_state_alone(first: Index, spec: IndexSpec, name: str) -> None:
    second = build(town_corpus(TEXTS | {"bread": NOON}), spec, name, CANARIES)
    counted = {"canaries": 4, "canary_before": 1.0, "canary_after": 1.0}
    assert told(second, *counted) == counted
    encoder = Counting()
    third = build(town_corpus(TEXTS), spec, name, CANARIES, load=encoder)
    assert told(third, *counted) == counted
    questions = sorted(one.question for one in CANARIES)
    assert sorted(text for text in encoder.texts if "\n" not in text) == questions


def test_versions_beyond_keep_are_removed_but_not_those_in_use(spec: IndexSpec, name: str) -> None:
    sizes = {16: "a", 20: "b", 24: "c", 32: "d"}
    built = {
        tokens: build(
            town_corpus(TEXTS),
            spec.model_copy(update={"chunk_tokens": tokens, "keep": 100}),
            name,
        )
        for tokens in sizes
    }
    removed = prune(name, 2, used=[built[16].sha], backend=spec.backend)
    assert removed == (built[20].address,)
    assert [exists(built[tokens]) for tokens in sizes] == [True, False, True, True]
    rollback(name, spec.backend)
    prune(name, 1, backend=spec.backend)
    assert [exists(built[tokens]) for tokens in sizes] == [False, False, True, True]
    with pytest.raises(InputError, match="build it again"):
        index_report(built[16])


def test_name_that_was_moved_meanwhile_is_left_where_it_is(
    first: Index, rebuilt: Index, spec: IndexSpec, name: str
) -> None:
    def load(ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            rollback(name, spec.backend)
            return real.encode(texts, kind)

        return replace(real, encode=encode)

    other = spec.model_copy(update={"chunk_tokens": 20})
    with pytest.raises(InputError, match="while this build was at work"):
        build(town_corpus(TEXTS), other, name, load=load)
    assert latest(rebuilt) == first


def test_collection_is_named_by_index_and_settings(first: Index, name: str) -> None:
    collection = first.address.partition("@")[0]
    assert collection == collection_name(name, collection[-12:])
    assert isinstance(index_report(first), BuildReport)
