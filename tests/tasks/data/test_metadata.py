"""What documents say about themselves: title, date and tags."""

from pathlib import Path

import pytest

from tasks.core import digest
from tests.files import write_folder, write_rows
from tests.tasks.data.builders import documents

pytestmark = pytest.mark.usefixtures("home")
FRONT = """---
title: "The  Quay: a history"
author: nobody
date: 2024-05-31T23:30:00+02:00
tags: [no, 1886, " two  words ", no]
---
# Another heading

Text.
"""


def test_front_matter_gives_title_date_and_tags_and_is_no_text(tmp_path: Path) -> None:
    found = documents(write_folder(tmp_path / "docs", {"a.md": FRONT}))["a"]
    assert (found.title, found.date) == ("The Quay: a history", "2024-05-31")
    assert found.tags == ("no", "1886", "two words")
    assert found.text == "# Another heading\n\nText."
    assert found.sha == digest.of_text(found.text)


@pytest.mark.parametrize(
    ("block", "date", "tags"),
    [
        ("tags: a, b,, a\n", None, ("a", "b")),
        ("tags:\n- a\n- ~\n- b, c\n", None, ("a", "b, c")),
        ("tags:\ndate:\ntitle: null\n", None, ()),
        ("date: 2024-05-31\n", "2024-05-31", ()),
        ('date: "20240531"\n', "2024-05-31", ()),
        ("date: 2024-W22-5\n", "2024-05-31", ()),
        ("date: 2024-05-31 9:05:00 -0500\n", "2024-05-31", ()),
        ("# a comment\ndate: 2024-05-31\n", "2024-05-31", ()),
        ("x: &x [*x]\ny: [*x, *x]\ntags: a\n", None, ("a",)),
        ("", None, ()),
    ],
)
@pytest.mark.parametrize("end", ["---", "..."])
def test_front_matter_may_be_written_in_these_ways(
    block: str, date: str | None, tags: tuple[str, ...], end: str, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "docs", {"a.md": f"\ufeff---\n{block}{end}\n# Heading\nText."})
    found = documents(source)["a"]
    assert (found.title, found.date, found.tags) == ("Heading", date, tags)
    assert found.text == "# Heading\nText."


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nBelow a rule.\n\n---\n\ntitle: x",
        "---\nProse below a rule.\n---",
        "---\n# Heading\n\ntext\n---",
        "----\ntitle: x\n----",
        "Text first.\n---\ntitle: x\n---",
    ],
)
def test_a_rule_is_no_front_matter(text: str, tmp_path: Path) -> None:
    assert documents(write_folder(tmp_path / "docs", {"a.md": text}))["a"].text == text


def test_front_matter_is_of_markdown_only(tmp_path: Path) -> None:
    found = documents(write_folder(tmp_path / "docs", {"a.txt": FRONT}))["a"]
    assert found.text == FRONT.strip()
    assert (found.date, found.tags) == (None, ())


def test_rows_give_dates_and_tags_in_jsonl_and_csv_alike(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "text": "one", "date": "2024-05-31T10:00:00Z", "tags": ["x", " y  z ", ""]},
        {"id": "b", "text": "two", "date": None, "tags": None},
        {"id": "c", "text": "three"},
    ]
    table = tmp_path / "docs.csv"
    table.write_text("id,text,tags,date\na,one,x; y  z ;,20240531\nb,two,,\nc,three,,\n")
    for source in (write_rows(tmp_path / "docs.jsonl", rows), table):
        found = documents(source)
        assert (found["a"].date, found["a"].tags) == ("2024-05-31", ("x", "y z"))
        assert {(found[name].date, found[name].tags) for name in "bc"} == {(None, ())}


def test_a_title_has_no_control_characters(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "text": "# The\x1b  Quay\ntext"},
        {"id": "b", "text": "t", "title": "\x00B"},
    ]
    found = documents(write_rows(tmp_path / "d.jsonl", rows))
    assert [found[name].title for name in "ab"] == ["The Quay", "B"]
