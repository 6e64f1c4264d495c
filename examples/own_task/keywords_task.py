"""A task of one's own: keywords for a text, in any order, parted by commas.

`pip install examples/own_task` makes it known; a run file then says `task = "keywords"`, and its
examples are lines such as {"text": "…", "references": ["tide, gauge, winter"]}.
"""

from tasks.artifacts import Question
from tasks.task import Task, Wording


def keywords(text: str) -> set[str]:
    """The keywords of an answer, in lower case."""
    return {word.strip().casefold() for word in text.split(",")} - {""}


def score(answer: str, example: Question) -> dict[str, float]:
    """F1 of the keywords, by the best reference: 1.0 for the same ones in any order."""
    given = keywords(answer)
    expected = [keywords(reference) for reference in example.answers]
    return {"keyword_f1": max(_f1(given, wanted) for wanted in expected)}


def _f1(given: set[str], wanted: set[str]) -> float:
    return 2 * len(given & wanted) / (len(given) + len(wanted)) if given or wanted else 0.0


KEYWORDS = Task(
    name="keywords",
    data=("examples",),
    retrieves="examples",
    turn=("Text", "Keywords"),
    instruction="Give the keywords of the text, parted by commas.",
    untuned=(
        Wording("plain examples", "plain", "", examples=True),
        Wording("plain", "plain", "{instruction}", examples=True),
        Wording("chat", "chat", "{instruction}", examples=True),
    ),
    tuned=(Wording("brief", "chat", "Keywords."), Wording("instruction", "chat", "{instruction}")),
    score=score,
    metrics=("keyword_f1",),
    deciding=("keyword_f1",),
    defaults={"answering": {"max_new_tokens": 32}, "index": {"k": 4, "mode": "vector"}},
)
