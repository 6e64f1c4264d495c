"""One build of an index at a time."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.core.errors import InputError
from tasks.progress import progress
from tasks.services import services

PATIENCE = 60  # seconds to wait for another build of the same index


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the build lock of an index name on this machine; a killed holder leaves none behind.

    Raises:
        InputError: another build holds it, and still does after `PATIENCE` seconds.
    """
    folder = services().home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    note, lock = folder / f"index-{name}.json", FileLock(folder / f"index-{name}.lock")
    _acquire(lock, name, note)
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        note.write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, name: str, note: Path) -> None:
    try:
        lock.acquire(timeout=0)
        return
    except Timeout:
        holder = note.read_text(encoding="utf-8") if note.exists() else "another process"
    step = f"waiting for another build of index {name}: {holder}"
    with progress(step, PATIENCE) as advance:
        for _ in range(PATIENCE):
            try:
                lock.acquire(timeout=1)
                return
            except Timeout:
                advance(1)
    raise InputError(
        f"index {name}", f"a build of it at work: {holder}", "one build of an index at a time",
        "Wait until that one is done, or stop it.",
    )  # fmt: skip
