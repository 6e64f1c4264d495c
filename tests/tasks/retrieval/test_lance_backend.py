"""What only the LanceDB backend does: old versions stay, files go, large tables have an IVF."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest

from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval.backend import Query, Row, collection_name, entry, row_id
from tasks.retrieval.chunking import Chunk
from tasks.retrieval.encoding import Vectors
from tasks.retrieval.lance_backend import LanceDB

TOWN = collection_name("town", "0123456789abcdef")
QUAY = collection_name("town", "fedcba9876543210")


def rows_of(names: Sequence[str], **more: Any) -> list[Row]:
    """One row a document, whose text names it."""
    chunks = [
        Chunk.model_validate(
            {"document": name, "title": name, "source": f"{name}.md", "position": 0,
             "text": f"passage of {name}", "sha": digest.of_text(name), "document_sha": "0", **more}
        )
        for name in names
    ]  # fmt: skip
    return [Row(row_id(entry(chunk)), chunk) for chunk in chunks]


def clusters(rows: int, dimension: int = 16) -> Vectors:
    """Unit vectors around ten directions, one after the other."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(10, dimension))
    matrix = centres[np.arange(rows) % 10] + 0.05 * rng.normal(size=(rows, dimension))
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def town(tmp_path: Path) -> LanceDB:
    return LanceDB(str(tmp_path / "town"))


def filled(backend: LanceDB, rows: Sequence[Row], matrix: Vectors, collection: str = TOWN) -> str:
    backend.create(collection, matrix.shape[1])
    backend.write(collection, rows, matrix)
    return backend.commit(collection, "{}")


def nearest(backend: LanceDB, address: str, vectors: Vectors, k: int) -> list[list[str]]:
    query = Query(tuple("x" * len(vectors)), vectors, k, {})
    return [[one.document for one in some] for some in backend.near(address, query)]


def matching(backend: LanceDB, address: str, text: str, **where: str) -> list[str]:
    (found,) = backend.matching(address, Query((text,), None, 10, where))
    return [one.document for one in found]


def test_an_address_shows_what_was_there_when_it_was_made(town: LanceDB) -> None:
    rows, matrix = rows_of(["oak", "elm", "ash", "fir"]), clusters(4)
    first = filled(town, rows[:3], matrix[:3])
    town.write(TOWN, rows[3:], matrix[3:])
    town.delete(TOWN, [rows[0].id])
    second = town.commit(TOWN, "{}")
    assert set(town.entries(first)) == {row.id for row in rows[:3]}
    assert set(town.entries(second)) == set(town.entries(TOWN)) == {row.id for row in rows[1:]}
    assert nearest(town, first, matrix[:1], 9)[0][0] == "oak"
    assert "oak" not in nearest(town, second, matrix[:1], 9)[0]
    assert (matching(town, first, "oak"), matching(town, second, "oak")) == (["oak"], [])
    assert (matching(town, first, "fir"), matching(town, second, "fir")) == ([], ["fir"])


def test_rows_of_equal_id_are_replaced(town: LanceDB) -> None:
    rows, matrix = rows_of(["oak", "elm"]), clusters(2)
    filled(town, rows, matrix)
    town.write(TOWN, rows, matrix[::-1])
    assert len(town.entries(TOWN)) == lancedb.connect(town.uri).open_table(TOWN).count_rows() == 2
    stored = town.vectors(TOWN, [row.chunk.sha for row in rows] + ["unknown"])
    assert sorted(stored) == sorted(row.chunk.sha for row in rows)
    np.testing.assert_array_equal(stored[rows[0].chunk.sha], matrix[1])


def test_rows_that_are_not_there_can_be_deleted(town: LanceDB) -> None:
    filled(town, rows_of(["oak"]), clusters(1))
    town.delete(TOWN, ["unknown", "o'er"])
    town.delete(TOWN, [])
    assert len(town.entries(TOWN)) == 1


@pytest.mark.parametrize("exact_below", [10_000, 400])
def test_vector_search_finds_the_nearest_with_and_without_ivf(
    town: LanceDB, exact_below: int
) -> None:
    backend = LanceDB(town.uri, exact_below)
    names, matrix = [f"{n:04}" for n in range(400)], clusters(400)
    address = filled(backend, rows_of(names), matrix)
    table = lancedb.connect(town.uri).open_table(TOWN)
    assert ("vector" in {index.columns[0] for index in table.list_indices()}) == (
        exact_below == 400
    )
    similar = matrix[[3, 14]] @ matrix.T
    expected = [[names[at] for at in np.argsort(-row)[:5]] for row in similar]
    assert nearest(backend, address, matrix[[3, 14]], 5) == expected
    (found, _) = backend.near(address, Query(("a", "b"), matrix[[3, 14]], 5, {}))
    assert [one.score for one in found] == pytest.approx(np.sort(similar[0])[::-1][:5], abs=1e-5)
    (one,) = backend.near(address, Query(("a",), matrix[:1], 5, {"document": "0007"}))
    assert [passage.document for passage in one] == ["0007"]


