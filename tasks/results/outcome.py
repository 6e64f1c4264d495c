"""The frozen values around the decision: what is planned, and what comes out."""

from pydantic import Field

from tasks.artifacts import SCHEMA_VERSION, Judge, ModelRef, PathName, System, Value
from tasks.core.across import ModelChoice
from tasks.core.decide import Verdict
from tasks.core.veto import Veto
from tasks.retrieval.settings import SettingsSearch


class Estimate(Value):
    """What one path was expected to take, before anything was loaded: GiB and seconds.

    `answer_seconds` are for the dev questions; None where the model's size is unknown.
    """

    path: PathName
    answer_gib: float | None
    train_gib: float | None
    answer_seconds: float | None
    train_seconds: float | None


class Need(Value):
    """The memory that a path needs by estimate, GiB; `train_gib` is None for an untuned one."""

    path: PathName
    answer_gib: float
    train_gib: float | None


class Planned(Value):
    """What will be done about one base model.

    `paths` will be measured, in order; if there are none, `reason` says what stopped it. `needs`
    has each path's memory where the size is known, `answer_gib` and `train_gib` the most of them,
    as estimated. A base model that brings no chat template
    has `plain_template`. `system` is the one that answers where a model is a system that runs
    already; its only path is that system's.
    """

    model: ModelRef
    paths: tuple[PathName, ...]
    vetoes: tuple[Veto, ...]
    reason: str | None
    answer_gib: float | None
    train_gib: float | None
    plain_template: bool = False
    system: System | None = Field(None, exclude_if=lambda system: system is None)
    needs: tuple[Need, ...] = Field((), exclude_if=lambda needs: not needs)
    estimates: tuple[Estimate, ...] = Field((), exclude_if=lambda estimates: not estimates)

    def need(self, path: PathName) -> tuple[float | None, float | None]:
        """GiB to answer on a path and to train it, as estimated."""
        found = next((one for one in self.needs if one.path == path), None)
        if found is None:  # an encoder's, a run's of before, or nothing is known
            return self.answer_gib, self.train_gib
        return found.answer_gib, found.train_gib


class Plan(Value):
    """What will be tried, what will not, and the number behind each.

    `index` holds how documents will be searched, and the settings that were measured for it;
    `paraphraser` is the model that rewords training questions and `judge` who judges answers,
    where the run file names one.
    """

    schema_version: int = SCHEMA_VERSION
    memory_gib: float
    models: tuple[Planned, ...]
    index: SettingsSearch | None = None
    judge: Judge | None = Field(None, exclude_if=lambda judge: judge is None)
    paraphraser: ModelRef | None = Field(None, exclude_if=lambda model: model is None)

    @property
    def self_judging(self) -> str:
        """A warning that names the measured models which the judge is itself; empty without any."""
        measured = (one for one in self.models if one.paths)
        same = [one.model.ref for one in measured if self._is_judge(one)]
        said = f"Warning: it judges itself ({', '.join(same)}); models favour their own."
        return said if same else ""

    def _is_judge(self, planned: Planned) -> bool:
        """Whether a model is the judge: the same reference or, of weights that are here, equal."""
        if self.judge is None:
            return False
        judge, model = self.judge.model, planned.model
        if planned.system is not None:
            model = planned.system.model
        weights = judge.weights if judge.open_weights else None
        return model.ref == judge.ref or (weights is not None and model.weights == weights)


class Champion(Value):
    """The registered winner; version and alias are None if nothing was registered.

    Where nothing is better than what runs already it is that, and nothing new is registered.
    """

    model: str
    path: PathName
    name: str
    version: str | None
    alias: str | None


class Outcome(Value):
    """`verdict.json`: one verdict for each base model, and the champion among the winners.

    `across` is the last step, over the models' winners: None where fewer than two have one.
    """

    schema_version: int = SCHEMA_VERSION
    champion: Champion | None
    verdicts: tuple[Verdict, ...]
    across: ModelChoice | None = Field(None, exclude_if=lambda across: across is None)
