"""When a source counts as unchanged."""

from pathlib import Path

import pytest

from tasks.data.reading import tree_digest
from tests.files import write_folder, write_rows

pytestmark = pytest.mark.usefixtures("home")


def test_a_trees_digest_follows_what_is_read_and_nothing_else(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "docs", {"a.md": "a", "b.pdf": "b", ".c.md": "c"})
    before = tree_digest(source)
    write_folder(source, {"b.pdf": "changed", ".c.md": "changed", ".d.md": "new"})
    assert tree_digest(source) == before
    for change in ({"a.md": "changed"}, {"e.pdf": "counted"}, {"sub/a.md": "new"}):
        write_folder(source, change)
        assert tree_digest(source) != before
        before = tree_digest(source)


def test_a_files_digest_follows_its_content(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "q.jsonl", [1])
    before = tree_digest(source)
    assert tree_digest(write_rows(tmp_path / "q.jsonl", [1])) == before
    assert tree_digest(write_rows(tmp_path / "q.jsonl", [2])) != before
