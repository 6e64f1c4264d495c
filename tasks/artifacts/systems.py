"""A system that answers, its parts, and what making them took."""

from typing import Literal

from pydantic import Field

from tasks.artifacts.base import QUESTION_ANSWERING, SCHEMA_VERSION, Blob, PathName, Value
from tasks.artifacts.data import NO_CONSTRAINTS, Constraints, Dropped
from tasks.artifacts.retrieval import Retrieval


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


class Prompt(Value):
    """The fixed part of what the model is asked: instruction, demonstrations, decoding.

    `chat` goes through the model's own chat template, `plain` is text to be continued.
    `demonstrations` are (question, answer) pairs; decoding is greedy, of one line unless the task
    has several, up to `max_new_tokens`; with `labels`, the answer is the likeliest one of them
    instead, each log-probability less its `prior`, if there is one. `task` names what stands
    around questions and answers, `constraints` are what answers should keep to, and of a text
    only the first `text_words` words are read, where that is given. `vote` is the share of the
    retrieved examples' own labels in the probabilities; at 1 the model is not asked.
    """

    name: str
    style: Literal["chat", "plain"] = "chat"
    instruction: str
    demonstrations: tuple[tuple[str, str], ...] = ()
    max_new_tokens: int = 24
    task: str = Field(QUESTION_ANSWERING, exclude_if=lambda task: task == QUESTION_ANSWERING)
    labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)
    prior: tuple[float, ...] = Field((), exclude_if=lambda prior: not prior)
    constraints: Constraints = Field(NO_CONSTRAINTS, exclude_if=lambda one: one == NO_CONSTRAINTS)
    text_words: int | None = Field(None, exclude_if=lambda words: words is None)
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
    `run` is the run that measured it; `samples` are seconds a unit, each of one batch. `peak_gib`
    is the most memory that was held meanwhile: of a GPU what was allocated, else of the whole
    process, libraries and all that stays loaded included; None where the system does not tell.
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
    peak_gib: float | None = None

    def content(self) -> None:
        """Nothing: what it cost makes no result another."""


class Paraphrase(Value):
    """Another wording of the training question `of`; all but its words is that question's."""

    id: str
    of: str
    text: str


class Paraphrases(Value):
    """What a model made of training questions that are learnt from: JSON lines of `Paraphrase`.

    It was asked for `asked` of them; what was left out is counted by reason.
    """

    schema_version: int = SCHEMA_VERSION
    blob: Blob
    model: str
    asked: int
    kept: int
    dropped: tuple[Dropped, ...]
    cost: Cost


class LossPoint(Value):
    """One point of a training curve."""

    step: int
    name: Literal["train_loss", "validation_loss"]
    value: float


class Training(Value):
    """A finished fine-tuning: the adapter, its curve, what it took and what had to give.

    `examples` are the task's own, each counted once, `paraphrased` other wordings of them.
    """

    adapter: Adapter
    curve: tuple[LossPoint, ...]
    cost: Cost
    examples: int
    replayed: int
    best_step: int
    notes: tuple[str, ...] = ()
    paraphrased: int = Field(0, exclude_if=lambda count: not count)
