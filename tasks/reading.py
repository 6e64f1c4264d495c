"""Reads what people hand in: text, JSON lines and CSV, each fault named with its line."""

import csv
import difflib
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.artifacts import Dropped
from tasks.core import digest
from tasks.core.errors import InputError

TEXT_SUFFIXES = (".md", ".markdown", ".txt")
ROW_SUFFIXES = (".jsonl", ".csv")
SHOWN = 3  # examples of what was left out, and of what is wrong
MAX_CELL = 2**31 - 1  # characters; the csv module's own limit of 131072 is a long document

Model = TypeVar("Model", bound=BaseModel)


class Row(NamedTuple):
    """One row as it was read, and where it stands."""

    where: str
    fields: dict[str, Any]


def files_in(folder: Path) -> tuple[Path, ...]:
    """All files below a folder in a stable order, without those that are hidden."""
    return tuple(
        sorted(
            path
            for path in folder.rglob("*")
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    )


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


def read_text(path: Path) -> str:
    """A UTF-8 file's text with plain line ends, without a byte order mark.

    Raises:
        InputError: it is missing, unreadable, binary (holds a NUL byte) or not UTF-8.
    """
    require(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), str(error), "a file", "Name a file, and let it be read.") from (
            error
        )
    if b"\0" in data:
        raise InputError(
            str(path), f"a NUL byte at offset {data.index(0)}", "UTF-8 text",
            "Remove this binary file, or convert it to text.",
        )  # fmt: skip
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: line {line}", data[error.start : error.end], "UTF-8 text",
            "Save the file as UTF-8.",
        ) from error  # fmt: skip
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_rows(
    path: Path,
    known: Collection[str] = (),
    required: Collection[str] = (),
    lists: Collection[str] = (),
    suffixes: tuple[str, ...] = ROW_SUFFIXES,
) -> tuple[Row, ...]:
    """The rows of a `.jsonl` or `.csv` file.

    CSV names its columns in the first line: all of `required`, and none but `known`. An empty
    cell is a field that is not given; the cells of the columns in `lists` are parted at `|`.

    Raises:
        InputError: the kind of file, a malformed line, wrong columns, or no rows at all.
    """
    require(path)
    suffix = path.suffix.lower()
    if suffix not in suffixes or path.is_dir():
        raise InputError(
            str(path),
            path.suffix or path.name,
            " or ".join(suffixes),
            "Name a file of this kind (documents may also be a folder).",
        )
    text = read_text(path)
    if suffix == ".csv":
        rows = tuple(_csv_rows(path, text, known, required, lists))
    else:
        rows = tuple(_json_rows(path, text))
    if not rows:
        raise InputError(str(path), "no rows", "at least one row", "Fill the file.")
    return rows


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    # Not splitlines(): JSON strings may hold U+2028 and the like.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            fields = json.loads(line)
            json.dumps(fields, ensure_ascii=False).encode("utf-8")  # refuses half a surrogate pair
        except (ValueError, RecursionError) as error:
            raise InputError(
                where, line[:80], "one JSON object a line", f"{error}. Mend this line."
            ) from error
        if not isinstance(fields, dict):
            raise InputError(where, line[:80], "one JSON object a line", "Mend this line.")
        yield Row(where, fields)


def _csv_rows(
    path: Path,
    text: str,
    known: Collection[str],
    required: Collection[str],
    lists: Collection[str],
) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            where, start = f"{path}: line {start}", reader.line_num + 1
            if header is None:
                header = _header(where, cells, known, required)
            elif len(cells) not in (0, len(header)):
                raise InputError(
                    where, f"{len(cells)} cells", f"{len(header)} cells: {', '.join(header)}",
                    "Quote a cell that holds a comma.",
                )  # fmt: skip
            elif cells:
                given = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
                yield Row(where, {name: _cell(given[name], name in lists) for name in given})
    except csv.Error as error:
        raise InputError(
            f"{path}: line {start}", str(error), "CSV with cells in double quotes",
            "Mend the quotes of this row.",
        ) from error  # fmt: skip


def _header(
    where: str, cells: list[str], known: Collection[str], required: Collection[str]
) -> list[str]:
    names = [cell.strip() for cell in cells]
    missing = [name for name in required if name not in names]
    wrong = [name for name in names if name not in known or names.count(name) > 1]
    if missing or wrong:
        remedy = f"Add {', '.join(missing)}. " if missing else ""
        remedy += f"Remove or rename {', '.join(map(repr, wrong))}." if wrong else ""
        raise InputError(where, ",".join(cells), f"the columns {', '.join(known)}", remedy.strip())
    return names


def _cell(cell: str, is_list: bool) -> str | list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()] if is_list else cell


def as_value(model: type[Model], row: Row) -> Model:
    """A row as a value; its first fault becomes an `InputError` that names line and field."""
    try:
        return model.model_validate(row.fields)
    except ValidationError as error:
        first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    where = f"{row.where}: {field}" if field else row.where
    if first["type"] == "extra_forbidden":
        near = nearest(field, model.model_fields)
        remedy = f"{near} Or remove it.".strip() if near else "Remove it."
        raise InputError(where, field, ", ".join(model.model_fields), remedy)
    if first["type"] == "missing":
        raise InputError(where, None, "a value", f"Add {field!r} to this row.")
    raise InputError(where, first["input"], first["msg"], "Change this value.")


def nearest(name: str, known: Collection[str]) -> str:
    """A question that suggests the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"Did you mean {near[0]!r}?" if near else ""


def unique(
    rows: Collection[tuple[str, Model]], compared: Collection[str]
) -> tuple[dict[str, Model], list[str]]:
    """Values by their `id`, and the places of those that only repeat an earlier one.

    `rows` are (where, value); two values are the same if the `compared` fields are.

    Raises:
        InputError: two values share an id and differ.
    """
    kept: dict[str, tuple[str, Model]] = {}
    repeated = []
    for where, value in rows:
        name = getattr(value, "id")  # noqa: B009  (Model is any value with an id)
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
