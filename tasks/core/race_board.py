"""What follows from a race's log: scores by path, trainings done, what is spent and affordable."""

import math
from dataclasses import dataclass

import numpy as np

from tasks.core.labels import macro_f1_values
from tasks.core.paired import Counts, clustered, compare
from tasks.core.race_state import UNTRAINED, WHOLE, Contender, Cost, Measure, Spend, State, Train
from tasks.core.stats import Floats, Gain


@dataclass(frozen=True)
class Seen:
    """A gain as bounds see it, its plain mean, and whether both paths were measured in full."""

    gain: Gain
    mean: float
    direct: bool


class Board:
    """A race as it stands; made anew from its log at every step."""

    def __init__(self, state: State) -> None:
        self.race, self.spent = state.race, Cost()
        self.trained: dict[str, tuple[float, ...]] = {}
        parts: dict[tuple[str, float], list[float]] = {}
        self._paid: dict[str, tuple[Cost, float]] = {}
        for done in state.done:
            step, units = done.step, float(len(done.scores))
            self.spent = self.spent.plus(done.cost)
            if isinstance(step, Measure):
                parts.setdefault((step.path, step.share), []).extend(done.scores)
            else:
                units = step.share
                self.trained[step.training] = (*self.trained.get(step.training, ()), step.share)
            price = done.price if any(done.price) else done.cost
            if any(price):
                name = step.path if isinstance(step, Measure) else f"train {step.training}"
                cost, before = self._paid.get(name, (Cost(), 0.0))
                self._paid[name] = cost.plus(price), before + units
        self._recorded = {key: np.array(found, dtype=np.float64) for key, found in parts.items()}
        self._seen: dict[tuple[str, str, float, int], Seen | None] = {}
        self._sizes = np.array(self.race.sizes, dtype=np.int64)
        self._ends = np.cumsum(self._sizes)

    def count(self, path: str, share: float) -> int:
        """How many questions a path has answered."""
        return len(self._recorded.get((path, share), ()))

    def answered(self, contender: Contender) -> int:
        """How many questions it has answered, trained as far as it is."""
        return self.count(contender.path, self.entry(contender) or UNTRAINED)

    @property
    def most(self) -> int:
        """The most questions that a path has answered."""
        return max(map(len, self._recorded.values()), default=0)

    def values(self, path: str | None, share: float | None, stop: int) -> Floats | None:
        """What the first `stop` answers add to the metric, or None where some are missing.

        Those of macro-F1 depend on which answers they are seen with.
        """
        found = self._recorded.get((path or "", share or UNTRAINED))
        if found is None or len(found) < stop:
            return None
        if not self.race.labels:
            return found[:stop]
        return np.array(macro_f1_values(self.race.labels[:stop], found[:stop].tolist()))

    def documents(self, stop: int) -> Counts:
        """Questions of each document among the first `stop`, which end a document."""
        return self._sizes[: int(np.searchsorted(self._ends, stop)) + 1]

    def price(self, contender: Contender, questions: float, share: float = 0.0) -> Cost:
        """Of answers and of a training, at the prices paid so far, or else as estimated."""
        answer = self._price(contender.path, contender.answer)
        train = self._price(f"train {contender.training}", contender.train)
        return answer.times(questions).plus(train.times(share) if share else Cost())

    def _price(self, name: str, estimate: Cost) -> Cost:
        cost, units = self._paid.get(name, (Cost(), 0.0))
        return cost.times(1 / units) if units else estimate

    def affords(self, cost: Cost) -> bool:
        """Whether this can still be spent."""
        return self.spent.plus(cost).within(self.race.budget)

    def entry(self, contender: Contender) -> float | None:
        """Share of examples with which a path stands in the race; None: not trained yet."""
        if contender.training is None:
            return UNTRAINED
        return max(self.trained.get(contender.training, ()), default=None)

    def mean(self, contender: Contender, stop: int) -> float:
        """Mean of a path's first `stop` scores; without them, minus infinity."""
        values = self.values(contender.path, self.entry(contender), stop)
        return -math.inf if values is None else float(values.mean())

    def simpler(self, path: str) -> tuple[Contender, ...]:
        """The contenders that a path must beat to win, simplest first."""
        names = [one.path for one in self.race.contenders]
        return self.race.contenders[: names.index(path)]

    def missing(self, contender: Contender, stop: int) -> Spend | None:
        """What a path lacks to have answered the first `stop` questions, trained as far as it is.

        Answers; of a path that was not trained at all, its training in whole.
        """
        share = self.entry(contender)
        if share is None:
            return Train(str(contender.training), WHOLE)
        start = self.count(contender.path, share)
        return Measure(contender.path, share, start, stop) if start < stop else None

    def gain(self, path: Contender, over: Contender, share: float, stop: int) -> Seen | None:
        """Gain of a path over a simpler one on the first `stop` questions, if both answered them.

        A simpler path that was trained in part stands there with the end of the straight learning
        curve from its base: it passes that only if examples teach more the more there are.
        """
        key = path.path, over.path, share, stop
        if key not in self._seen:
            self._seen[key] = self._gain(path, over, share, stop)
        return self._seen[key]

    def _gain(self, path: Contender, over: Contender, share: float, stop: int) -> Seen | None:
        part = self.entry(over)
        own, other = self.values(path.path, share, stop), self.values(over.path, part, stop)
        if own is None or other is None or part is None:
            return None
        sizes = self.documents(stop)
        if part in (UNTRAINED, WHOLE):
            return Seen(compare(own, other, sizes), float((own - other).mean()), True)
        base = self.values(over.base, UNTRAINED, stop)
        if base is None:
            return None
        ahead = own - (base + (other - base) / part)
        return Seen(clustered(ahead, sizes), float(ahead.mean()), False)
