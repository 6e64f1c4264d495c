"""Which labelled examples a text is shown: near, unlike one another, never itself."""

from pathlib import Path

import pytest

from tasks.artifacts import Retrieval
from tasks.retrieval import demonstrations as module
from tasks.retrieval.demonstrations import nearest_examples
from tasks.retrieval.encoding import load_encoder
from tasks.retrieval.index import build
from tasks.retrieval.search import Searcher, open_index, retrieval_of
from tasks.run import IndexSpec
from tests.corpora import document, stored

TEXTS = {
    "late": ("Where is my parcel? It is a week late.", "delivery"),
    "late too": ("Where is my parcel? It's a week late!", "delivery"),
    "lost": ("The courier says he delivered my parcel, and I have nothing.", "delivery"),
    "broken": ("My parcel came with a broken lid.", "damage"),
    "twice": ("You have charged my card twice this month.", "billing"),
    "invoice": ("Please send me an invoice with our tax number.", "billing"),
    "login": ("I cannot log in with my password.", "account"),
    "long": (
        "My parcel never came. " * 3 + "The lamp in the hall is green and the cat sleeps. " * 12,
        "delivery",
    ),
}
SPEC = IndexSpec(k=3, mode="vector", chunk_tokens=32)
ASKED = "My parcel is a week late, where is it?"


@pytest.fixture
def shelf(home: Path) -> tuple[Searcher, Retrieval]:
    corpus = stored(
        document(name, text, title="", source="", tags=(label,))
        for name, (text, label) in sorted(TEXTS.items())
    )
    index = build(corpus, SPEC, "tickets")
    return open_index(index), retrieval_of(index, SPEC)


def test_examples_come_with_their_labels_nearest_first(shelf: tuple[Searcher, Retrieval]) -> None:
    ((first, *_),) = nearest_examples(shelf[0], [ASKED], shelf[1])
    assert first.document in ("late", "late too")
    assert first.tags == ("delivery",)
    encode = load_encoder(SPEC.encoder).encode
    (found,) = nearest_examples(shelf[0], [ASKED], shelf[1])
    near = encode([one.text for one in found], "document") @ encode([ASKED], "query")[0]
    assert list(near) == sorted(near, reverse=True)
    assert all(one.tags == (TEXTS[one.document][1],) for one in found)


def test_one_that_says_the_same_as_another_makes_room_for_something_else(
    shelf: tuple[Searcher, Retrieval], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEIGHT", 0.4)
    plain = {one.document for one in shelf[0].search([ASKED], shelf[1])[0]}
    assert {"late", "late too"} <= plain
    (found,) = nearest_examples(shelf[0], [ASKED], shelf[1])
    assert len({"late", "late too"} & {one.document for one in found}) == 1


def test_an_example_never_finds_itself_however_many_chunks_it_has(
    shelf: tuple[Searcher, Retrieval],
) -> None:
    names = list(TEXTS)
    texts = [TEXTS[name][0] for name in names]
    found = nearest_examples(shelf[0], texts, shelf[1], names)
    for name, passages in zip(names, found, strict=True):
        shown = [one.document for one in passages]
        assert name not in shown
        assert len(shown) == len(set(shown)) == 3
    unnamed = nearest_examples(shelf[0], texts, shelf[1])
    assert all(
        name in [p.document for p in some] for name, some in zip(names, unnamed, strict=True)
    )


def test_there_are_as_many_as_asked_or_as_there_are(shelf: tuple[Searcher, Retrieval]) -> None:
    one, many = (shelf[1].model_copy(update={"k": k}) for k in (1, 50))
    assert len(nearest_examples(shelf[0], [ASKED], one)[0]) == 1
    assert len(nearest_examples(shelf[0], [ASKED], many)[0]) == len(TEXTS)


def test_nothing_near_enough_is_nothing_shown(shelf: tuple[Searcher, Retrieval]) -> None:
    strict = shelf[1].model_copy(update={"min_similarity": 0.99})
    assert nearest_examples(shelf[0], ["Which bird is on the flag?"], strict) == ((),)
