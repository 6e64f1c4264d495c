"""A hit and the chunks around it, joined to one passage."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tasks.artifacts import Passage
from tasks.core import digest

Place: TypeAlias = tuple[str, int]  # a document and a position in it


class Span(NamedTuple):
    """Positions `first` to `last` of a document, and the best of the hits among them."""

    first: int
    last: int
    rank: int


def places(hits: Sequence[Passage], reach: int) -> set[Place]:
    """Where the chunks up to `reach` before and after each hit would stand, if they exist."""
    return {
        (hit.document, position)
        for hit in hits
        for position in range(max(0, hit.position - reach), hit.position + reach + 1)
    }


def joined(
    hits: Sequence[Passage], reach: int, around: Mapping[Place, Passage]
) -> tuple[Passage, ...]:
    """One passage for each run of chunks around the hits, in the order of their best hits.

    Hits whose surroundings touch or overlap become one passage, so there are at most as many as
    hits. The text has the title once; the sha is that of the text; score as the best hit's.
    """
    chunks = {**around, **{(hit.document, hit.position): hit for hit in hits}}
    documents = dict.fromkeys(hit.document for hit in hits)
    ranked: list[tuple[int, Passage]] = []
    for document in documents:
        for span in _spans(document, hits, reach):
            at = [(document, position) for position in range(span.first, span.last + 1)]
            parts = [chunks[place] for place in at if place in chunks]
            ranked.append((span.rank, _one(parts, hits[span.rank])))
    return tuple(passage for _, passage in sorted(ranked, key=lambda one: one[0]))


def _spans(document: str, hits: Sequence[Passage], reach: int) -> Iterator[Span]:
    single = sorted(
        Span(max(0, hit.position - reach), hit.position + reach, rank)
        for rank, hit in enumerate(hits)
        if hit.document == document
    )
    present = single[0]
    for span in single[1:]:
        if span.first > present.last + 1:
            yield present
            present = span
        else:
            present = Span(present.first, span.last, min(present.rank, span.rank))
    yield present


def _one(parts: Sequence[Passage], best: Passage) -> Passage:
    if len(parts) == 1:
        return best
    head = _title_line(parts)
    text = "\n".join([parts[0].text, *(part.text.removeprefix(head) for part in parts[1:])])
    return best.model_copy(
        update={
            "position": parts[0].position,
            "last": parts[-1].position,
            "text": text,
            "sha": digest.of_text(text),
        }
    )


def _title_line(parts: Sequence[Passage]) -> str:
    """The line that opens every chunk of a document with a title; empty without one."""
    head = parts[0].text.partition("\n")[0] + "\n"
    titled = parts[0].title.strip() and all(part.text.startswith(head) for part in parts)
    return head if titled else ""
