"""Advice on a table of cases: read, answered line by line, and told what it does not know."""

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tasks.core.advice import Facts, allowed_first, vetoes_on
from tasks.core.cases import named_task
from tasks.core.errors import InputError, reason
from tasks.core.evidence import WORDS, known_word, read_case
from tasks.core.gains import expected_gains, rank

Line: TypeAlias = Mapping[str, str | None]

# What describes a case in a table; scores, winner and citation are never read.
COLUMNS = (
    "params_billions",
    "architecture",
    "task_type",
    "n_train",
    "training_data",
    "knowledge_changes",
    "knowledge_exposure",
    "corpus_covers",
    "retriever",
)
ADVICE = "advice"
UNKNOWN = ("unknown", "n/a", "na", "nan", "null")  # what says no more than an empty cell
LISTED = 5  # lines that a note lists


class Answered(NamedTuple):
    """A table with its advice, the faults of rows that are left without, and words not known."""

    text: str
    faults: tuple[InputError, ...]
    notes: tuple[str, ...]


def advise_on_table(path: Path, keep_going: bool = False) -> Answered:
    """A table (CSV) with a column `advice` added: the ranking of all four paths, `>`-separated.

    Cells that are empty, or words that are not known, count as unknown, and the latter are noted.
    Columns beyond `COLUMNS` are passed on, not read.

    Raises:
        InputError: no such file, columns missing, or (unless `keep_going`) a faulty number.
    """
    header, lines = _read_table(path)
    faults: list[InputError] = []
    answered: list[list[str]] = []
    unread: dict[tuple[str, str], list[int]] = {}
    for number, cells in lines:
        try:
            line = _line(path, number, header, cells)
            advice = ">".join(_ranking(path, number, line))
        except InputError as fault:
            if not keep_going:
                raise
            faults.append(fault)
            advice = ""
        else:
            for found in _unread(line):
                unread.setdefault(found, []).append(number)
        answered.append([*cells, advice])
    notes = (_note(path, *found, numbers) for found, numbers in unread.items())
    return Answered(_written([*header, ADVICE], answered), tuple(faults), tuple(notes))


def _unread(line: Line) -> Iterator[tuple[str, str]]:
    """Column and text of each cell whose word is not known as it stands."""
    for column in WORDS:
        text = (line[column] or "").strip()
        known = named_task(text) if column == "task_type" else known_word(column, text)
        if known is None and text.casefold() not in UNKNOWN and any(map(str.isalnum, text)):
            yield column, text


def _note(path: Path, column: str, text: str, numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    lines = f"line{'s' if numbers[1:] else ''} {', '.join(map(str, numbers[:LISTED]))}{more}"
    where = f"{path}: {lines}, column {column}: {text!r}"
    if read := known_word(column, text):
        return f"{where} is read as {read!r}"
    near = difflib.get_close_matches(text.casefold(), WORDS[column], n=3, cutoff=0.4)
    words = f"nearest are {', '.join(near)}" if near else f"known are {', '.join(WORDS[column])}"
    return f"{where} is not known and counts as unknown; {words}"


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows, each row with the line that it ends on; an old `advice` is dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise InputError(
            "--table", f"{path}: {reason(error)}", "a readable CSV file in UTF-8",
            "Mend it, or name another.",
        ) from error  # fmt: skip
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise InputError(
            f"{path}: line 1", ", ".join(header) or "nothing",
            "the columns " + ", ".join(COLUMNS),
            f"Add {', '.join(missing)}; cells may be empty.",
        )  # fmt: skip
    rows = [(reader.line_num, row) for row in reader if row]
    if ADVICE in header:
        drop = header.index(ADVICE)
        header = header[:drop] + header[drop + 1 :]
        rows = [(number, row[:drop] + row[drop + 1 :]) for number, row in rows]
    return header, rows


def _line(path: Path, number: int, header: Sequence[str], cells: Sequence[str]) -> Line:
    if len(cells) != len(header):
        raise InputError(
            f"{path}: line {number}", f"{len(cells)} cells", f"{len(header)}, as in line 1",
            "Quote cells that hold commas; leave unknown ones empty.",
        )  # fmt: skip
    return dict(zip(header, cells, strict=True))


def _ranking(path: Path, number: int, line: Line) -> tuple[str, ...]:
    try:
        case = read_case(line)
    except ValueError as error:
        column, text = error.args
        allowed = "a number above 0" if column == "params_billions" else "0 or more"
        raise InputError(
            f"{path}: line {number}, column {column}", text, allowed, "Mend or empty this cell."
        ) from error
    encoder = known_word("architecture", line["architecture"] or "") == "encoder"
    facts = Facts(case, generates=not encoder, min_examples=0)
    return allowed_first(rank(expected_gains(case)), vetoes_on(facts))


def _written(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
