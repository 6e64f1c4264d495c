"""The reviews: balanced, of a readable length, and not to be told by single words."""

import re
from collections import Counter
from itertools import pairwise

from tests.examples.texts import rows_of, told_apart

LABELS = ("negative", "neutral", "positive")


def test_every_label_has_as_many_reviews() -> None:
    assert Counter(row["label"] for row in rows_of("reviews")) == dict.fromkeys(LABELS, 99)


def test_a_review_has_15_to_60_words() -> None:
    assert all(15 <= len(row["text"].split()) <= 60 for row in rows_of("reviews"))


def test_no_two_reviews_are_alike() -> None:
    assert told_apart("reviews")


def test_most_subjects_are_reviewed_with_each_label() -> None:
    """A name within a sentence must not tell the label."""
    labels: dict[str, set[str]] = {}
    for row in rows_of("reviews"):
        words = re.findall(r"[\w'-]+|[.?!:]", row["text"])
        for before, word in pairwise(words):
            if word[0].isupper() and len(word) > 4 and before.isalpha():
                labels.setdefault(word.removesuffix("'s"), set()).add(row["label"])
    assert sum(len(some) == len(LABELS) for some in labels.values()) >= 50
