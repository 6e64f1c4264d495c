import itertools
import random
import time

import pytest

from tasks.core.leakage import crossing, resembling, shingles
from tasks.core.splits import joined

LONG = "When did the ferry Marrable Maid first cross the wide harbour to Lime Quay"


def test_the_same_question_in_other_case_and_punctuation_crosses() -> None:
    (leak,) = crossing([("a", "Who built it?", "train"), ("b", "who built IT", "test")], 1.0)
    assert (leak.id, leak.split, leak.other_id, leak.other_split) == ("b", "test", "a", "train")
    assert leak.similarity == 1.0


def test_a_near_duplicate_crosses_from_its_threshold_on() -> None:
    # 14 words have 12 trigrams; one more at the end adds one: 12 of 13 are shared.
    pair = [("a", LONG, "train"), ("b", f"{LONG} again", "dev")]
    (leak,) = crossing(pair, 12 / 13)
    assert leak.similarity == pytest.approx(12 / 13)
    assert crossing(pair, 12 / 13 + 1e-6) == ()


def test_a_similarity_of_exactly_the_threshold_is_found_despite_rounding() -> None:
    # 14 trigrams of 25: 0.56 * 25 is 14.000000000000002 in floating point.
    short = " ".join(f"w{n}" for n in range(16))
    longer = " ".join(f"w{n}" for n in range(27))
    assert len(crossing([("a", short, "train"), ("b", longer, "dev")], 0.56)) == 1


def test_near_duplicates_within_a_split_are_no_leak() -> None:
    assert crossing([("a", LONG, "dev"), ("b", LONG, "dev")], 0.5) == ()


def test_other_words_for_the_same_fact_are_no_leak() -> None:
    pair = [("a", "Who built the lighthouse?", "train"), ("b", "Its builder was who?", "test")]
    assert crossing(pair, 0.8) == ()


def test_short_questions_are_compared_as_sets_of_words() -> None:
    found = crossing([("a", "Harbour master?", "train"), ("b", "master, harbour", "test")], 0.8)
    assert len(found) == 1
    assert crossing([("a", "Harbour master?", "train"), ("b", "Harbour", "test")], 0.8) == ()


def test_a_short_question_does_not_resemble_a_long_one_that_holds_its_words() -> None:
    assert crossing([("a", "who sang", "train"), ("b", "who sang it", "test")], 0.1) == ()


def test_questions_without_words_leak_only_if_they_are_the_same() -> None:
    assert shingles("???") != shingles("!!")
    assert crossing([("a", "???", "train"), ("b", "!!", "test")], 0.5) == ()
    assert len(crossing([("a", "???", "train"), ("b", "???", "test")], 0.5)) == 1


def test_one_wording_in_three_splits_is_three_leaks_however_often_it_stands_there() -> None:
    rows = [(f"{split}{n}", LONG, split) for split in ("train", "dev", "test") for n in range(50)]
    leaks = crossing(rows, 0.8)
    assert {frozenset((leak.split, leak.other_split)) for leak in leaks} == {
        frozenset(pair) for pair in itertools.combinations(("train", "dev", "test"), 2)
    }
    assert len(leaks) == 3


def test_each_two_splits_of_two_similar_wordings_are_met_once() -> None:
    rows = [("a", LONG, "train"), ("b", f"{LONG} again", "train"), ("c", f"{LONG} again", "dev")]
    pairs = {(leak.id, leak.other_id) for leak in crossing(rows, 0.8)}
    assert len(pairs) == 2
    assert {frozenset(pair) for pair in pairs} == {frozenset("bc"), frozenset("ac")}


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01])
def test_a_threshold_that_means_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        crossing([("a", LONG, "train")], threshold)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_the_index_finds_exactly_what_comparing_all_pairs_finds(threshold: float) -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choices("abcd", k=draw.randint(1, 12))) for _ in range(150)]
    found = {
        frozenset((leak.id, leak.other_id))
        for leak in crossing([(str(n), text, str(n)) for n, text in enumerate(texts)], threshold)
    }
    sets = [shingles(text) for text in texts]
    expected = {
        frozenset((str(a), str(b)))
        for a, b in itertools.combinations(range(len(texts)), 2)
        if len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= threshold
    }
    assert found == expected


def test_joining_resembling_questions_gives_the_groups_that_all_pairs_give() -> None:
    rows = [("a", LONG), ("b", LONG), ("c", f"{LONG} again"), ("d", "Who rang the bell?")]
    groups = joined([name for name, _ in rows], resembling(rows, 0.8))
    assert groups == {"a": "a", "b": "a", "c": "a", "d": "d"}


@pytest.mark.parametrize(
    "pattern",
    [
        "what is the population of {0}",
        "what is the name of the {0} near the {1}",
        "when was the {0} by the {1} first opened to the people of the town",
    ],
)
def test_ten_thousand_questions_of_one_pattern_take_seconds(pattern: str) -> None:
    rows = [
        (str(n), pattern.format(f"place{n}", f"quay{n % 700}"), "dev" if n % 2 else "test")
        for n in range(10_000)
    ]
    start = time.perf_counter()
    crossing(rows, 0.8)
    assert time.perf_counter() - start < 15
