"""The glossary's sentences: every term rendered as the house wants it, and known to training."""

import csv
import re
from collections import Counter

from tests.examples.texts import EXAMPLES, rows_of, told_apart


def terms() -> dict[str, tuple[str, ...]]:
    """Each term with the spellings of its translation."""
    with (EXAMPLES / "glossary" / "glossary.csv").open(encoding="utf-8", newline="") as file:
        return {row["term"]: tuple(row["translation"].split("|")) for row in csv.DictReader(file)}


def stands(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def used(text: str) -> set[str]:
    return {term for term in terms() if stands(term, text)}


def test_the_glossary_has_one_translation_for_each_term_and_none_twice() -> None:
    spellings = [one for some in terms().values() for one in some]
    assert len(terms()) == 44
    assert len(set(spellings)) == len(spellings)


def test_a_reference_renders_its_sentences_terms_and_no_other() -> None:
    for row in rows_of("glossary"):
        for reference in row["references"]:
            rendered = {
                term
                for term, spellings in terms().items()
                if any(stands(one, reference) for one in spellings)
            }
            assert rendered == used(row["text"]), row["id"]


def test_a_house_term_stands_in_no_other_form() -> None:
    """A form that the glossary has not would be right and count as wrong."""
    known = {one for some in terms().values() for one in some}
    first = re.compile("|".join(rf"\b{some[0]}\w*" for some in terms().values()))
    found = {form for row in rows_of("glossary") for form in first.findall(row["references"][0])}
    assert found <= known


def test_dev_and_test_ask_for_terms_that_training_has_and_some_for_none() -> None:
    rows = rows_of("glossary")
    taught = {term for row in rows if row["split"] == "train" for term in used(row["text"])}
    assert taught == set(terms())
    assert Counter(row["split"] for row in rows) == {"train": 105, "dev": 79, "test": 79}
    for row in rows:
        assert row["kind"] == ("terms" if used(row["text"]) else "plain"), row["id"]
    plain = Counter(row["split"] for row in rows if row["kind"] == "plain")
    assert all(plain[split] >= 10 for split in ("train", "dev", "test"))


def test_every_term_is_asked_for_at_least_twice_outside_training() -> None:
    asked = Counter(
        term for row in rows_of("glossary") if row["split"] != "train" for term in used(row["text"])
    )
    assert all(asked[term] >= 2 for term in terms())


def test_numbers_are_kept() -> None:
    for row in rows_of("glossary"):
        digits = [sorted(re.findall(r"\d", side)) for side in (row["text"], row["references"][0])]
        assert digits[0] == digits[1], row["id"]


def test_german_has_german_quotes_and_keeps_the_sentences_end() -> None:
    for row in rows_of("glossary"):
        (reference,) = row["references"]
        assert '"' not in reference
        assert reference.count("„") == reference.count("“") == row["text"].count('"') / 2
        assert reference[-1] == row["text"][-1], row["id"]


def test_no_two_sentences_are_alike() -> None:
    assert told_apart("glossary")