@pytest.mark.parametrize("exact_below", [10_000, 400])
def test_new_rows_are_added_to_the_search_structures(town: LanceDB, exact_below: int) -> None:
    backend = LanceDB(town.uri, exact_below)
    rows, matrix = rows_of([f"{n:04}" for n in range(420)]), clusters(420)
    filled(backend, rows[:400], matrix[:400])
    backend.write(TOWN, rows[400:], matrix[400:])
    address = backend.commit(TOWN, "{}")
    table = lancedb.connect(town.uri).open_table(TOWN)
    stats = [table.index_stats(index.name) for index in table.list_indices()]
    assert [one.num_unindexed_rows for one in stats if one] == [0] * (1 + (exact_below == 400))
    assert nearest(backend, address, matrix[[410]], 1) == [["0410"]]
    assert matching(backend, address, "0410") == ["0410"]


def test_filters_and_passages_take_any_text(town: LanceDB) -> None:
    odd = 'o\'er "the" %_\\'
    rows = rows_of(["oak", odd], tags=("tall", "o'er"), date="2026-01-02")
    address = filled(town, rows, clusters(2))
    assert matching(town, address, "passage", document=odd) == [odd]
    assert sorted(matching(town, address, "passage", tags="o'er", date="2026-01-02")) == [
        odd,
        "oak",
    ]
    assert matching(town, address, "passage", tags="tal") == []
    found = town.passages(address, [(odd, 0), ("oak", 1), ("elm", 0)])
    assert [(place, one.source) for place, one in found.items()] == [((odd, 0), f"{odd}.md")]


def test_files_of_versions_that_nobody_keeps_are_deleted(town: LanceDB) -> None:
    folder, dimension = Path(town.uri) / f"{TOWN}.lance", 256
    matrix = clusters(2000, dimension)
    rows = rows_of([f"{n:04}" for n in range(2000)])
    addresses = [filled(town, rows, matrix)]
    for version in range(1, 6):
        town.write(TOWN, rows, matrix)
        addresses.append(town.commit(TOWN, "{}"))
        if version >= 2:
            town.drop(addresses.pop(0))
            time.sleep(1.1)  # nothing goes that is a second older than what stays
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert size < 5 * matrix.nbytes  # six writes of everything, and as many compacted
    for address in addresses:
        assert len(town.entries(address)) == 2000
        assert nearest(town, address, matrix[[3]], 1) == [["0003"]]
        assert matching(town, address, "0003") == ["0003"]


def test_table_goes_with_its_last_address(town: LanceDB) -> None:
    first = filled(town, rows_of(["oak"]), clusters(1))
    second = town.commit(TOWN, "{}")
    filled(town, rows_of(["elm"]), clusters(1), QUAY)
    town.drop(first)
    assert town.collections("town") == tuple(sorted((TOWN, QUAY)))
    assert matching(town, second, "oak") == ["oak"]
    town.drop(second)
    assert town.collections("town") == (QUAY,)
    with pytest.raises(InputError, match="Build the index again"):
        matching(town, second, "oak")


def test_unfinished_table_can_be_dropped(town: LanceDB) -> None:
    town.create(TOWN, 16)
    assert (town.collections("town"), town.records("town")) == ((TOWN,), {})
    town.drop(TOWN)
    assert town.collections("town") == ()


def test_address_of_a_dropped_table_never_means_one_that_was_made_again(town: LanceDB) -> None:
    first = filled(town, rows_of(["oak"]), clusters(1))
    town.drop(first)
    second = filled(town, rows_of(["elm"]), clusters(1))
    assert first.partition("-")[0] == second.partition("-")[0]  # the version counts from one
    assert first != second
    with pytest.raises(InputError, match="a version in"):
        matching(town, first, "elm")


@pytest.mark.parametrize("text", [None, "", '{"address"', "[]", "{}"])
def test_lost_or_damaged_pointer_points_at_nothing(town: LanceDB, text: str | None) -> None:
    address = filled(town, rows_of(["oak"]), clusters(1))
    town.swap("town", address)
    assert town.current("town") == address
    note = Path(town.uri) / "current.json"
    assert json.loads(note.read_text()) == {"address": address}
    note.unlink() if text is None else note.write_text(text)
    assert town.current("town") is None


def test_record_that_is_dropped_while_records_are_read_is_left_out(
    town: LanceDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = filled(town, rows_of(["oak"]), clusters(1))
    listed = [address.replace("@", "@9"), address]
    monkeypatch.setattr(LanceDB, "_addresses", lambda _: listed)
    assert list(town.records("town")) == [address]


def test_names_share_nothing(tmp_path: Path) -> None:
    town = LanceDB(str(tmp_path / "town"))
    filled(town, rows_of(["oak"]), clusters(1))
    assert town.collections("other") == ()
    assert town.records("other") == {}
    assert LanceDB(str(tmp_path / "other")).records("other") == {}


def test_commit_without_an_edit_keeps_the_version(town: LanceDB) -> None:
    first = filled(town, rows_of(["oak"]), clusters(1))
    second = town.commit(TOWN, '{"again": true}')
    assert first.partition("-")[0] == second.partition("-")[0]
    assert town.records("town") == {first: "{}", second: '{"again": true}'}
    assert town.size(first) == town.size(second) > 0
