import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tasks.artifacts import Blob, Question
from tasks.core.errors import InputError
from tasks.services import services
from tasks.store import (
    exists,
    get_bytes,
    get_rows,
    iter_rows,
    local_folder,
    put_bytes,
    put_folder,
    put_rows,
    scratch,
)

ROWS = (
    Question(id="1", question="Café?\u2028", answers=("日本茶", "a\nb")),
    Question(id="2", question="\x7f?", answers=(), answerable=False),
)


@pytest.fixture(params=["folder", "memory"])
def stored(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in a folder, or one that no local path leads to."""
    if request.param == "memory":
        monkeypatch.setenv("ADAPT_ARTIFACT_STORE", f"memory://{home.parent.name}/store")
        services.cache_clear()
    return services().store


def listing(store: str) -> list[str]:
    fs, root = fsspec.core.url_to_fs(store)
    return sorted(str(name).removeprefix(root) for name in fs.find(root))


def leaf(folder: Path, **files: str) -> Path:
    (folder / "deep").mkdir(parents=True)
    for name, text in files.items():
        (folder / "deep" / name).write_text(text)
    return folder


def test_bytes_come_back_as_they_were_put(stored: str) -> None:
    blob = put_bytes(b"\x00weights", ".bin")
    assert get_bytes(blob) == b"\x00weights"
    assert blob.bytes == 8
    assert exists(blob)
    assert [name.split("/")[-1] for name in listing(stored)] == [f"{blob.sha}.bin"]


def test_rows_come_back_as_they_were_put(stored: str) -> None:
    assert get_rows(put_rows(ROWS), Question) == ROWS
    assert get_rows(put_rows([]), Question) == ()


def test_rows_are_read_one_at_a_time_once_the_whole_is_checked(stored: str) -> None:
    blob = put_rows(ROWS * 3)
    rows = iter_rows(blob, Question)
    assert next(rows) == ROWS[0]
    assert tuple(rows) == (ROWS * 3)[1:]
    with fsspec.open(blob.uri, "ab") as stream:
        stream.write(b"\n")
    with pytest.raises(InputError):
        next(iter_rows(blob, Question))


def test_half_a_surrogate_pair_comes_back(stored: str) -> None:
    rows = (Question(id="1", question="\ud800\x00\x1b", answers=("\udfff",)), *ROWS)
    assert get_rows(put_rows(rows), Question) == rows


def test_rows_that_stop_halfway_leave_nothing(stored: str) -> None:
    def rows() -> Iterator[Question]:
        yield ROWS[0]
        raise InputError("line 2", "x", "y", "z")

    with pytest.raises(InputError):
        put_rows(rows())
    assert listing(stored) == []


def test_rows_are_written_as_they_come(stored: str) -> None:
    rows = (Question(id=f"{n}", question="x" * 100_000, answers=()) for n in range(200))
    tracemalloc.start()
    blob = put_rows(rows)
    peak = tracemalloc.get_traced_memory()[1]
    read = sum(1 for _ in iter_rows(blob, Question))
    tracemalloc.stop()
    assert (blob.bytes, read) == (len(get_bytes(blob)), 200)
    if stored.startswith("/"):  # a store in memory holds what it is given
        assert peak < 5_000_000 < blob.bytes


def test_putting_the_same_again_changes_nothing(stored: str) -> None:
    first = put_rows(ROWS)
    assert put_rows(ROWS) == first
    assert put_rows(ROWS[:1]) != first
    assert len(listing(stored)) == 2


def test_a_blob_that_was_changed_is_refused_and_named(stored: str) -> None:
    blob = put_rows(ROWS)
    with fsspec.open(blob.uri, "wb") as stream:
        stream.write(b"{}")
    with pytest.raises(InputError) as caught:
        get_rows(blob, Question)
    assert caught.value.where == blob.uri
    assert caught.value.allowed == blob.sha


def test_a_blob_that_is_gone_does_not_exist(stored: str) -> None:
    blob = put_bytes(b"x", "")
    fs, path = fsspec.core.url_to_fs(blob.uri)
    fs.rm(path)
    assert not exists(blob)
    with pytest.raises(FileNotFoundError):
        get_bytes(blob)


def test_a_folder_comes_back_whole_with_its_subfolders(stored: str, tmp_path: Path) -> None:
    blob = put_folder(leaf(tmp_path / "made", one="1", two="22"), "adapters")
    back = local_folder(blob)
    assert {p.name: p.read_text() for p in (back / "deep").iterdir()} == {"one": "1", "two": "22"}
    assert blob.bytes == 3
    assert exists(blob)
    assert local_folder(blob) == back


def test_the_same_folder_twice_is_stored_once_and_leaves_no_part(
    stored: str, tmp_path: Path
) -> None:
    first = put_folder(leaf(tmp_path / "a", one="1"), "adapters")
    again = put_folder(leaf(tmp_path / "elsewhere", one="1"), "adapters")
    other = put_folder(leaf(tmp_path / "b", uno="1"), "adapters")
    assert again == first
    assert other.sha != first.sha
    assert listing(stored) == sorted(
        [f"/adapters/{first.sha}/deep/one", f"/adapters/{other.sha}/deep/uno"]
    )
    assert not any(".part" in name for name in listing(stored))


def test_writers_at_the_same_time_leave_one_whole_blob(stored: str) -> None:
    data = os.urandom(1 << 16)
    blobs: list[Blob] = []
    writers = [
        threading.Thread(target=lambda: blobs.append(put_bytes(data, ".x"))) for _ in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert blobs == [blobs[0]] * 8
    assert get_bytes(blobs[0]) == data
    assert len(listing(stored)) == 1


def test_the_store_is_beside_the_work_unless_one_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Path(services().store) == home.resolve() / "store"
    monkeypatch.setenv("ADAPT_ARTIFACT_STORE", "s3://bucket/place")
    services.cache_clear()
    assert services().store == "s3://bucket/place"


def test_scratch_is_emptied_of_what_a_killed_run_left(home: Path) -> None:
    (scratch("index") / "half").write_text("written")
    assert list(scratch("index").iterdir()) == []
    assert scratch("index").is_relative_to(home)
