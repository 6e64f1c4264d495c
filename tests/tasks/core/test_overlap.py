import pytest

from tasks.core.overlap import faithfulness, spellings, terms_in, terms_kept, within

SOURCE = "The dry dock flooded at 5:15; 6,420 litres were pumped out and the harbour closed."


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("The dock flooded.", 1.0),
        ("Flooding of the dock", 1.0),  # the same first letters
        ("6420 litres", 1.0),
        ("6,421 litres", 0.5),  # numbers count whole
        ("The crane collapsed.", 0.0),
        ("Flooded flooded flooded crane", 0.5),  # a word counts once
        ("", 0.0),
        ("it was so", 1.0),  # nothing to check
    ],
)
def test_faithfulness_is_the_share_of_content_words_in_the_source(
    answer: str, share: float
) -> None:
    assert faithfulness(answer, SOURCE) == pytest.approx(share)


GLOSSARY = (("dock", "Kai"), ("dry dock", "Trockendock"), ("c++ valve", "Ventil|Ventile"))


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("Close the dock.", ["dock"]),
        ("Close the DRY\n  dock.", ["dry dock"]),  # the longer one alone, whatever case and space
        ("The dry dock and the other dock", ["dock", "dry dock"]),
        ("Close the docks.", []),  # whole words
        ("a c++ valve", ["c++ valve"]),
        ("", []),
    ],
)
def test_terms_of_a_text_are_whole_words_the_longer_one_first(text: str, there: list[str]) -> None:
    assert [term for term, _ in terms_in(text, GLOSSARY)] == there


def test_no_glossary_asks_for_nothing() -> None:
    assert terms_in("dock", ()) == ()


def test_any_spelling_of_a_translation_will_do_as_whole_words() -> None:
    assert terms_kept("Die VENTILE am Kai", GLOSSARY) == pytest.approx(2 / 3)
    assert terms_kept("Der Kaiser", GLOSSARY[:1]) == 0
    assert spellings("Ventil| Ventile |") == ("Ventil", "Ventile")


@pytest.mark.parametrize(
    ("least", "most", "is_within"),
    [(None, 3, 1), (None, 2, 0), (3, 3, 1), (4, None, 0), (None, None, 1)],
)
def test_length_is_counted_in_words(least: int | None, most: int | None, is_within: int) -> None:
    assert within("one two\nthree", least, most) == is_within
