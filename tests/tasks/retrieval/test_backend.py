"""Names and ids that are the same for every backend."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.retrieval.backend import Entry, collection_name, is_of, prefix, row_id

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates too
PARTS = st.tuples(ANY, st.integers(0, 99), ANY, ANY)


@given(PARTS, PARTS)
def test_rows_that_differ_have_ids_that_differ(
    one: tuple[str, int, str, str], other: tuple[str, int, str, str]
) -> None:
    ids = row_id(Entry(*one)), row_id(Entry(*other))
    assert (ids[0] == ids[1]) == (one == other)
    assert str(uuid.UUID(ids[0])) == ids[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Entry("ab", 1, "c", "d"), Entry("a", 1, "bc", "d")),
        (Entry("a", 1, "b", "cd"), Entry("a", 1, "bc", "d")),
        (Entry("a", 11, "b", "c"), Entry("a1", 1, "b", "c")),
        (Entry("a", 1, "1b", "c"), Entry("a", 11, "b", "c")),
    ],
)
def test_parts_never_run_into_each_other(one: Entry, other: Entry) -> None:
    assert row_id(one) != row_id(other)


@given(ANY, ANY)
def test_names_that_differ_have_collections_that_differ(one: str, other: str) -> None:
    names = collection_name(one, "0" * 16), collection_name(other, "0" * 16)
    assert (names[0] == names[1]) == (one == other)
    assert re.fullmatch(r"[A-Z][A-Za-z0-9_]*", names[0])
    assert is_of(one, names[0])
    assert is_of(other, names[0]) == (one == other)


def test_a_name_that_looks_like_another_ones_collection_is_not_taken_for_it() -> None:
    name = prefix("town")
    assert not is_of("town", collection_name(name, "0" * 16))
    assert not is_of(name, collection_name("town", "0" * 16))


@pytest.mark.parametrize("name", ["town", "9-lives", "_x", "é", "Town Hall"])
def test_prefix_can_be_recognised(name: str) -> None:
    letters = re.sub(r"[^A-Za-z0-9_]", "_", name).casefold()
    assert letters in prefix(name).casefold()
