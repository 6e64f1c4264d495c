"""One build of a name at a time, and what a local index leaves in the store."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.artifacts import Corpus, Document, Index
from tasks.core.errors import InputError
from tasks.progress import reporter
from tasks.retrieval import lock
from tasks.retrieval.index import (
    build,
    exists,
    index_report,
    latest,
    manifest_of,
    prune,
    rollback,
    versions,
)
from tasks.retrieval.lock import alone
from tasks.run import IndexSpec
from tasks.services import services
from tasks.store import get_bytes
from tests.corpora import corpus_of, stored

SPEC = IndexSpec(chunk_tokens=32, keep=2)
HOLD = """
import time
from tasks.retrieval.lock import alone

with alone("town"):
    print("held", flush=True)
    time.sleep(60)
"""


def corpus(*texts: str) -> Corpus:
    return corpus_of({f"d{n}": text for n, text in enumerate(texts)}, title="")


@pytest.fixture
def holder(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is building the index `town`."""
    environment = os.environ | {
        "ADAPT_HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_build_says_who_is_building_and_leaves_it_alone(
    holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 1)
    said: list[str] = []
    token = reporter.set(lambda step, done, total: said.append(step))
    try:
        with pytest.raises(InputError, match=f'index town.*"process": {holder.pid}'):
            build(corpus("A bell."), SPEC, "town")
    finally:
        reporter.reset(token)
    assert f'"process": {holder.pid}' in said[0]
    assert versions("town") == ()


def test_killed_build_leaves_no_lock_behind(
    holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    monkeypatch.setattr(lock, "PATIENCE", 0)
    with alone("town"):
        assert (
            f'"process": {os.getpid()}' in (services().home / "locks/index-town.json").read_text()
        )


def test_second_build_waits_for_the_first_and_finds_its_work_done(home: Path) -> None:
    ready, built = threading.Event(), list[Index]()

    def second() -> None:
        ready.set()
        built.append(build(corpus("A bell."), SPEC, "town"))

    other = threading.Thread(target=second)
    with alone("other"), alone("town"):
        other.start()
        ready.wait()
        time.sleep(0.2)
        assert versions("town") == ()
    other.join()
    assert build(corpus("A bell."), SPEC, "town") == built[0]


def test_old_local_versions_stay_as_they_were_up_to_keep(home: Path) -> None:
    first = build(corpus("A bell."), SPEC, "town")
    second = build(corpus("A bell.", "A gull."), SPEC, "town")
    assert (exists(first), latest(first)) == (True, second)
    assert rollback("town") == first
    assert latest(second) == first
    third = build(corpus("A bell.", "A gull.", "A buoy."), SPEC, "town")
    assert index_report(third).added == 1
    assert [exists(one) for one in (first, second, third)] == [False, True, True]
    assert [(one.sha, one.current) for one in versions("town")] == [
        (third.sha, True), (second.sha, False)
    ]  # fmt: skip


def test_version_in_use_stays_beyond_keep(home: Path) -> None:
    first = build(corpus("A bell."), SPEC, "town")
    for number in range(3):
        build(corpus("A bell.", f"Gull {number}."), SPEC, "town", used=[first.sha])
    assert exists(first)
    assert len(versions("town")) == 3
    assert prune("town", 2) == (first.address,)


def test_same_corpus_after_a_rollback_becomes_current_again(home: Path) -> None:
    build(corpus("A bell."), SPEC, "town")
    second = build(corpus("A bell.", "A gull."), SPEC, "town")
    rollback("town")
    again = build(corpus("A bell.", "A gull."), SPEC, "town")
    assert again.sha == second.sha
    assert index_report(again).embedded == 0
    assert latest(second) == again


def test_damaged_or_lost_pointer_is_mended_without_embedding(home: Path) -> None:
    first = build(corpus("A bell."), SPEC, "town")
    pointer = Path(first.uri) / "current.json"
    for spoil in (pointer.unlink, lambda: pointer.write_text("{")):
        spoil()
        with pytest.raises(InputError, match="Build it first"):
            latest(first)
        again = build(corpus("A bell."), SPEC, "town")
        assert (again.sha, index_report(again).embedded) == (first.sha, 0)
        assert latest(first) == again


def test_lost_manifest_is_written_again_without_embedding(home: Path) -> None:
    first = build(corpus("A bell."), SPEC, "town")
    manifest = manifest_of(first)
    (file,) = [one for one in (home / "store" / "blobs").iterdir() if one.read_bytes() == manifest]
    file.unlink()
    again = build(corpus("A bell."), SPEC, "town")
    assert (again.sha, index_report(again).embedded) == (first.sha, 0)
    assert manifest_of(again) == manifest


def test_index_of_another_corpus_order_is_equal_in_rows(home: Path) -> None:
    one = corpus("A bell.", "A gull.")
    rows = get_bytes(one.documents).splitlines(keepends=True)
    assert len(rows) == 2
    first = build(one, SPEC, "town")
    both = [Document.model_validate_json(row) for row in reversed(rows)]
    second = build(stored(both), SPEC, "town")
    assert index_report(second).chunks_written == 0
    assert sorted(manifest_of(first).splitlines()) == sorted(manifest_of(second).splitlines())


@pytest.mark.parametrize("lost", ["table", "everything"])
def test_lost_data_is_built_again_whole(home: Path, lost: str) -> None:
    first = build(corpus("A bell.", "A gull."), SPEC, "town")
    folder = Path(first.uri)
    shutil.rmtree(next(folder.glob("*.lance")) if lost == "table" else folder)
    assert not exists(first)
    again = build(corpus("A bell.", "A gull."), SPEC, "town")
    assert (again.sha, index_report(again).embedded) == (first.sha, 2)
    assert not exists(first)
    assert [one.address for one in versions("town")] == [again.address]


def test_record_of_another_release_counts_as_none(home: Path) -> None:
    first = build(corpus("A bell."), SPEC, "town")
    record = Path(first.uri) / f"{first.address}.json"
    record.write_text(record.read_text().replace('"accepted"', '"approved"'))
    assert not exists(first)
    again = build(corpus("A bell."), SPEC, "town")
    assert (again.sha, index_report(again).embedded) == (first.sha, 0)
    assert latest(first) == again
