"""The run file, typed: WHAT to do. Hashed by its content and logged whole."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tasks.artifacts import QUESTION_ANSWERING, Value
from tasks.core.errors import InputError
from tasks.run.tables import (
    HOSTED,
    RUNNING,
    SMALL_ENCODER,
    AnsweringSpec,
    Budget,
    ChangesData,
    Data,
    DecisionSpec,
    Facts,
    GeneralData,
    HostedSpec,
    IndexSpec,
    JudgeSpec,
    Limits,
    ModelSpec,
    Price,
    TrainingSpec,
)
from tasks.task.known import find_task
from tasks.task.metrics import JUDGED

__all__ = [
    "HOSTED",
    "RUNNING",
    "SMALL_ENCODER",
    "AnsweringSpec",
    "Budget",
    "ChangesData",
    "Data",
    "DecisionSpec",
    "Facts",
    "GeneralData",
    "HostedSpec",
    "IndexSpec",
    "JudgeSpec",
    "Limits",
    "ModelSpec",
    "Price",
    "RunFile",
    "TrainingSpec",
]


class RunFile(Value):
    """A run, whole; written as TOML, unknown keys are errors."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    task: str = QUESTION_ANSWERING
    seed: int = Field(7, ge=0, lt=2**31)
    data: Data
    general: GeneralData | None = None
    changes: ChangesData | None = None
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    index: IndexSpec = IndexSpec()
    training: TrainingSpec = TrainingSpec()
    answering: AnsweringSpec = AnsweringSpec()
    decision: DecisionSpec = DecisionSpec()
    judge: JudgeSpec | None = None
    limits: Limits = Limits()
    budget: Budget = Budget()
    facts: Facts = Facts()
    hosted: HostedSpec = HostedSpec()
    prices: dict[str, Price] = Field(default_factory=dict)

    @field_validator("prices")
    @classmethod
    def _alike(cls, prices: dict[str, Price]) -> dict[str, Price]:
        if len({price.currency for price in prices.values()}) > 1:
            raise ValueError("give all prices in one currency: they are added up")
        return prices

    @model_validator(mode="before")
    @classmethod
    def _with_the_tasks_defaults(cls, table: Any) -> Any:
        """Lay what the task takes for granted under what the run file says."""
        try:
            task = find_task(str(table["task"]))
        except (TypeError, KeyError, InputError):  # told by who reads the run file
            return table
        decision = table.get("decision")
        weighed = isinstance(decision, dict) and decision.get("weights")
        primary = {} if weighed else {"primary": task.deciding[0]}
        defaults = {**task.defaults, "decision": primary}
        under = {
            name: {**values, **table.get(name, {})}
            for name, values in defaults.items()
            if isinstance(table.get(name, {}), dict)
        }
        return {**table, **under}

    @property
    def prompt_metric(self) -> str:
        """What prompts are chosen by: the primary metric, but no judge is asked for that."""
        judged = self.decision.primary == JUDGED
        return find_task(self.task).deciding[0] if judged else self.decision.primary

    @property
    def noun(self) -> str:
        """What people call one row of its data: `question` or `example`."""
        return find_task(self.task).noun

    @property
    def currency(self) -> str:
        """What prices and `budget.money` are in; empty where there is no price."""
        return next((price.currency for price in self.prices.values()), "")

    def price(self, ref: str) -> Price | None:
        """What a model costs, None where nobody said; open models cost nothing but time."""
        return self.prices.get(ref.removeprefix(HOSTED)) if ref.startswith(HOSTED) else None
