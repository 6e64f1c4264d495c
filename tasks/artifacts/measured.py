"""What a system answered, and how it scored."""

from typing import Any

from pydantic import Field

from tasks.artifacts.base import SCHEMA_VERSION, Blob, PathName, Split, Value
from tasks.artifacts.retrieval import Passage
from tasks.artifacts.systems import Cost, ModelRef, System
from tasks.core.stats import Interval


class Answer(Value):
    """One answer with all that a person needs to see why it was given and how it was scored.

    `probabilities` are those of the labels it was chosen among; they sum to 1.
    """

    question_id: str
    cluster: str
    kind: str
    question: str
    expected: tuple[str, ...]
    prompt: str
    passages: tuple[Passage, ...]
    answer: str
    scores: dict[str, float]
    tokens_in: int
    tokens_out: int
    probabilities: dict[str, float] = Field({}, exclude_if=lambda labels: not labels)


class Answers(Value):
    """A system's answers to one split: JSON lines of `Answer` in the store."""

    schema_version: int = SCHEMA_VERSION
    blob: Blob
    system: str
    questions_sha: str
    split: Split
    n: int
    cost: Cost


class GeneralScore(Value):
    """General knowledge of one model with or without adapter.

    `accuracy` over the items, `loss` is nats per token of held-out text; `correct` is 0 or 1
    for each item, in the items' order, so that two models can be compared pair by pair.
    """

    accuracy: Interval
    loss: Interval
    correct: tuple[int, ...]


class CorpusScore(Value):
    """A figure that only a whole set of answers has, with the signature that says how it was had.

    It has no interval and decides nothing.
    """

    name: str
    value: float
    signature: str


class Scorecard(Value):
    """Everything measured of one system on one split."""

    model: str
    params: float | None
    path: PathName
    split: Split
    questions_digest: str
    primary: str
    n: int
    metrics: dict[str, Interval]
    by_kind: dict[str, dict[str, Interval]]
    corpus: tuple[CorpusScore, ...] = Field((), exclude_if=lambda scores: not scores)
    answers: dict[str, str]
    cost: dict[str, Any]
    prompt: str
    system: System


class Judge(Value):
    """A model that says of an answer whether it is good, and all that it is told beside it.

    Of a text it reads the first `text_words` words, where that is given.
    """

    model: ModelRef
    question: str
    instruction: str
    text_words: int | None = None


class Judged(Value):
    """Answers with a judge's verdicts among their scores, and what judging took."""

    answers: Blob
    tokens_in: int
    tokens_out: int
    cost: Cost


class Agreement(Value):
    """How far a judge agrees with people's verdicts on `n` answers.

    `kappa` is Cohen's; `yes_where_no` is how often it says yes where people say no, and
    `no_where_yes` the reverse.
    """

    n: int
    accuracy: Interval
    kappa: Interval
    yes_where_no: Interval
    no_where_yes: Interval
    tokens_in: int
    tokens_out: int
    cost: Cost


class LearningPoint(Value):
    """What a tuned path scored on the dev questions after a share of the training examples."""

    model: str
    path: PathName
    share: float
    examples: int
    metric: str
    score: Interval
