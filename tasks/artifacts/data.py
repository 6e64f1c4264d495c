"""What was collected: documents, questions or labelled examples, general knowledge."""

from typing import Literal

from pydantic import Field

from tasks.artifacts.base import SCHEMA_VERSION, Blob, Split, Value
from tasks.core import digest


class Document(Value):
    """One source document; `sha` is the digest of its text, `date` is written YYYY-MM-DD."""

    id: str
    title: str
    text: str
    source: str
    sha: str
    date: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def content_sha(self) -> str:
        """Digest of all fields; its text counts by `sha`."""
        return digest.of_json(
            [self.id, self.title, self.sha, self.source, self.date, list(self.tags)]
        )


class Question(Value):
    """One question; `document` is its known source, `answers` is empty if it has no answer.

    A labelled example is one, too: its text is the question, its label the answer and the kind;
    and so is a text with references, which are the answers.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    document: str | None = None
    kind: str = "all"
    split: Split | None = None
    answerable: bool = True

    @property
    def cluster(self) -> str:
        """What this question shares with others: its source document, else only itself."""
        return self.document or self.id


class Dropped(Value):
    """How many inputs were left out for one reason, and the first few of them."""

    reason: str
    count: int
    examples: tuple[str, ...]


class Corpus(Value):
    """The documents of a run: JSON lines of `Document` in the store.

    `same_text` gives, for each document left out as a repetition, the id of the one kept.
    """

    schema_version: int = SCHEMA_VERSION
    documents: Blob
    count: int
    dropped: tuple[Dropped, ...] = ()
    same_text: dict[str, str] = Field(default_factory=dict)


class SplitCount(Value):
    """How many questions of one kind one split holds."""

    split: Split
    kind: str
    count: int


class Constraints(Value):
    """What the run file asks of every answer: told in prompts, and scored.

    `glossary` holds (term, rendering) pairs, `json_schema` a schema's text, empty without one;
    words are parted by white space.
    """

    glossary: tuple[tuple[str, str], ...] = ()
    json_schema: str = ""
    min_words: int | None = None
    max_words: int | None = None


NO_CONSTRAINTS = Constraints()


class ExampleSet(Value):
    """The questions of a run, every one with its split: JSON lines of `Question` in the store.

    `labels` are those of the training split, sorted, where the questions are labelled examples;
    `pairs` says that they are texts with references. `constraints` are those of the data.
    """

    schema_version: int = SCHEMA_VERSION
    questions: Blob
    counts: tuple[SplitCount, ...]
    dropped: tuple[Dropped, ...] = ()
    labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)
    pairs: bool = Field(False, exclude_if=lambda pairs: not pairs)
    constraints: Constraints = Field(NO_CONSTRAINTS, exclude_if=lambda one: one == NO_CONSTRAINTS)

    @property
    def searched(self) -> bool:
        """Whether the training examples are what is searched, in place of documents."""
        return bool(self.labels) or self.pairs

    def count(self, split: Split) -> int:
        """Number of questions in a split."""
        return sum(row.count for row in self.counts if row.split == split)


class LabelledAnswer(Value):
    """An answer to a text, of any origin, that people called good or not."""

    text: str
    answer: str
    references: tuple[str, ...] = ()
    good: bool = Field(strict=True)


class GeneralItem(Value):
    """A multiple-choice question of general knowledge; `answer` is an index into `choices`."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int


class GeneralText(Value):
    """General text: `replay` is mixed into training, the loss on `heldout` shows forgetting."""

    id: str
    question: str
    text: str
    split: Literal["replay", "heldout"]


class General(Value):
    """What general knowledge is checked with: JSON lines of `GeneralItem` and `GeneralText`."""

    items: Blob
    text: Blob
