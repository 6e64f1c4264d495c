"""Documents to passages of a few sentences, each under its document's title."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from tasks.artifacts import Document, Value
from tasks.core import digest
from tasks.data.headings import heading

# Unicode's categories Cc and Cs without tab and line feed; byte order marks.
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
SEEN = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# A line that starts a list item, quote, table row, heading or code keeps its own line.
HARD_WRAP = re.compile(r"(?<=\S)[ \t]*\n(?![ \t\n]|[-*+>|#`~=]|\d+[.)][ \t])")
# semchunk splits at the longest run of white space first, one call deeper for each kind of run:
# text with hundreds of kinds would exceed the recursion limit.
SPACES = re.compile(r"[^\S\n]{2,}")
WIDEST = 32
BLANK_LINES = re.compile(r"\n[ \n]*\n")
TALLEST = 4
# A tokenizer may take a megabyte without a space for one unknown word. Prose has 4 to 6
# characters a token; what has more than this is cut.
CHARACTERS_A_TOKEN = 16
# Longer documents are cut at a paragraph first: semchunk holds a list entry for each character
# of text without spaces (1.4 GB for 10 MB).
BLOCK = 100_000


class Chunk(Value):
    """One passage as it is embedded and as it stands in a prompt.

    `text` is the title, a newline and the passage; `sha` is its digest; `position` counts the
    passages of one document from 0; `document_sha` is the document's `content_sha`.
    """

    document: str
    title: str
    source: str
    position: int
    text: str
    sha: str
    document_sha: str
    date: str | None = None
    tags: tuple[str, ...] = ()


def chunk(document: Document, chunk_tokens: int, count: Callable[[str], int]) -> tuple[Chunk, ...]:
    """Split a document at its largest breaks: paragraphs, then sentences, then clauses.

    No chunk exceeds `chunk_tokens` tokens by `count`, title included; a title may fill at most
    half of that and is cut there. A Markdown heading that opens the document and repeats the
    title is left out; a document of a title alone becomes one chunk. Counts are kept for the
    last few `count` functions: pass the same one for all documents.
    """
    title = _first(" ".join(clean(document.title).split()), chunk_tokens // 2, count)
    body = tidy(unwrap(_without_heading(clean(document.text).strip(), document.title)))
    room = chunk_tokens - (count(title) if title else 0)
    texts = [f"{title}\n{piece}" if title else piece for piece in _pieces(body, room, count)]
    if not texts and title:
        texts = [title]
    whole = document.content_sha
    return tuple(
        Chunk(
            document=document.id,
            title=document.title,
            source=document.source,
            position=position,
            text=text,
            sha=digest.of_text(text),
            document_sha=whole,
            date=document.date,
            tags=document.tags,
        )
        for position, text in enumerate(texts)
    )


def clean(text: str) -> str:
    """Text without control characters and lone surrogates, in Unicode's composed form (NFC)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", UNSEEN.sub("", text))


def is_blank(text: str) -> bool:
    """Whether nothing of a text is left when it is cleaned."""
    return not SEEN.search(text)


def unwrap(text: str) -> str:
    """Join the lines of hard-wrapped paragraphs, so that no chunk ends where a line did."""
    return HARD_WRAP.sub(" ", text)


def tidy(text: str) -> str:
    """Text whose runs of white space are at most `WIDEST` spaces or tabs, `TALLEST` line ends."""

    def narrow(run: re.Match[str]) -> str:
        return ("\t" if run[0][0] == "\t" else " ") * min(len(run[0]), WIDEST)

    text = SPACES.sub(narrow, text)
    return BLANK_LINES.sub(lambda run: "\n" * min(run[0].count("\n"), TALLEST), text)


def _without_heading(text: str, title: str) -> str:
    first, _, rest = text.partition("\n")
    found = heading(first)
    if found is not None and found.split() == clean(title).split():
        return rest.strip()
    return text


def _pieces(text: str, tokens: int, count: Callable[[str], int]) -> list[str]:
    import semchunk

    counted = _counted(count, tokens)
    pieces = (
        piece.strip()
        for block in _blocks(text)
        for piece in semchunk.chunk(block, tokens, counted, memoize=False)
    )
    return [piece for piece in pieces if piece]


_kept = lru_cache(maxsize=4)(lru_cache(maxsize=65536))  # of a function that counts


def _counted(count: Callable[[str], int], limit: int) -> Callable[[str], int]:
    """Count at least a token for `CHARACTERS_A_TOKEN`; where that exceeds the limit, only so."""
    kept = _kept(count)

    def counted(text: str) -> int:
        least = -(-len(text) // CHARACTERS_A_TOKEN)
        return least if least > limit else max(least, kept(text))

    return counted


def _blocks(text: str) -> Iterator[str]:
    """Cut a text into parts of at most `BLOCK` characters, at the largest break of each."""
    start = 0
    while len(text) - start > BLOCK:
        middle, limit = start + BLOCK // 2, start + BLOCK
        breaks = (text.rfind(mark, middle, limit) for mark in ("\n\n", "\n", ". ", " "))
        end = next((at + 1 for at in breaks if at > 0), limit)
        yield text[start:end]
        start = end
    if text:
        yield text[start:]


def _first(text: str, tokens: int, count: Callable[[str], int]) -> str:
    pieces = _pieces(text, tokens, count)
    return pieces[0] if pieces else ""
