"""The artifact store: content-addressed blobs under one fsspec URL."""

import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import fsspec
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from tasks.artifacts import Blob
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.services import services

PART = 1 << 20  # bytes read at once

Model = TypeVar("Model", bound=BaseModel)


@contextmanager
def room(where: str) -> Iterator[None]:
    """Say that a disk is full where a person can mend it; other faults are clear as they are.

    Raises:
        InputError: no space left to write to `where`.
    """
    try:
        yield
    except (OSError, RuntimeError) as fault:  # LanceDB reports what the system said in the latter
        if "No space left on device" not in str(fault):
            raise
        raise InputError(
            where, "no space left on its disk", "room for what is written",
            "Make room, or name another place, and run again; what was there is as it was.",
        ) from None  # fmt: skip


def put_bytes(data: bytes, suffix: str) -> Blob:
    """Store bytes under their digest; storing them again changes nothing."""
    return _put([data], suffix)


def put_rows(rows: Iterable[BaseModel]) -> Blob:
    """Store values as JSON lines, one at a time; what stops halfway leaves nothing."""
    return _put((f"{_line(row)}\n".encode() for row in rows), ".jsonl")


def _line(row: BaseModel) -> str:
    try:
        return row.model_dump_json()
    except PydanticSerializationError:  # half a surrogate pair: JSON can only write it escaped
        return json.dumps(row.model_dump())


def _put(parts: Iterable[bytes], suffix: str) -> Blob:
    """Write parts beside their target, which is named by the digest that is known at the end."""
    fs, root = fsspec.core.url_to_fs(services().store)
    part = f"{root}/blobs/{uuid.uuid4().hex}.part"
    try:
        with room(services().store):
            fs.makedirs(f"{root}/blobs", exist_ok=True)
            sha, size = _written(fs, part, parts)
            target = f"{root}/blobs/{sha}{suffix}"
            if not fs.exists(target):
                fs.mv(part, target)
    finally:
        if fs.exists(part):
            fs.rm(part)
    return Blob(uri=fs.unstrip_protocol(target), sha=sha, bytes=size)


def _written(fs: fsspec.AbstractFileSystem, path: str, parts: Iterable[bytes]) -> tuple[str, int]:
    """Write parts to a file; their digest and how many bytes they are."""
    seen, size = hashlib.sha256(), 0
    with fs.open(path, "wb") as stream:
        for data in parts:
            seen.update(data)
            size += stream.write(data)
    return seen.hexdigest()[: digest.LENGTH], size


def get_bytes(blob: Blob) -> bytes:
    """Read a blob back and check that it is what it was."""
    with fsspec.open(blob.uri, "rb") as stream:
        data: bytes = stream.read()
    _check(blob, digest.of_bytes(data))
    return data


def get_rows(blob: Blob, model: type[Model]) -> tuple[Model, ...]:
    """Read values back from JSON lines."""
    return tuple(iter_rows(blob, model))


def iter_rows(blob: Blob, model: type[Model]) -> Iterator[Model]:
    """Read values back from JSON lines, one at a time; the whole blob is checked before."""
    with fsspec.open(blob.uri, "rb") as stream:
        seen = hashlib.sha256()
        while part := stream.read(PART):
            seen.update(part)
        _check(blob, seen.hexdigest()[: digest.LENGTH])
        stream.seek(0)
        for line in stream:
            yield model.model_validate(json.loads(line))


def _check(blob: Blob, sha: str) -> None:
    if sha != blob.sha:
        raise InputError(blob.uri, sha, blob.sha, "Delete the damaged file.")


def put_folder(folder: Path, kind: str) -> Blob:
    """Move a finished local folder into the store under the digest of its files.

    The upload ends with a rename, so a folder in the store is whole or absent.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sha = digest.of_files(files, folder)
    size = sum(path.stat().st_size for path in files)
    fs, root = fsspec.core.url_to_fs(services().store)
    target = f"{root}/{kind}/{sha}"
    if not fs.exists(target):
        part = f"{target}.{uuid.uuid4().hex}.part"
        with room(services().store):
            fs.makedirs(f"{root}/{kind}", exist_ok=True)
            fs.put(f"{folder}/", f"{part}/", recursive=True)
            fs.mv(part, target, recursive=True)
    return Blob(uri=fs.unstrip_protocol(target), sha=sha, bytes=size)


def local_folder(blob: Blob) -> Path:
    """A local path to a folder blob; a remote one is fetched once into the cache."""
    fs, path = fsspec.core.url_to_fs(blob.uri)
    if fs.protocol == "file" or "file" in fs.protocol:
        return Path(path)
    target = services().home / "fetched" / blob.sha
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target.parent))
        fs.get(f"{path}/", f"{part}/", recursive=True)
        part.replace(target)
    return target


def exists(blob: Blob) -> bool:
    """Whether a blob is still where it was put."""
    fs, path = fsspec.core.url_to_fs(blob.uri)
    return bool(fs.exists(path))


def scratch(name: str) -> Path:
    """An empty folder for work in progress; what a killed run left there is cleared."""
    folder = services().home / "scratch" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
