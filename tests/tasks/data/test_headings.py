"""Titles from Markdown headings."""

import time
from pathlib import Path

import pytest

from tests.files import write_folder
from tests.tasks.data.builders import documents

pytestmark = pytest.mark.usefixtures("home")


def test_a_comment_in_a_code_block_is_no_title(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "docs", {"a.md": "```sh\n# remove all\n```\n# Title\n"})
    assert documents(source)["a"].title == "Title"


def test_a_heading_too_long_for_a_title_stays_text(tmp_path: Path) -> None:
    text = f"# {'x' * 501}\n\n## {'y ' * 250}\n\ntext"
    found = documents(write_folder(tmp_path / "docs", {"a.md": text}))["a"]
    assert (found.title, found.text) == (("y " * 250).strip(), text)


@pytest.mark.parametrize("line", ["# a" + " " * 200_000 + "b", "#" + "\t#" * 100_000 + "b"])
def test_a_heading_is_read_in_linear_time(line: str, tmp_path: Path) -> None:
    start = time.perf_counter()
    assert documents(write_folder(tmp_path / "docs", {"a.md": line}))["a"].title == "a"
    assert time.perf_counter() - start < 10  # in quadratic time it takes minutes
