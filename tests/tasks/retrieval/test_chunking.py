"""Chunks hold whole sentences under the document's title, and lose no word."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts import Document
from tasks.core import digest
from tasks.retrieval.chunking import chunk, clean, is_blank


def words(text: str) -> int:
    """A tokenizer at the edge: one token a word."""
    return len(text.split())


def document(text: str, title: str = "The Ice House") -> Document:
    return Document(
        id="ice-house", title=title, text=text, source="ice.md", sha=digest.of_text(text)
    )


SENTENCES = " ".join(f"Sentence {n} has six words." for n in range(30))


def test_chunks_end_with_sentences_and_keep_every_one() -> None:
    bodies = [piece.text.split("\n", 1)[1] for piece in chunk(document(SENTENCES), 20, words)]
    assert len(bodies) > 5
    assert all(body.startswith("Sentence") and body.endswith("words.") for body in bodies)
    assert " ".join(bodies) == SENTENCES


def test_title_is_the_first_line_of_every_chunk() -> None:
    pieces = chunk(document(SENTENCES), 20, words)
    assert {piece.text.split("\n")[0] for piece in pieces} == {"The Ice House"}


def test_positions_count_from_zero_and_sha_is_of_the_text() -> None:
    pieces = chunk(document(SENTENCES), 20, words)
    assert [piece.position for piece in pieces] == list(range(len(pieces)))
    assert all(piece.sha == digest.of_text(piece.text) for piece in pieces)
    assert {(piece.document, piece.source) for piece in pieces} == {("ice-house", "ice.md")}


def test_chunks_carry_the_documents_date_tags_and_digest() -> None:
    dated = document(SENTENCES).model_copy(update={"date": "2024-05-31", "tags": ("a", "b")})
    assert {(piece.date, piece.tags, piece.document_sha) for piece in chunk(dated, 20, words)} == {
        ("2024-05-31", ("a", "b"), dated.content_sha)
    }


def test_heading_that_is_the_title_is_not_repeated() -> None:
    (piece,) = chunk(document("# The  Ice House #\n\nBuilt in 1820."), 40, words)
    assert piece.text == "The Ice House\nBuilt in 1820."


def test_heading_that_is_not_the_title_stays() -> None:
    (piece,) = chunk(document("# History\n\nBuilt in 1820."), 40, words)
    assert piece.text == "The Ice House\n# History\n\nBuilt in 1820."


def test_hard_wrapped_lines_do_not_end_a_sentence() -> None:
    text = "The old house was\nbuilt in the year\n1820 by Ann Lee. " + SENTENCES
    first = chunk(document(text), 20, words)[0]
    assert "The old house was built in the year 1820 by Ann Lee." in first.text


def test_list_items_keep_their_lines() -> None:
    (piece,) = chunk(document("Rules:\n- no dogs\n- no fires\n1. pay\n2. go"), 40, words)
    assert piece.text.endswith("Rules:\n- no dogs\n- no fires\n1. pay\n2. go")


def test_document_of_a_title_alone_is_one_chunk() -> None:
    assert [piece.text for piece in chunk(document("# The Ice House\n"), 40, words)] == [
        "The Ice House"
    ]


def test_document_without_text_or_title_has_no_chunk() -> None:
    assert chunk(document(" \n\u0000\n ", title=""), 40, words) == ()


def test_long_title_leaves_half_the_room() -> None:
    pieces = chunk(document(SENTENCES, title="long " * 100), 20, words)
    assert all(words(piece.text) <= 20 for piece in pieces)
    assert all(piece.text.split("\n")[0] == " ".join(["long"] * 10) for piece in pieces)


def test_control_characters_and_lone_surrogates_are_removed() -> None:
    assert clean("a\x00b\x1b[0m\ud800c\r\nd\re\tf\ufeff") == "ab[0mc\nd\ne\tf"


def test_accents_are_composed() -> None:
    assert clean("cafe\u0301") == "café"


@given(st.text(max_size=400), st.text(max_size=60))
def test_no_text_makes_an_empty_oversized_or_unclean_chunk(text: str, title: str) -> None:
    def characters(part: str) -> int:
        return len("".join(part.split()))

    pieces = chunk(document(text, title), 16, characters)
    for piece in pieces:
        assert piece.text.strip()
        assert characters(piece.text) <= 16
        kinds = {unicodedata.category(c) for c in piece.text if c not in "\n\t"}
        assert not kinds & {"Cc", "Cs"}


@given(st.lists(st.text("abc.,!?\n #-", min_size=1), max_size=40))
def test_no_word_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    pieces = chunk(document(text, title=""), 16, words)
    # A heading that repeats an empty title is only its number signs.
    kept = "".join("".join(piece.text.split()) for piece in pieces)
    assert kept.replace("#", "") == "".join(text.split()).replace("#", "")


def unknown(text: str) -> int:
    """A tokenizer to which a word of any length is one token, and white space none."""
    return len(text.split())


@pytest.mark.parametrize("text", ["x" * 1_000_000, "a" + " " * 1_000_000 + "b"])
def test_text_without_breaks_is_cut_to_a_bounded_length(text: str) -> None:
    pieces = chunk(document(text), 20, unknown)
    assert max(len(piece.text) for piece in pieces) <= 20 * 16
    body = "".join(piece.text.split("\n", 1)[1] for piece in pieces)
    assert "".join(body.split()) == "".join(text.split())


def test_long_documents_are_chunked_by_parts_and_lose_no_sentence() -> None:
    text = "\n\n".join(f"{SENTENCES} The end of {n}." for n in range(500))
    pieces = chunk(document(text), 40, words)
    assert " ".join(piece.text.split("\n", 1)[1] for piece in pieces).split() == text.split()
    assert all(piece.text.endswith(".") and words(piece.text) <= 40 for piece in pieces)


def test_text_of_many_kinds_of_white_space_is_chunked() -> None:
    text = "".join("word" + gap * width for width in range(1, 600) for gap in ("\n", " ", "\t"))
    pieces = chunk(document(text), 20, words)
    assert (
        "".join("".join(piece.text.split("\n", 1)[1].split()) for piece in pieces) == "word" * 1797
    )


def test_counts_are_kept_between_documents() -> None:
    counted = []

    def count(text: str) -> int:
        counted.append(text)
        return words(text)

    first = chunk(document(SENTENCES), 20, count)
    before = len(counted)
    assert chunk(document(SENTENCES), 20, count) == first
    assert len(counted) == before + 1  # the title's, once for each document


def test_documents_of_control_characters_and_surrogates_are_blank() -> None:
    assert is_blank("\x00 \x1b\n\ud800\ufeff")
    assert not is_blank("\x00.")
    assert not is_blank("\u200b")  # a joiner is text in some scripts
    assert chunk(document("a\ud800b\x00"), 20, words)[0].text == "The Ice House\nab"
