r"""How an answer is compared with the expected ones: SQuAD's measures, with numbers kept whole.

Normalised text is lower case, without punctuation, articles and repeated white space
(Rajpurkar et al. 2016, arXiv:1606.05250). Where SQuAD's script fuses digits, this does not:

- A comma before a group of exactly three digits is dropped: 6,420 equals 6420.
- A decimal point stays: 4.5 is not 45. A decimal comma is not one: 4,5 becomes the two words
  4 and 5, and so do 5:15, 1939-45 and 3/4. List the other spelling among the answers.
- Units, currencies and number words are words like any other: "40" against "40 metres" is no
  exact match and has an F1 of 0.67, "4 per cent" is not "4%", and "four" is not "4".
- Text of which nothing would be left ("The The", "A", "?") keeps what would have gone.
"""

import re
import string
import unicodedata
from collections import Counter

ARTICLES = frozenset({"a", "an", "the"})

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[^\w\s.](?=\d)")
_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_PREFIX = re.compile(r"^(?:\W*(?:(?:the|final|short)\s+)*(?:answer|a)\W*:[\s*]*)+", re.IGNORECASE)

# What counts as saying that there is no answer; searched for in lower case, curly apostrophes
# straightened. The first table counts as the whole text alone ("Unknown" may be part of a name,
# "not given out" part of an answer), the second wherever it stands.
REFUSALS_WHOLE = (
    r"unknown|none|n/?a|no answer|no idea|unanswerable|unclear|unsure",
    r"not (?:known|given|stated|specified|available|mentioned|found|provided|answerable|sure)",
)
REFUSALS = (
    r"\b(?:do not|don't) (?:really )?know\b",
    r"\b(?:am|'m) (?:not sure|unsure|not certain|unable to)\b",
    r"\bnot (?:been )?(?:explicitly |directly )?(?:mentioned|stated|specified|disclosed)\b",
    r"\b(?:is|are|was|remains?) (?:unknown|unclear|not (?:known|given|provided|available))$",
    r"\b(?:passages?|texts?|documents?|context|information) (?:does|do|did)(?: not|n't)\b",
    r"\bno (?:information|mention|answer|details?)(?:$| (?:about|on|of|for|as to|is|was|are|in"
    r"|available|given|provided|regarding)\b)",
    r"\b(?:cannot|can't|can not|could not|couldn't) (?:be (?:found|determined|answered|inferred)"
    r"|find|determine|answer|tell|say)\b",
    r"\b(?:not enough|insufficient|not sufficient) information\b",
    r"\bnot (?:\w+ )?(?:in|by|from) the (?:\w+ )?(?:passages?|texts?|documents?|context)\b",
)
_WHOLE = re.compile("|".join(REFUSALS_WHOLE))
_ANYWHERE = re.compile("|".join(REFUSALS))


def normalise(text: str) -> str:
    """Text as it is compared; see the module for numbers. Empty only if `text` is blank."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    parted = _BETWEEN_DIGITS.sub(" ", _THOUSANDS.sub("", lowered))
    points = {match.start() for match in _DECIMAL_POINT.finditer(parted)}
    kept = [mark for at, mark in enumerate(parted) if at in points or not _is_punctuation(mark)]
    words = "".join(kept).split() or lowered.split()
    return " ".join([word for word in words if word not in ARTICLES] or words)


def _is_punctuation(mark: str) -> bool:
    return mark in string.punctuation or unicodedata.category(mark).startswith("P")


def exact_match(answer: str, expected: str) -> float:
    """1.0 if both are the same once normalised, else 0.0."""
    return float(normalise(answer) == normalise(expected))


def token_f1(answer: str, expected: str) -> float:
    """Harmonic mean of precision and recall over normalised words, each counted as it repeats."""
    found, wanted = normalise(answer).split(), normalise(expected).split()
    if not found or not wanted:
        return float(found == wanted)
    shared = (Counter(found) & Counter(wanted)).total()
    return 2 * shared / (len(found) + len(wanted))


def contains(answer: str, expected: str) -> float:
    """1.0 if the expected answer stands in the answer as whole words in a row, else 0.0.

    So "12" is in "12 metres" and not in "1912"; a blank expected answer is in nothing.
    """
    wanted = normalise(expected)
    return float(bool(wanted) and f" {wanted} " in f" {normalise(answer)} ")


def is_refusal(text: str) -> bool:
    """Whether a text says that there is no answer, by `REFUSALS_WHOLE` and `REFUSALS`.

    A hedge ("I don't know, perhaps 1886") is one; a blank text is not.
    """
    plain = " ".join(text.replace("\u2019", "'").lower().split()).strip(" .!\"'")
    return bool(_WHOLE.fullmatch(plain) or _ANYWHERE.search(plain))


def score_answer(answer: str, expected: tuple[str, ...], answerable: bool) -> dict[str, float]:
    """Scores of one answer: exact_match, f1, contains and refused, each from 0 to 1.

    An answerable question gets its best expected answer's score, for each measure by itself.
    One without an answer gets 1.0 in all three exactly if it was refused (SQuAD 2.0,
    arXiv:1806.03822).

    Raises:
        ValueError: an answerable question comes without expected answers.
    """
    refused = float(is_refusal(answer))
    if not answerable:
        return {"exact_match": refused, "f1": refused, "contains": refused, "refused": refused}
    return {
        "exact_match": max(exact_match(answer, one) for one in expected),
        "f1": max(token_f1(answer, one) for one in expected),
        "contains": max(contains(answer, one) for one in expected),
        "refused": refused,
    }


def read_answer(raw: str) -> str:
    """The answer in what a model wrote: its first line that is not blank.

    Prefixes such as "Answer:", "**Final answer:**" or "A:" go, also where the answer starts on
    the next line; so do white space around it and full stops at its end ("U.S." becomes "U.S",
    which is the same once normalised).
    """
    text = _PREFIX.sub("", raw.strip()).strip()
    line = text.splitlines()[0] if text else ""
    return line.strip().rstrip(".").rstrip()
