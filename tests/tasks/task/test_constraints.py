import json

import pytest

from tasks.artifacts import Constraints
from tasks.task.constraints import constraint_scores, fits, told, with_terms

SCHEMA = json.dumps(
    {"type": "object", "required": ["tide"], "properties": {"tide": {"type": "number"}}}
)
GLOSSARY = (("dock", "Kai|Kaje"), ("dry dock", "Trockendock"))


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        ('{"tide": 4.5}', True),
        (' {"tide": 4.5, "more": []}\n', True),
        ('{"tide": "high"}', False),
        ("{}", False),
        ('```json\n{"tide": 4.5}\n```', False),  # all of the answer is JSON
        ('{"tide": 4.5} So it is.', False),
        ('{"tide": NaN}', False),
        ("", False),
        ("[" * 100_000, False),
    ],
)
def test_an_answer_is_valid_only_if_all_of_it_is_json_that_fits(answer: str, valid: bool) -> None:
    assert fits(answer, SCHEMA) == valid


def test_only_what_is_asked_for_is_scored() -> None:
    assert constraint_scores("Kai", "the dock", Constraints()) == {}
    asked = Constraints(max_words=1, json_schema=SCHEMA, glossary=GLOSSARY)
    assert constraint_scores("Die Kaje", "the dock", asked) == {
        "within_length": 0.0, "valid_json": 0.0, "terms_kept": 1.0,
    }  # fmt: skip
    # A text without terms has no share of them, which would count for or against an answer.
    assert "terms_kept" not in constraint_scores("Kai", "the crane", asked)


def test_what_is_asked_for_is_told_in_sentences() -> None:
    assert told(Constraints()) == ""
    assert told(Constraints(min_words=2, max_words=9)) == (
        " Use at least 2 words. Use at most 9 words."
    )
    assert SCHEMA in told(Constraints(json_schema=SCHEMA))


def test_terms_of_a_text_stand_below_it_in_their_first_spelling() -> None:
    asked = Constraints(glossary=GLOSSARY)
    assert with_terms("Lock the dock of the dry dock.", asked) == (
        "Lock the dock of the dry dock.\nTerms: dock = Kai; dry dock = Trockendock"
    )
    assert with_terms("Nothing here.", asked) == "Nothing here."
