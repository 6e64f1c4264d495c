"""Documents to passages of a few sentences, each under its document's title."""

import re
import unicodedata
from collections.abc import Callable

from tasks.artifacts import Document, Value
from tasks.core import digest

HEADING = re.compile(r"#{1,6}[ \t]+(?P<title>[^\n]*?)[ \t#]*(?:\n|$)")
# A line that starts a list item, quote, table row, heading or code keeps its own line.
HARD_WRAP = re.compile(r"(?<=\S)[ \t]*\n(?![ \t\n]|[-*+>|#`~=]|\d+[.)][ \t])")


class Chunk(Value):
    """One passage as it is embedded and as it stands in a prompt.

    `text` is the title, a newline and the passage; `sha` is its digest; `position` counts the
    passages of one document from 0.
    """

    document: str
    title: str
    source: str
    position: int
    text: str
    sha: str


def chunk(document: Document, chunk_tokens: int, count: Callable[[str], int]) -> tuple[Chunk, ...]:
    """Split a document at its largest breaks: paragraphs, then sentences, then clauses.

    No chunk exceeds `chunk_tokens` tokens by `count`, title included; a title may fill at most
    half of that and is cut there. A Markdown heading that opens the document and repeats the
    title is left out; a document of a title alone becomes one chunk. `count` is kept by semchunk's
    cache: pass the same function for all documents.
    """
    title = _first(" ".join(clean(document.title).split()), chunk_tokens // 2, count)
    body = unwrap(_without_heading(clean(document.text).strip(), document.title))
    room = chunk_tokens - (count(title) if title else 0)
    texts = [f"{title}\n{piece}" if title else piece for piece in _pieces(body, room, count)]
    if not texts and title:
        texts = [title]
    return tuple(
        Chunk(
            document=document.id,
            title=document.title,
            source=document.source,
            position=position,
            text=text,
            sha=digest.of_text(text),
        )
        for position, text in enumerate(texts)
    )


def clean(text: str) -> str:
    """Text without control characters and lone surrogates, in Unicode's composed form (NFC)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", "".join(kept).replace("\ufeff", ""))


def unwrap(text: str) -> str:
    """Join the lines of hard-wrapped paragraphs, so that no chunk ends where a line did."""
    return HARD_WRAP.sub(" ", text)


def _without_heading(text: str, title: str) -> str:
    heading = HEADING.match(text)
    if heading and heading["title"].split() == clean(title).split():
        return text[heading.end() :].strip()
    return text


def _pieces(text: str, tokens: int, count: Callable[[str], int]) -> list[str]:
    import semchunk

    pieces = semchunk.chunk(text, tokens, count, cache_maxsize=65536) if text else []
    return [piece.strip() for piece in pieces if piece.strip()]


def _first(text: str, tokens: int, count: Callable[[str], int]) -> str:
    pieces = _pieces(text, tokens, count)
    return pieces[0] if pieces else ""
