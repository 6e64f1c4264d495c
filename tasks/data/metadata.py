"""What documents say about themselves: title, date and tags, from front matter or fields."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from tasks.artifacts import Value
from tasks.core.errors import InputError
from tasks.data.headings import MAX_TITLE
from tasks.retrieval.chunking import clean

# All stand with every passage.
MAX_TAGS = 100
MAX_TAG = 200  # characters
MAX_FRONT_MATTER = 100_000  # characters; a hundred times a long one
# libyaml is ten times as fast, but nesting 5000 deep ends the process (1 MB of stack).
SHORT_FRONT_MATTER = 2_000

# A line of three dashes, and at once a key (comments aside): below a rule stands a blank line.
_OPENS = re.compile(
    r"---[ \t]*\n(?=(?:#.*\n)*(?:(?:---|\.\.\.)[ \t]*$|[\"']?\w[\w .-]*[\"']?:(?:\s|$)))", re.M
)
_CLOSES = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.M)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt]| +)\d\d?:\d\d(?::\d\d(?:\.\d+)?)? *(?:[Zz]|[+-]\d\d?:?(?:\d\d)?)?",
    re.ASCII,
)


class Metadata(Value):
    """What a document says of itself; "" is a title that is not given."""

    title: str = ""
    date: str | None = None
    tags: tuple[str, ...] = ()


def front_matter(file: Path, text: str) -> tuple[Metadata, str]:
    """Part a Markdown text that opens with YAML front matter from it.

    Of its keys, title, date and tags (a list, or text parted at commas) are read. It is YAML
    composed but not constructed: all values are text (`no` is no truth value), and no alias is
    expanded.

    Raises:
        InputError: it is not closed, not YAML, or one of the three is malformed.
    """
    opened = _OPENS.match(text)
    if not opened:
        return Metadata(), text
    closed = _CLOSES.search(text, opened.end(), opened.end() + MAX_FRONT_MATTER)
    if not closed:
        raise InputError(
            f"{file}: line 1", "front matter without an end",
            f"a line of --- within {MAX_FRONT_MATTER:,} characters",
            "Close it, or put a blank line below a --- that is a rule.",
        )  # fmt: skip
    return _read(file, text[opened.end() : closed.start()]), text[closed.end() :]


def title_of(where: str, value: str) -> str:
    """A title on one line; "" if it is blank.

    Raises:
        InputError: it is longer than `MAX_TITLE`.
    """
    title = " ".join(clean(value).split())
    if len(title) > MAX_TITLE:
        raise InputError(
            where, f"{len(title):,} characters", f"at most {MAX_TITLE} characters", "Shorten it."
        )
    return title


def date_of(where: str, value: str) -> str | None:
    """An ISO 8601 date as YYYY-MM-DD, None if it is blank; a time behind it is left out.

    Raises:
        InputError: it is no date.
    """
    given = value.strip()
    if not given:
        return None
    timed = _TIME.fullmatch(given)
    try:
        return date.fromisoformat(timed[1] if timed else given).isoformat()
    except ValueError as error:
        raise InputError(
            where, value[:80], "an ISO 8601 date such as 2024-05-31", "Write YYYY-MM-DD."
        ) from error


def tags_of(where: str, values: Iterable[str]) -> tuple[str, ...]:
    """Tags, each once and none blank, in the order in which they are given.

    Raises:
        InputError: there are more than `MAX_TAGS`, or one is longer than `MAX_TAG`.
    """
    tags = tuple(dict.fromkeys(tag for value in values if (tag := " ".join(clean(value).split()))))
    longest = max((len(tag) for tag in tags), default=0)
    if len(tags) > MAX_TAGS or longest > MAX_TAG:
        raise InputError(
            where, f"{len(tags):,} tags, the longest of {longest:,} characters",
            f"at most {MAX_TAGS} tags of at most {MAX_TAG} characters", "Leave some out.",
        )  # fmt: skip
    return tags


def _read(file: Path, block: str) -> Metadata:
    given = Metadata()
    for key, value in _entries(file, block):
        where = f"{file}: line {_line(key)}: {key.value}"
        if key.value == "title":
            given = given.model_copy(update={"title": title_of(where, _text(where, value))})
        elif key.value == "date":
            given = given.model_copy(update={"date": date_of(where, _text(where, value))})
        elif key.value == "tags":
            given = given.model_copy(update={"tags": tags_of(where, _texts(where, value))})
    return given


def _entries(file: Path, block: str) -> list[tuple[Any, Any]]:
    """Keys and values as YAML nodes."""
    import yaml

    fast = yaml.__with_libyaml__ and len(block) <= SHORT_FRONT_MATTER
    root: Any
    try:
        root = yaml.compose(block, Loader=yaml.CSafeLoader if fast else yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(
            f"{file}: line {mark.line + 2 if mark else 1}", problem, "front matter in YAML",
            "Mend it, or put a blank line below a --- that is a rule.",
        ) from error  # fmt: skip
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise InputError(
            f"{file}: line {_line(root)}", root.id, "front matter of keys with values",
            "Write key: value, or put a blank line below a --- that is a rule.",
        )  # fmt: skip
    return list(root.value)


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 2  # marks count from 0, and --- stands above


def _text(where: str, node: Any) -> str:
    if node.id != "scalar":
        raise InputError(where, f"a {node.id}", "text", "Write one value behind the key.")
    return "" if node.tag.endswith(":null") else str(node.value)


def _texts(where: str, node: Any) -> list[str]:
    if node.id == "sequence":
        return [_text(where, item) for item in node.value]
    return _text(where, node).split(",")
