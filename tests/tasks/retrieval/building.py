"""What the contract suites of building share: encoders that count, and what an index holds."""

from collections.abc import Sequence
from dataclasses import replace

from tasks.artifacts import Corpus, Index, Passage, Question, Search
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.retrieval.index import index_report
from tasks.retrieval.search import open_index
from tests.corpora import corpus_of
from tests.tasks.retrieval.town import TOWN, YARD

TEXTS = TOWN | {"yard": YARD}
NOON = "The baker now fires his oven at noon."
CANARIES = tuple(
    Question(id=document, question=question, answers=("x",), document=document)
    for document, question in (
        ("lamp", "Who trims the wick of the lamp?"),
        ("ferry", "What does a ferry crossing cost?"),
        ("bread", "When does the baker fire his oven?"),
        ("yard", "Who mends boats?"),
    )
)


class Counting:
    """The real encoder with a count of the texts that it was given; it may stop half-way."""

    def __init__(self, until: int = 10**9) -> None:
        self.texts: list[str] = []
        self.until = until

    def __call__(self, ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            if len(self.texts) >= self.until:
                raise KeyboardInterrupt
            self.texts += texts
            return real.encode(texts, kind)

        return replace(real, encode=encode)


def refuse(ref: str) -> Encoder:
    """For a build that needs no encoder."""
    raise AssertionError(f"{ref} was loaded")


def town_corpus(texts: dict[str, str], **more: object) -> Corpus:
    """A corpus whose documents share a title."""
    return corpus_of(texts, title="Town", **more)


def told(index: Index, *fields: str) -> dict[str, int]:
    """What a report counts, without what is 0 and what it cost."""
    report = index_report(index).model_dump(exclude={"seconds", "bytes"}, exclude_defaults=True)
    return {field: report[field] for field in fields} if fields else report


def everything(index: Index) -> list[Passage]:
    """All passages of an index, in the order of its documents."""
    (found,) = open_index(index).search(["the town"], Search(k=1000, mode="vector"))
    return sorted(found, key=lambda one: (one.document, one.position))


def held(index: Index) -> list[tuple[str, int, str]]:
    """Document, position and text of all that an index holds."""
    return [(one.document, one.position, one.text) for one in everything(index)]


def best(index: Index, query: str) -> Passage:
    """The passage that is nearest to a question."""
    return open_index(index).search([query], Search(k=1, mode="vector"))[0][0]
