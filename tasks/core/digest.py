"""Content digests: equal content, equal digest, on every machine and in every process."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

LENGTH = 16  # hex digits; 64 bits keep collisions below 1e-7 for a million blobs


def of_bytes(data: bytes) -> str:
    """Digest of raw bytes, `LENGTH` hex digits of SHA-256."""
    return hashlib.sha256(data).hexdigest()[:LENGTH]


def of_text(text: str) -> str:
    """Digest of text as UTF-8."""
    return of_bytes(text.encode("utf-8", "surrogatepass"))


def of_json(value: object) -> str:
    """Digest of a JSON-serialisable value, independent of key order."""
    return of_text(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def of_file(file: Path) -> str:
    """Digest of a file's content, as `of_bytes`; read in pieces, so it may exceed memory."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:LENGTH]


def of_files(files: Iterable[Path], root: Path) -> str:
    """Digest of files' names relative to `root` and their contents, in any order."""
    return of_json(
        sorted([str(file.relative_to(root)), of_bytes(file.read_bytes())] for file in files)
    )
