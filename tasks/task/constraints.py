"""What a run file asks of every answer: how prompts tell it, and how answers are scored on it."""

import json
from functools import lru_cache
from typing import Any

from tasks.artifacts import Constraints
from tasks.core.overlap import spellings, terms_in, terms_kept, within

VALID_JSON = "valid_json"
METRICS = ("within_length", VALID_JSON, "terms_kept")  # where they are asked for


def told(constraints: Constraints) -> str:
    """Sentences to end an instruction with, each after a space; of glossaries see `with_terms`."""
    least, most = constraints.min_words, constraints.max_words
    parts = [f" Use at least {least} words."] if least else []
    parts += [f" Use at most {most} words."] if most else []
    if constraints.json_schema:
        parts.append(f" Reply with JSON that fits this schema: {constraints.json_schema}")
    return "".join(parts)


def with_terms(text: str, constraints: Constraints) -> str:
    """A text, and below it how the glossary renders the terms that stand there, if any do."""
    there = terms_in(text, constraints.glossary)
    if not there:
        return text
    shown = "; ".join(f"{term} = {spellings(rendering)[0]}" for term, rendering in there)
    return f"{text}\nTerms: {shown}"


def constraint_scores(answer: str, text: str, constraints: Constraints) -> dict[str, float]:
    """How an answer keeps to what is asked of it, each from 0 to 1; nothing that is not asked.

    `within_length`: whether it has so many words; `valid_json`: whether all of it is JSON that
    fits the schema, so that a fence around it counts against it; `terms_kept`: the share of the
    glossary's terms in the text whose rendering stands in the answer, where the text has some.
    """
    scores: dict[str, float] = {}
    if constraints.min_words is not None or constraints.max_words is not None:
        scores["within_length"] = within(answer, constraints.min_words, constraints.max_words)
    if constraints.json_schema:
        scores[VALID_JSON] = float(fits(answer, constraints.json_schema))
    if there := terms_in(text, constraints.glossary):
        scores["terms_kept"] = terms_kept(answer, there)
    return scores


def fits(answer: str, schema: str) -> bool:
    """Whether an answer is JSON, by RFC 8259, that fits a JSON schema."""
    try:
        value = json.loads(answer, parse_constant=_no_number)
        return bool(_validator(schema).is_valid(value))
    except (ValueError, RecursionError):
        return False


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


@lru_cache(maxsize=8)
def _validator(schema: str) -> Any:
    from jsonschema import validators

    read = json.loads(schema)
    return validators.validator_for(read)(read)
