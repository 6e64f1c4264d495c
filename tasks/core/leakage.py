"""Finds questions that say nearly the same, so that none stands in two splits.

Two questions are compared by the Jaccard similarity of their word trigrams, exactly, not by
sketches: words in lower case and without punctuation, so that identical wordings have a
similarity of 1. A question of fewer than three words is a set of words instead; it resembles
only other such questions. The search is by prefix filtering (Bayardo, Ma and Srikant 2007,
doi:10.1145/1242572.1242591; Xiao et al. 2008, doi:10.1145/1367497.1367516): sets whose
similarity reaches t share one of their rarest shingles, so that only few pairs are compared.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Shingles = frozenset[tuple[str, ...]]

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Leak:
    """Two questions in two splits that say nearly the same; `similarity` is from 0 to 1."""

    id: str
    split: str
    text: str
    other_id: str
    other_split: str
    other_text: str
    similarity: float


def shingles(text: str) -> Shingles:
    """The word trigrams of a text, or its words if there are fewer than three."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold()) or [text.strip()]
    if len(words) < 3:
        return frozenset((word,) for word in words)
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def crossing(questions: Sequence[tuple[str, str, str]], threshold: float) -> tuple[Leak, ...]:
    """The near-duplicates among (id, text, split) whose splits differ, the most similar first.

    One leak for each pair of wordings and of splits, however many questions share a wording.

    Raises:
        ValueError: `threshold` is not above 0 and at most 1.
    """
    by_wording: dict[Shingles, dict[str, tuple[str, str]]] = defaultdict(dict)
    for name, text, split in questions:
        by_wording[shingles(text)].setdefault(split, (name, text))
    wordings = list(by_wording)
    pairs = [(at, at, 1.0) for at in range(len(wordings))]
    leaks = [
        Leak(*one, *other, similarity)
        for left, right, similarity in [*pairs, *_similar(wordings, threshold)]
        for one, other in _across(by_wording[wordings[left]], by_wording[wordings[right]])
    ]
    return tuple(sorted(leaks, key=lambda leak: (-leak.similarity, leak.id, leak.other_id)))


def _across(
    left: dict[str, tuple[str, str]], right: dict[str, tuple[str, str]]
) -> Iterator[tuple[tuple[str, str, str], tuple[str, str, str]]]:
    """(id, split, text) of each two questions in different splits, one of each wording."""
    for split, (name, text) in left.items():
        for other_split, (other_name, other_text) in right.items():
            # Within one wording, each two splits are met twice.
            if split < other_split or (split != other_split and left is not right):
                yield (name, split, text), (other_name, other_split, other_text)


def resembling(questions: Sequence[tuple[str, str]], threshold: float) -> list[tuple[str, str]]:
    """Pairs of ids that join all near-duplicates among (id, text) into connected groups.

    Questions of one wording are each joined to the first of them, so that the number of pairs
    stays linear where a wording repeats.
    """
    first: dict[Shingles, str] = {}
    pairs = [(first.setdefault(shingles(text), name), name) for name, text in questions]
    wordings = list(first)
    similar = _similar(wordings, threshold)
    return pairs + [(first[wordings[left]], first[wordings[right]]) for left, right, _ in similar]


def _similar(wordings: Sequence[Shingles], threshold: float) -> list[tuple[int, int, float]]:
    """Positions of each two different wordings whose similarity reaches the threshold."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold}")
    frequency = Counter(shingle for wording in wordings for shingle in wording)
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    found = []
    # Smaller sets come first: a later one shares at least 2t / (1 + t) of an earlier one's.
    for at in sorted(range(len(wordings)), key=lambda at: len(wordings[at])):
        wording = wordings[at]
        rarest = sorted(wording, key=lambda shingle: (frequency[shingle], shingle))
        probed = rarest[: _prefix(len(wording), threshold)]
        for other in {other for shingle in probed for other in index[shingle]}:
            shared = len(wording & wordings[other])
            similarity = shared / (len(wording) + len(wordings[other]) - shared)
            if similarity >= threshold:
                found.append((other, at, similarity))
        for shingle in rarest[: _prefix(len(wording), 2 * threshold / (1 + threshold))]:
            index[shingle].append(at)
    return found


def _prefix(size: int, share: float) -> int:
    """How many of a set's shingles, any of them, must hold one of a part of it this large."""
    # The slack keeps a product such as 0.56 * 25 = 14.000000000000002 from rounding up.
    return size - math.ceil(share * size - 1e-9) + 1
