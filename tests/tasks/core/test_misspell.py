from hypothesis import given
from hypothesis import strategies as st

from tasks.core.misspell import misspelled

TEXT = "Which bird appears on the flag of the harbour?"


def changed(before: str, after: str) -> list[tuple[str, str]]:
    pairs = zip(before.split(), after.split(), strict=True)
    return [(one, other) for one, other in pairs if one != other]


def test_equal_keys_give_equal_slips_and_others_give_others() -> None:
    assert misspelled(TEXT, 0.5, "7 q1") == misspelled(TEXT, 0.5, "7 q1")
    assert len({misspelled(TEXT, 0.5, f"7 q{n}") for n in range(20)}) > 10


def test_every_long_word_slips_at_a_share_of_one_and_short_ones_never() -> None:
    struck = changed(TEXT, misspelled(TEXT, 1, "k"))
    assert [before for before, _ in struck] == ["Which", "bird", "appears", "flag", "harbour?"]


def test_a_slip_is_one_letter_swapped_hit_beside_left_out_or_doubled() -> None:
    kinds = set()
    for n in range(200):
        ((before, after),) = changed("flag", misspelled("flag", 1, str(n)))
        assert after[0] == before[0]
        kinds.add((len(after) - len(before), sorted(after) == sorted(before)))
    assert kinds == {(-1, False), (1, False), (0, True), (0, False)}


def test_at_least_one_word_slips_and_none_at_a_share_of_zero() -> None:
    assert all(len(changed(TEXT, misspelled(TEXT, 1e-9, str(n)))) == 1 for n in range(20))
    assert misspelled(TEXT, 0, "k") == TEXT
    assert misspelled("Who is he?", 1, "k") == "Who is he?"


@given(st.text(max_size=80), st.floats(0, 1), st.text(max_size=5))
def test_whatever_the_text_a_slip_leaves_its_spaces_and_marks(text, share, key) -> None:
    found = misspelled(text, share, key)
    assert [one for one in found if not one.isalpha()] == [one for one in text if not one.isalpha()]
