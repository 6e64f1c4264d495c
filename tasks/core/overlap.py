"""How an answer keeps to a text: its words that stand there, the terms that a glossary asks for.

Words are those of `core.scoring.normalise`, numbers whole; both measures need a script that parts
words with spaces.
"""

import re
from functools import lru_cache

from tasks.core.scoring import normalise

Terms = tuple[tuple[str, str], ...]  # (term, its rendering: spellings parted at "|")

# What tells one content word from another, so that delayed and delay are the same.
STEM = 5
LEAST = 4  # letters of a content word; a word with a digit is one whatever its length


def faithfulness(answer: str, source: str) -> float:
    """Share of an answer's content words that stand in its source, each word counted once.

    Content words are numbers and what has `LEAST` letters, by the first `STEM` of them. This is
    an overlap of words and no entailment: "sank the ship" is as faithful as "saved the ship"
    where the source has both. A blank answer has 0.0; one without content words 1.0.
    """
    if not answer.strip():
        return 0.0
    said = {_stem(word) for word in normalise(answer).split() if _is_content(word)}
    there = {_stem(word) for word in normalise(source).split()}
    return len(said & there) / len(said) if said else 1.0


def _is_content(word: str) -> bool:
    return len(word) >= LEAST or _is_number(word)


def _is_number(word: str) -> bool:
    return any(mark.isdigit() for mark in word)


def _stem(word: str) -> str:
    return word if _is_number(word) else word[:STEM]


def terms_in(text: str, glossary: Terms) -> Terms:
    """The glossary's entries whose term stands in a text as whole words, in the glossary's order.

    Case does not count. Of two terms that overlap the longer one is there: "dry dock" does not
    ask for "dock", too.
    """
    if not glossary:
        return ()
    found = {match.lastindex for match in _any_term(glossary).finditer(text)}
    ordered = sorted(glossary, key=_longest_first)
    there = {ordered[at - 1] for at in found if at}
    return tuple(entry for entry in glossary if entry in there)


@lru_cache(maxsize=64)
def _any_term(glossary: Terms) -> re.Pattern[str]:
    """One group for each term, the longest first."""
    terms = (term for term, _ in sorted(glossary, key=_longest_first))
    return re.compile("|".join(f"({_whole(term)})" for term in terms), re.IGNORECASE)


def _longest_first(entry: tuple[str, str]) -> tuple[int, str]:
    return -len(entry[0]), entry[0]


def _whole(words: str) -> str:
    """A pattern of these words in a row, whole, however much white space parts them."""
    inner = r"\s+".join(map(re.escape, words.split()))
    return rf"(?<!\w){inner}(?!\w)"


def terms_kept(answer: str, terms: Terms) -> float:
    """Share of the terms of which one spelling stands in an answer as whole words, whatever case.

    Raises:
        ZeroDivisionError: there are no terms.
    """
    return sum(_stands(answer, rendering) for _, rendering in terms) / len(terms)


def _stands(answer: str, rendering: str) -> bool:
    return any(
        re.search(_whole(spelling), answer, re.IGNORECASE) for spelling in spellings(rendering)
    )


def spellings(rendering: str) -> tuple[str, ...]:
    """The spellings of a rendering, the first one the one to show."""
    return tuple(one.strip() for one in rendering.split("|") if one.strip())


def within(answer: str, least: int | None, most: int | None) -> float:
    """1.0 if an answer has so many words, parted by white space, else 0.0."""
    words = len(answer.split())
    return float((least or 0) <= words and (most is None or words <= most))
