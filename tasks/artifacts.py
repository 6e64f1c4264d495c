"""The frozen values that travel between stages; whatever is large travels as a `Blob`."""

from dataclasses import asdict, is_dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.core import digest
from tasks.core.stats import Interval

SCHEMA_VERSION = 1

PathName = Literal["prompt", "rag", "finetune", "finetune+rag"]
Split = Literal["train", "dev", "test"]
SearchMode = Literal["vector", "keyword", "hybrid"]
Messages = tuple[tuple[str, str], ...]  # (role, content) pairs of a chat
QUESTION_ANSWERING = "question-answering"


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def digest(self) -> str:
        """Digest of the value's content: see `content`."""
        return digest.of_json(content(self))


def content(value: object) -> Any:
    """What makes two values the same, as JSON: not where a blob lies, nor what it cost to make.

    A field that says when it is left out of JSON is left out here, too: such fields came later,
    and what does not use them keeps its digest.
    """
    if isinstance(value, Blob | Index):
        return value.sha
    if isinstance(value, Cost):
        return None
    if isinstance(value, BaseModel):
        held = {
            name: getattr(value, name)
            for name, field in type(value).model_fields.items()
            if not (field.exclude_if and field.exclude_if(getattr(value, name)))
        }
        return {name: content(one) for name, one in held.items()}
    if isinstance(value, tuple | list):
        return [content(item) for item in value]
    if isinstance(value, dict):
        return {str(key): content(item) for key, item in value.items()}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


class Blob(Value):
    """Something large, kept under its content digest in the artifact store."""

    uri: str
    sha: str
    bytes: int


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

    A labelled example is one, too: its text is the question, its label the answer and the kind.
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
    same_text: dict[str, str] = {}


class SplitCount(Value):
    """How many questions of one kind one split holds."""

    split: Split
    kind: str
    count: int


class ExampleSet(Value):
    """The questions of a run, every one with its split: JSON lines of `Question` in the store.

    `labels` are those of the training split, sorted, where the questions are labelled examples.
    """

    schema_version: int = SCHEMA_VERSION
    questions: Blob
    counts: tuple[SplitCount, ...]
    dropped: tuple[Dropped, ...] = ()
    labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)

    def count(self, split: Split) -> int:
        """Number of questions in a split."""
        return sum(row.count for row in self.counts if row.split == split)


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


class ModelRef(Value):
    """A base model, resolved as far as possible without loading it.

    `params` counts parameters (None: unknown); `size_class` is small, mid or large; `weights`
    is the digest of the weights, or of a hosted model's address; None where neither is here. One
    that does not generate is an encoder: it tells labels apart and writes no text.
    """

    ref: str
    name: str
    size_class: str
    params: float | None = None
    open_weights: bool = True
    revision: str | None = None
    weights: str | None = None
    layers: int | None = None
    hidden: int | None = None
    generates: bool = Field(True, exclude_if=lambda generates: generates)

    @property
    def tells_likelihood(self) -> bool:
        """Whether it tells how likely whole texts are, by which general knowledge is checked."""
        return self.open_weights and self.generates


class Index(Value):
    """A built retrieval index; `address` is where its backend holds it, `sha` what it holds.

    `sha` names content and settings, `embedded_by` the encoder's weights, device and dtype. `uri`
    is the folder that a LanceDB index is opened from; of a Weaviate index it tells people which
    server held it: the connection comes from the environment.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    backend: str
    uri: str
    address: str
    sha: str
    corpus: str
    encoder: str
    encoder_sha: str
    embedded_by: str
    dimension: int
    chunk_tokens: int
    chunks: int
    bytes: int


class Search(Value):
    """How an index is searched.

    `alpha` is the weight of vector search in hybrid mode; the `neighbours` chunks on either side
    of a hit are joined to it; where the best cosine is below `min_similarity`, nothing is found;
    `reranker` is a cross-encoder, by reference.
    """

    k: int
    mode: SearchMode = "vector"
    alpha: float = 0.5
    neighbours: int = 0
    min_similarity: float | None = None
    reranker: str | None = None


class Retrieval(Search):
    """How a system retrieves: from which index, by which search and which reranker's weights."""

    index: Index
    reranker_sha: str | None = None


class Passage(Value):
    """A retrieved chunk with what a citation needs; `score` is higher for better.

    `last` is the position of the last chunk where several were joined, None where it is one;
    `tags` are the document's, and the label where the document is a labelled example.
    """

    document: str
    title: str
    position: int
    text: str
    score: float
    sha: str
    source: str = ""
    last: int | None = None
    tags: tuple[str, ...] = Field((), exclude_if=lambda tags: not tags)


class Prompt(Value):
    """The fixed part of what the model is asked: instruction, demonstrations, decoding.

    `chat` goes through the model's own chat template, `plain` is text to be continued.
    `demonstrations` are (question, answer) pairs; decoding is greedy, of one line, up to
    `max_new_tokens`; with `labels`, the answer is the likeliest one of them instead, each
    log-probability less its `prior`, if there is one. `task` names what stands around questions
    and answers. `vote` is the share of the retrieved examples' own labels in the probabilities; at
    1 the model is not asked.
    """

    name: str
    style: Literal["chat", "plain"] = "chat"
    instruction: str
    demonstrations: tuple[tuple[str, str], ...] = ()
    max_new_tokens: int = 24
    task: str = Field(QUESTION_ANSWERING, exclude_if=lambda task: task == QUESTION_ANSWERING)
    labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)
    prior: tuple[float, ...] = Field((), exclude_if=lambda prior: not prior)
    vote: float = Field(0.0, ge=0, le=1, exclude_if=lambda vote: not vote)


class Adapter(Value):
    """What tuning made, in safetensors: a LoRA adapter, or without a rank all weights anew."""

    schema_version: int = SCHEMA_VERSION
    blob: Blob
    base: str
    rank: int | None
    with_passages: bool

    @property
    def kind(self) -> str:
        """What it is, for people."""
        return "all weights" if self.rank is None else f"LoRA, rank {self.rank}"


class System(Value):
    """A system that answers: a model with a prompt and two optional parts."""

    schema_version: int = SCHEMA_VERSION
    model: ModelRef
    prompt: Prompt
    adapter: Adapter | None = None
    retrieval: Retrieval | None = None

    @property
    def path(self) -> PathName:
        """The name of the path, which follows from the parts."""
        if self.adapter is None:
            return "prompt" if self.retrieval is None else "rag"
        return "finetune" if self.retrieval is None else "finetune+rag"


class Cost(Value):
    """What a stage took on one machine; never reused as if it were measured here.

    Seconds, kWh; `energy_method` says how the energy was had, None that it was not.
    `run` is the run that measured it; `samples` are seconds a unit, each of one batch.
    """

    seconds: float
    tokens: int
    energy_kwh: float | None
    energy_method: str | None
    device: str
    dtype: str
    machine: str
    run: str
    samples: tuple[float, ...] = ()


class LossPoint(Value):
    """One point of a training curve."""

    step: int
    name: Literal["train_loss", "validation_loss"]
    value: float


class Training(Value):
    """A finished fine-tuning: the adapter, its curve, what it took and what had to give."""

    adapter: Adapter
    curve: tuple[LossPoint, ...]
    cost: Cost
    examples: int
    replayed: int
    best_step: int
    notes: tuple[str, ...] = ()


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
    answers: dict[str, str]
    cost: dict[str, Any]
    prompt: str
    system: System
