import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.scoring import (
    contains,
    exact_match,
    is_refusal,
    normalise,
    read_answer,
    score_answer,
    token_f1,
)

SAME = [
    ("The Harbour Master", "harbour master"),
    ("  grey   heron ", "Grey heron."),
    ("6,420", "6420"),
    ("1,047,000 people", "1047000 people"),
    ("“Old Gideon”", "Old Gideon"),
    ("St. Perrin\u2019s", "St Perrin's"),
    ("1939\u20131945", "1939-1945"),
    ("an apple", "the apple"),
    ("\uff11\uff12", "12"),
]

DIFFERENT = [
    ("4.5", "45"),
    ("5:15", "515"),
    ("5:15", "5.15"),
    ("4,5", "45"),
    ("40", "40 metres"),
    ("4%", "4 per cent in all"),
    ("four", "4"),
    ("12,34", "1234"),
    ("A", "the"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_articles_punctuation_and_thousands_commas_do_not_matter(one: str, other: str) -> None:
    assert exact_match(one, other) == 1.0
    assert token_f1(one, other) == 1.0


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_numbers_are_never_fused_and_units_count_as_words(one: str, other: str) -> None:
    assert exact_match(one, other) == 0.0


@pytest.mark.parametrize("text", ["The The", "A", "?", "the", "--", "C++"])
def test_text_that_normalising_would_empty_keeps_something_to_compare(text: str) -> None:
    assert normalise(text)
    assert exact_match(text, text) == 1.0
    assert contains("nothing like it", text) == 0.0


def test_f1_counts_each_word_as_often_as_both_have_it() -> None:
    assert token_f1("red red red", "red blue") == pytest.approx(2 * 1 / 5)
    assert token_f1("40", "40 metres") == pytest.approx(2 / 3)


def test_an_empty_answer_scores_nothing() -> None:
    assert score_answer("", ("12",), True) == {
        "exact_match": 0.0, "f1": 0.0, "contains": 0.0, "refused": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "expected", "score"),
    [
        ("It is 12 metres long", "12", 1.0),
        ("It was built in 1912", "12", 0.0),
        ("the Grey Heron inn", "grey heron", 1.0),
        ("grey old heron", "grey heron", 0.0),
        ("heronry", "heron", 0.0),
        ("about 6,420 people", "6420", 1.0),
        ("4.6 metres", "6", 0.0),
        ("anything", "", 0.0),
    ],
)
def test_an_answer_contains_whole_words_in_a_row(answer: str, expected: str, score: float) -> None:
    assert contains(answer, expected) == score


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "I don\u2019t know",
        "I do not know, perhaps 1886",
        "Unknown",
        "UNKNOWN.",
        "None.",
        "N/A",
        "Not mentioned",
        "The date is not mentioned.",
        "It isn't stated; not explicitly stated anywhere",
        "There is no information about that",
        "No information.",
        "The answer cannot be found",
        "It can't be determined from the passages",
        "not in the passages",
        "That is not given in the text.",
        "The passages do not say",
        "The captain's name is unknown.",
        "I'm not sure",
        "Not enough information",
    ],
)
def test_saying_that_there_is_no_answer_is_a_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The Unknown Sailor",
        "Badge number one is never given out",
        "It is not given out",
        "No. 12",
        "no",
        "none of the fleet but the Teasel",
        "Knot's Landing",
        "1886",
        "the information office",
        "Noah Dunmore",
        "nonesuch",
        "It does not include breakfast",
    ],
)
def test_an_answer_that_only_looks_like_a_refusal_is_none(text: str) -> None:
    assert not is_refusal(text)


def test_an_answerable_question_gets_its_best_expected_answer_for_each_measure() -> None:
    scores = score_answer("black heron bird", ("heron", "a black heron"), True)
    assert scores["exact_match"] == 0.0
    assert scores["f1"] == pytest.approx(0.8)
    assert scores["contains"] == 1.0


def test_an_unanswerable_question_is_right_exactly_if_refused() -> None:
    assert set(score_answer("I don't know", (), False).values()) == {1.0}
    assert set(score_answer("1886", (), False).values()) == {0.0}
    assert set(score_answer("", (), False).values()) == {0.0}


def test_refusing_an_answerable_question_is_noted_and_wrong() -> None:
    scores = score_answer("I don't know", ("1886",), True)
    assert scores["refused"] == 1.0
    assert scores["f1"] == scores["contains"] == scores["exact_match"] == 0.0


def test_an_answerable_question_without_expected_answers_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        score_answer("1886", (), True)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("\n 12 metres. \nQuestion: what else?", "12 metres"),
        ("Answer: 12", "12"),
        ("Answer:\n12", "12"),
        ("**Answer:** 12", "12"),
        ("Final answer: Answer: 12", "12"),
        ("A: 12", "12"),
        ("4.6", "4.6"),
        ("A grey heron", "A grey heron"),
        ("The answer is 12", "The answer is 12"),
        ("Answers vary: 12", "Answers vary: 12"),
        ("", ""),
        ("  \n ", ""),
        ("Answer:", ""),
    ],
)
def test_an_answer_is_the_first_line_without_prefix_and_full_stop(raw: str, answer: str) -> None:
    assert read_answer(raw) == answer


@settings(deadline=None)
@given(st.text(), st.text())
def test_f1_is_symmetric_bounded_and_one_for_an_exact_match(one: str, other: str) -> None:
    f1 = token_f1(one, other)
    assert f1 == token_f1(other, one)
    assert 0.0 <= f1 <= 1.0
    assert f1 >= exact_match(one, other)


@settings(deadline=None)
@given(st.text(alphabet="aAthe .,:'1290-é ", max_size=30))
def test_normalising_twice_changes_nothing_and_only_blank_text_becomes_empty(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert bool(once) == bool(text.strip())
