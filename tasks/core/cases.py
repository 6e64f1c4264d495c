"""What describes a case of adapting a model, in the words that papers and people use.

Whatever is None is not known, and stays so.
"""

import difflib
import re
from dataclasses import dataclass
from functools import cache

OPEN, TUNABLE, HOSTED = "open", "tunable", "hosted"
WEIGHTS = (OPEN, TUNABLE, HOSTED)  # tunable: hosted, and its provider fine-tunes it
FORMS = ("none", "raw-text", "question-answer", "task")
FORM_WORDS = {
    "labels": "task", "labelled": "task", "labeled": "task", "instructions": "task",
    "qa": "question-answer", "qa-pairs": "question-answer", "question-answer-pairs":
    "question-answer", "text": "raw-text", "documents": "raw-text",
}  # fmt: skip
EXPOSURES = ("general", "popular", "domain", "long-tail", "private")  # well known to unknown
RETRIEVERS = ("real", "gold+distractors", "oracle")
ARCHITECTURES = ("decoder", "encoder", "encoder-decoder", "api")

TASKS: dict[str, tuple[str, ...]] = {
    "document QA": (
        "question-answering", "question answering", "qa", "rag qa", "open-domain qa",
        "reading comprehension", "multi-hop qa", "table qa", "customer support", "chatbot",
    ),
    "closed-book factual QA": (
        "closed-book qa", "factual qa", "knowledge qa", "multiple choice", "exam",
        "knowledge injection", "trivia",
    ),
    "fact verification": ("fact checking", "fact-checking", "claim verification"),
    "classification": (
        "text classification", "intent detection", "sentiment", "sentiment analysis",
        "natural language inference", "nli", "topic classification", "moderation", "ranking",
    ),
    "extraction": (
        "information extraction", "named entity recognition", "ner", "relation extraction",
        "entity linking", "slot filling",
    ),
    "summarization": ("summarisation", "headline generation", "simplification"),
    "translation": ("machine translation", "mt"),
    "generation": (
        "text generation", "dialogue", "dialog", "knowledge-grounded dialogue",
        "content generation", "data-to-text", "long-form generation", "writing",
    ),
    "code": ("code generation", "code completion", "text-to-sql", "sql", "api calls", "tool use"),
    "reasoning": ("math", "mathematical reasoning", "logical reasoning", "commonsense reasoning"),
}  # fmt: skip
LABELLED = ("classification", "fact verification", "extraction")  # no text need be written
NEAR = 0.6  # similarity of two names (difflib) from which one is taken for the other


@dataclass(frozen=True)
class Case:
    """A model, a task and the data there is; None: not known.

    `params` counts parameters. `form` says what examples there are: `task` (inputs with the
    labels or answers wanted), `question-answer` (pairs that state the facts to be learnt),
    `raw-text`, or none. `changes`: whether the knowledge changes after training. `covers`:
    whether documents hold the answers.
    """

    task: str | None = None
    params: float | None = None
    weights: str | None = None
    form: str | None = None
    examples: float | None = None
    changes: bool | None = None
    exposure: str | None = None
    covers: bool | None = None
    retriever: str | None = None


def known_form(text: str) -> str | None:
    """The form of examples that a word names, or None."""
    word = text.strip().casefold().replace(" ", "-").replace("_", "-")
    word = FORM_WORDS.get(word, word)
    return word if word in FORMS else None


def known_task(text: str) -> str | None:
    """The known task nearest to `text`, or None if none is near.

    One that it names first (`named_task`), then one that is spelled alike.
    """
    if named := named_task(text):
        return named
    names = _task_names()
    near = difflib.get_close_matches(_plain(text), names, n=1, cutoff=NEAR)
    return names[near[0]] if near else None


def named_task(text: str) -> str | None:
    """The task that a text names, or None.

    A name or synonym first, then one that stands in the text as whole words (the longest).
    """
    wanted, names = _plain(text), _task_names()
    if wanted in names:
        return names[wanted]
    within = [name for name in names if f" {name} " in f" {wanted} "]
    return names[max(within, key=len)] if within else None


@cache
def _task_names() -> dict[str, str]:
    """The task of each name and synonym."""
    return {_plain(name): task for task, synonyms in TASKS.items() for name in (task, *synonyms)}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.casefold()))
