"""The artifact store: content-addressed blobs under one fsspec URL."""

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import fsspec
from pydantic import BaseModel

from tasks.artifacts import Blob
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.services import services

Model = TypeVar("Model", bound=BaseModel)


def put_bytes(data: bytes, suffix: str) -> Blob:
    """Store bytes under their digest; storing them again changes nothing."""
    sha = digest.of_bytes(data)
    fs, root = fsspec.core.url_to_fs(services().store)
    target = f"{root}/blobs/{sha}{suffix}"
    if not fs.exists(target):
        fs.makedirs(f"{root}/blobs", exist_ok=True)
        part = f"{target}.{uuid.uuid4().hex}.part"
        fs.pipe_file(part, data)
        fs.mv(part, target)
    return Blob(uri=fs.unstrip_protocol(target), sha=sha, bytes=len(data))


def put_rows(rows: Iterable[BaseModel]) -> Blob:
    """Store values as JSON lines."""
    lines = (row.model_dump_json() + "\n" for row in rows)
    return put_bytes("".join(lines).encode("utf-8", "surrogatepass"), ".jsonl")


def get_bytes(blob: Blob) -> bytes:
    """Read a blob back and check that it is what it was."""
    with fsspec.open(blob.uri, "rb") as stream:
        data: bytes = stream.read()
    if digest.of_bytes(data) != blob.sha:
        raise InputError(blob.uri, digest.of_bytes(data), blob.sha, "Delete the damaged file.")
    return data


def get_rows(blob: Blob, model: type[Model]) -> tuple[Model, ...]:
    """Read values back from JSON lines."""
    text = get_bytes(blob).decode("utf-8", "surrogatepass")
    return tuple(model.model_validate(json.loads(line)) for line in text.split("\n") if line)


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
        fs.makedirs(f"{root}/{kind}", exist_ok=True)
        part = f"{target}.{uuid.uuid4().hex}.part"
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
