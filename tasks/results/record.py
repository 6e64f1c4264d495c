"""What a finished run leaves behind, as one value that report, plot and MLflow are made from."""

from pydantic import Field

from tasks.artifacts import (
    Agreement,
    Answer,
    Blob,
    Corpus,
    ExampleSet,
    GeneralScore,
    LearningPoint,
    PathName,
    Scorecard,
    Training,
    Value,
)
from tasks.core.race import State
from tasks.models.spending import Spent
from tasks.results.outcome import Outcome, Plan
from tasks.retrieval.refresh import IndexBuild
from tasks.run import RunFile
from tasks.store import get_rows


class Stage(Value):
    """What one stage took in this run, seconds; `reused`: its value came from the cache."""

    name: str
    seconds: float
    reused: bool


class GeneralOf(Value):
    """General knowledge of a model as one path uses it: untuned paths share the base's score."""

    model: str
    path: PathName
    score: GeneralScore


class RunRecord(Value):
    """All that a finished run leaves behind.

    `scorecards` are dev for every measured path and test for the winners; `output` is the
    folder with `verdict.json`, `scorecards.json`, `report.md` and the plot; `spent` is what hosted
    models cost in this run, None where none was asked; `races` are those for a budget, by model;
    `learning` the points of learning curves, those of one model's path together, shares growing;
    `agreement` how far the plan's judge agrees with people, where that was measured.
    """

    run: RunFile
    run_id: str
    corpus: Corpus
    examples: ExampleSet
    plan: Plan
    scorecards: tuple[Scorecard, ...]
    trainings: tuple[Training, ...]
    general: tuple[GeneralOf, ...]
    outcome: Outcome
    output: str
    stages: tuple[Stage, ...]
    index: IndexBuild | None = None
    spent: Spent | None = None
    races: dict[str, State] = Field(default_factory=dict)
    learning: tuple[LearningPoint, ...] = ()
    agreement: Agreement | None = None

    def cards(self, split: str, model: str | None = None) -> tuple[Scorecard, ...]:
        """Scorecards of one split, of one model or of all."""
        return tuple(
            card for card in self.scorecards
            if card.split == split and model in (None, card.model)
        )  # fmt: skip

    def training_of(self, card: Scorecard) -> Training | None:
        """The training that made a system's adapter; two systems may share one."""
        adapter = card.system.adapter
        return next(
            (t for t in self.trainings if adapter and t.adapter.blob.sha == adapter.blob.sha), None
        )

    def general_of(self, card: Scorecard) -> GeneralScore | None:
        """General knowledge of a system's model with its adapter."""
        return next(
            (g.score for g in self.general if (g.model, g.path) == (card.model, card.path)), None
        )


def answers_of(card: Scorecard) -> tuple[Answer, ...]:
    """Every single answer behind a scorecard, from the artifact store."""
    return get_rows(Blob(uri=card.answers["uri"], sha=card.answers["digest"], bytes=0), Answer)


def seconds_per_question(card: Scorecard) -> float:
    """Answering seconds of a scorecard, shared out over its questions."""
    return float(card.cost["answer_seconds"]) / card.n
