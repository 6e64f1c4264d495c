"""Collects people's verdicts on answers, by which a judge model is judged itself."""

from pathlib import Path

from tasks import store
from tasks.artifacts import Blob, LabelledAnswer
from tasks.core.errors import InputError
from tasks.data.reading import filled
from tasks.data.rows import as_value, read_rows


def collect_verdicts(path: Path) -> Blob:
    """Collect answers with people's verdicts from a `.jsonl`: JSON lines of `LabelledAnswer`.

    Raises:
        InputError: a row is at fault, or all answers are good or none is, so that nothing would
            show how often the judge errs.
    """
    found = []
    for row in read_rows(path, suffixes=(".jsonl",)):
        found.append(as_value(LabelledAnswer, row))
        filled(row.where, "text", found[-1].text)
    if len(seen := {one.good for one in found}) < 2:
        raise InputError(
            f"{path}: good", f"{str(seen.pop()).lower()} in all {len(found)} rows",
            "both true and false", "Add answers of the other kind.",
        )  # fmt: skip
    return store.put_rows(found)
