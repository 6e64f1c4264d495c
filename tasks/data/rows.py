"""Reads JSON lines and CSV, one row at a time, each fault named with its line and field."""

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.core.errors import InputError
from tasks.data.reading import MAX_DOCUMENT, lines, nearest, require

ROW_SUFFIXES = (".jsonl", ".csv")

Model = TypeVar("Model", bound=BaseModel)


class Row(NamedTuple):
    """One row as it was read, and where it stands."""

    where: str
    fields: dict[str, Any]


def read_rows(
    path: Path,
    known: Collection[str] = (),
    required: Collection[str] = (),
    lists: Mapping[str, str] | None = None,
    suffixes: tuple[str, ...] = ROW_SUFFIXES,
) -> Iterator[Row]:
    """The rows of a `.jsonl` or `.csv` file, one at a time.

    CSV names its columns in the first line: all of `required`, and none but `known`. An empty
    cell is a field that is not given; the cells of the columns in `lists` are parted at any of
    the characters given there.

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
    csv_rows = _csv_rows(path, known, required, lists or {})
    rows = csv_rows if suffix == ".csv" else _json_rows(path)
    first = next(rows, None)
    if first is None:
        raise InputError(str(path), "no rows", "at least one row", "Fill the file.")
    yield first
    yield from rows


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines(path), start=1):
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
    path: Path, known: Collection[str], required: Collection[str], lists: Mapping[str, str]
) -> Iterator[Row]:
    csv.field_size_limit(MAX_DOCUMENT)  # the csv module's own 131072 is but a long document
    reader = csv.reader(lines(path), strict=True)
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
                yield Row(where, {name: _cell(given[name], lists.get(name)) for name in given})
    except csv.Error as error:
        raise InputError(
            f"{path}: line {start}", str(error),
            f"CSV with cells in double quotes, none over {MAX_DOCUMENT:,} characters",
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


def _cell(cell: str, separators: str | None) -> str | list[str]:
    if separators is None:
        return cell
    parts = re.split(f"[{re.escape(separators)}]", cell)
    return [part.strip() for part in parts if part.strip()]


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
