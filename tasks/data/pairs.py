"""Collects texts with references: what a good answer to each text is, in one or more wordings."""

from pathlib import Path

from tasks.artifacts import Constraints, ExampleSet, Question, Split, Value
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.data.documents import check_id
from tasks.data.questions import split_up, stored
from tasks.data.reading import filled
from tasks.data.rows import Row, as_value, read_rows
from tasks.run import Data


class _PairRow(Value):
    text: str
    references: tuple[str, ...]
    id: str | None = None
    source: str | None = None
    split: Split | None = None
    kind: str = "all"


COLUMNS = ("text", "reference", "id", "source", "split", "kind")  # of a CSV: one reference


def collect_pairs(path: Path, data: Data, seed: int, constraints: Constraints) -> ExampleSet:
    """Collect texts with references from a `.jsonl` or `.csv`, by id.

    A line of JSON has text and references, a row of CSV text and one reference. Optional are id
    (else a digest of text and references), split, kind, and source: what a text was taken from,
    which stays whole in splits and statistics. Splits, repetitions and leaks are as for questions:
    see `collect_questions`; splits that are drawn have every kind in its proportion.

    Raises:
        InputError: a row is at fault, an example leaks into another split, or a split is empty.
    """
    rows = read_rows(path, COLUMNS, ["text", "reference"])
    found = [(row.where, _pair(row, csv=path.suffix.lower() == ".csv")) for row in rows]
    questions, dropped = split_up(path, found, data, seed, by_kind=True)
    marked = {"pairs": True, "constraints": constraints}
    return stored(questions, dropped).model_copy(update=marked)


def _pair(row: Row, *, csv: bool) -> Question:
    """One row's example, checked by itself."""
    if csv:
        fields = {**row.fields, "references": [row.fields.get("reference", "")]}
        fields.pop("reference", None)
        row = Row(row.where, fields)
    read = as_value(_PairRow, row)
    filled(row.where, "text", read.text)
    filled(row.where, "kind", read.kind)
    if not read.references:
        raise InputError(
            f"{row.where}: references", read.references, "at least one reference", "Add one."
        )
    for reference in read.references:
        filled(row.where, "reference" if csv else "references", reference)
    text, references = read.text.strip(), tuple(one.strip() for one in read.references)
    # With the split: one text in two splits is two examples, which is then told as a leak.
    name = digest.of_json([text, references, read.split]) if read.id is None else read.id
    filled(row.where, "id", name)
    check_id(f"{row.where}: id", name)
    return Question(
        id=name, question=text, answers=references, document=read.source, kind=read.kind.strip(),
        split=read.split,
    )  # fmt: skip
