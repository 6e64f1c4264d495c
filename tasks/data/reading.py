"""Reads what people hand in: folders, text and lines, each fault named with its place."""

import difflib
import io
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from tasks.artifacts import Dropped
from tasks.core import digest
from tasks.core.errors import InputError, reason

TEXT_SUFFIXES = (".md", ".markdown", ".txt")
SHOWN = 3  # examples of what was left out, and of what is wrong
# Bytes of a text file or a row, far beyond any book. Measured with 50 MB of prose: 140 s to chunk
# on one CPU core, 0.5 GB of memory for its 315,000 chunks; what is longer is a log or a dump.
MAX_DOCUMENT = 100 * 2**20

Named = TypeVar("Named")  # any value with an id


def files_in(folder: Path) -> tuple[Path, ...]:
    """All files below a folder in a stable order, without those that are hidden.

    Raises:
        InputError: a folder can't be listed; its documents would look as if they were gone.
    """

    def refuse(error: OSError) -> None:
        raise InputError(
            str(error.filename), error.strerror, "a folder that can be listed", "Let it be read."
        ) from error

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return tuple(sorted(path for path in found if path.is_file()))


def tree_digest(path: Path) -> str:
    """Digest of what collecting from a file or folder depends on, to key a cache with.

    It covers each visible file's name, and the content of those that are read (in a folder,
    text); a large file that is only counted as dropped is not read.

    Raises:
        InputError: the path does not exist.
    """
    require(path)
    if path.is_file():
        return digest.of_json([path.name, digest.of_bytes(path.read_bytes())])
    return digest.of_json(
        [
            [
                file.relative_to(path).as_posix(),
                digest.of_bytes(file.read_bytes()) if is_text(file) else None,
            ]
            for file in files_in(path)
        ]
    )


def is_text(path: Path) -> bool:
    """Whether a file in a folder is read as a document."""
    return path.suffix.lower() in TEXT_SUFFIXES


def require(path: Path) -> None:
    """Raise an `InputError` if a path does not exist."""
    if not path.exists():
        raise InputError(
            str(path), "no such file or folder", "a path that exists",
            "Paths in a run file are relative to the run file.",
        )  # fmt: skip


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    require(path)
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise InputError(
            str(path), reason(error), "a file", "Name a file, and let it be read."
        ) from error


def read_text(path: Path) -> str:
    """A UTF-8 file's text with plain line ends, without a byte order mark.

    Raises:
        InputError: it is missing, unreadable, too long, binary (holds a NUL byte) or not UTF-8.
    """
    with _opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MAX_DOCUMENT:
            raise _too_long(str(path), f"{size:,} bytes")
        data = stream.read()
    return _decoded(path, data, 1)


def lines(path: Path) -> Iterator[str]:
    """A UTF-8 file's lines, each with its plain line end, without a byte order mark.

    Raises:
        InputError: it is missing, unreadable, binary or not UTF-8, or a line is too long.
    """
    number = 1
    with _opened(path) as stream:
        while data := stream.readline(MAX_DOCUMENT + 1):
            if len(data) > MAX_DOCUMENT:
                raise _too_long(f"{path}: line {number}", f"over {MAX_DOCUMENT:,} bytes")
            # Not splitlines(): JSON strings and cells may hold U+2028 and the like.
            for line in io.StringIO(_decoded(path, data, number)):
                yield line
                number += 1


def _too_long(where: str, size: str) -> InputError:
    return InputError(
        where, size, f"at most {MAX_DOCUMENT:,} bytes for one document",
        "Part it into several, or remove it.",
    )  # fmt: skip


def _decoded(path: Path, data: bytes, line: int) -> str:
    """Text from UTF-8 with plain line ends; `line` is the number of its first."""
    try:
        if b"\0" in data:
            at = data.index(0)
            raise InputError(
                f"{path}: line {line + data[:at].count(10)}", "a NUL byte", "UTF-8 text",
                "Remove this binary file, or convert it to text.",
            )  # fmt: skip
        text = data.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += data[: error.start].count(b"\n")
        raise InputError(
            f"{path}: line {line}", data[error.start : error.end], "UTF-8 text",
            "Save the file as UTF-8.",
        ) from error  # fmt: skip
    return text.replace("\r\n", "\n").replace("\r", "\n")


def nearest(name: str, known: Collection[str]) -> str:
    """A question that suggests the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"Did you mean {near[0]!r}?" if near else ""


def unique(
    rows: Iterable[tuple[str, Named]], compared: Collection[str]
) -> tuple[dict[str, Named], list[str]]:
    """Values by their `id`, and the places of those that only repeat an earlier one.

    `rows` are (where, value); two values are the same if the `compared` fields are.

    Raises:
        InputError: two values share an id and differ.
    """
    kept: dict[str, tuple[str, Named]] = {}
    repeated = []
    for where, value in rows:
        name = getattr(value, "id")  # noqa: B009  (Named says no more)
        if name not in kept:
            kept[name] = where, value
            continue
        first_where, first = kept[name]
        differing = [key for key in compared if getattr(first, key) != getattr(value, key)]
        if differing:
            raise InputError(
                f"{where}: id", name, f"an id that {first_where} does not have",
                f"Rename one, or mend what differs: {', '.join(differing)}.",
            )  # fmt: skip
        repeated.append(where)
    return {name: value for name, (_, value) in kept.items()}, repeated


def filled(where: str, field: str, value: str) -> None:
    """Raise an `InputError` if a field is blank."""
    if not value.strip():
        raise InputError(f"{where}: {field}", value, "text that is not blank", "Fill it in.")


def left_out(reasons: Mapping[str, Sequence[str]]) -> tuple[Dropped, ...]:
    """What was left out, by reason, with the first few names; empty reasons are left away."""
    return tuple(
        Dropped(reason=reason, count=len(names), examples=tuple(names[:SHOWN]))
        for reason, names in reasons.items()
        if names
    )
