"""Words for an index that folds nothing."""

import pytest

from tasks.core.words import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë's CAFÉ", "zoe s cafe"),
        ("BRU\u0302LÉE bru\u0302le\u0301e", "brulee brulee"),
        ("Straße Ærø łódź ﬁne", "strasse aero lodz fine"),
        ("日本茶を2杯", "日 本 茶 を 2 杯"),
        ("ｶﾀｶﾅ", "カ タ カ ナ"),
        ("한국어 Ελλάδα ещё", "한국어 ελλαδα еще"),
        ("किताब", "किताब"),
        ('"a" AND (b* -c +d ^2 ~x:y', "a and b c d 2 x y"),
        ("one\ntwo\tthree\u00a0four—five_six", "one two three four five six"),
        ("?! \n", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_letters_are_folded_and_everything_else_parts_words(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("lamps", "lamp"), ("ferries", "ferry"), ("houses", "house"), ("shoes", "shoes")],
)
def test_plurals_meet_their_singulars(plural: str, singular: str) -> None:
    assert words(plural) == words(singular)


@pytest.mark.parametrize("word", ["glass", "bus", "this", "basis", "gas", "as", "reggae"])
def test_words_that_end_in_s_but_are_no_plurals_stay(word: str) -> None:
    assert words(word) == word


def test_folding_twice_is_folding_once() -> None:
    text = "Zoë's ferries, 日本茶 & the ﬁnest Straßen of Ærø"
    assert words(words(text)) == words(text)
