"""Markdown headings (ATX, CommonMark 4.2), in time linear in the text."""

import re

_LINES = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t].*)?$|```|~~~)", re.MULTILINE)
_MARKS = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
MAX_TITLE = 500  # characters; it stands with every passage. A longer heading is no title


def heading(line: str) -> str | None:
    """The text of a heading's line, None if the line is not a heading."""
    marks = _MARKS.match(line)
    if not marks:
        return None
    text = line[marks.end() :].strip()
    bare = text.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else text


def first_heading(text: str) -> str:
    """The first heading outside code blocks that can be a title, or nothing."""
    fenced = False
    for line in _LINES.finditer(text):
        found = heading(line[0])
        fenced ^= found is None
        if found and not fenced and len(found) <= MAX_TITLE:
            return found
    return ""
