"""What people's verdicts on answers at fault get."""

from pathlib import Path

import pytest

from tasks.artifacts import LabelledAnswer
from tasks.data.verdicts import collect_verdicts
from tasks.store import get_rows
from tests.tasks.faults import Case, assert_explained, ids, write

pytestmark = pytest.mark.usefixtures("home")

GOOD = {"text": "Close the gate.", "answer": "Tor zu.", "references": ["Tor zu!"], "good": True}
BAD = {"text": "Close the gate.", "answer": "", "good": False}

VERDICTS = [
    Case("j.csv", "text,answer,good\n", "j.csv", ".csv", ".jsonl", "kind"),
    Case("j.jsonl", "", "j.jsonl", "no rows", "one row", "Fill"),
    Case("j.jsonl", [GOOD, {"text": "t", "answer": "a"}], "line 2: good", "None", "a value",
         "Add 'good'"),
    Case("j.jsonl", [GOOD, {"text": "t", "good": False}], "line 2: answer", "None", "a value",
         "Add 'answer'"),
    Case("j.jsonl", [GOOD, BAD | {"good": "no"}], "line 2: good", "no", "boolean", "Change"),
    Case("j.jsonl", [GOOD, BAD | {"text": " "}], "line 2: text", " ", "not blank", "Fill"),
    Case("j.jsonl", [GOOD, BAD | {"refs": []}], "line 2: refs", "refs", "references",
         "Did you mean 'references'?"),
    Case("j.jsonl", [GOOD, GOOD], "j.jsonl: good", "true in all 2 rows", "both", "other kind"),
    Case("j.jsonl", [BAD], "j.jsonl: good", "false in all 1 rows", "both", "other kind"),
]  # fmt: skip


@pytest.mark.parametrize("case", VERDICTS, ids=ids)
def test_verdicts_at_fault_are_explained(case: Case, tmp_path: Path) -> None:
    path = write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: collect_verdicts(path))


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    case = Case("", "", "absent.jsonl", "no such file", "a path that exists", "run file")
    assert_explained(case, lambda: collect_verdicts(tmp_path / "absent.jsonl"))


def test_verdicts_are_kept_as_they_were_given_empty_answers_too(tmp_path: Path) -> None:
    path = write(tmp_path / "j.jsonl", [GOOD, BAD])
    rows = get_rows(collect_verdicts(path), LabelledAnswer)
    assert [(row.answer, row.references, row.good) for row in rows] == [
        ("Tor zu.", ("Tor zu!",), True), ("", (), False),
    ]  # fmt: skip
