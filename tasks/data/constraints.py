"""Reads what the run file's data ask of every answer: a glossary, a JSON schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.artifacts import NO_CONSTRAINTS, Constraints, Value
from tasks.core.errors import InputError
from tasks.core.overlap import spellings
from tasks.data.reading import filled, read_text
from tasks.data.rows import as_value, read_rows
from tasks.run import Data


class _Entry(Value):
    term: str
    translation: str


COLUMNS = tuple(_Entry.model_fields)


def read_constraints(data: Data, root: Path) -> Constraints:
    """The glossary and the JSON schema that [data] names, if it does; `root` is the run file's.

    Raises:
        InputError: a file is missing or malformed: see `read_glossary` and `read_schema`.
    """
    found = NO_CONSTRAINTS
    if data.glossary is not None:
        found = found.model_copy(update={"glossary": read_glossary(root / data.glossary)})
    if data.json_schema is not None:
        found = found.model_copy(update={"json_schema": read_schema(root / data.json_schema)})
    return found


def read_glossary(path: Path) -> tuple[tuple[str, str], ...]:
    """The pairs of a `.jsonl` or `.csv` with `term` and `translation`.

    A translation may have several spellings, parted at `|`: any of them will do, the first one is
    shown.

    Raises:
        InputError: a row is at fault, or two rows translate one term.
    """
    entries: dict[str, tuple[str, _Entry]] = {}
    for row in read_rows(path, COLUMNS, COLUMNS):
        entry = as_value(_Entry, row)
        filled(row.where, "term", entry.term)
        if not spellings(entry.translation):
            raise InputError(
                f"{row.where}: translation", entry.translation, "at least one spelling",
                "Fill it in.",
            )  # fmt: skip
        name = " ".join(entry.term.casefold().split())
        if name in entries:
            first, other = entries[name]
            raise InputError(
                f"{row.where}: term", entry.term, "a term that no other row has",
                f"{first} has {other.translation!r}: put its spellings in one row, parted at |.",
            )  # fmt: skip
        entries[name] = row.where, entry
    return tuple((one.term.strip(), one.translation.strip()) for _, one in entries.values())


def read_schema(path: Path) -> str:
    """A JSON schema's text, without needless white space.

    Raises:
        InputError: the file is missing, is not JSON or no schema, or refers to another file.
    """
    from jsonschema import SchemaError, validators

    try:
        schema = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), str(error), "a JSON schema", "Mend the JSON.") from error
    if not isinstance(schema, dict):
        raise InputError(str(path), schema, "a JSON object that is a schema", "Mend it.")
    try:
        validators.validator_for(schema).check_schema(schema)
    except SchemaError as error:
        where = f"{path}: {error.json_path}"
        raise InputError(where, error.instance, error.message, "Mend the schema.") from error
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise InputError(
                f"{path}: $ref", reference, "a reference within the schema, such as #/$defs/name",
                "Put what it refers to under $defs.",
            )  # fmt: skip
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(held, str):
                yield held
            yield from _references(held)
    elif isinstance(value, list):
        for held in value:
            yield from _references(held)
