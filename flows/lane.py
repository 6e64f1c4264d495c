"""The steps of one model's race as stages: trained, prompted, answered, and what each cost."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from flows.steps import Stages, step
from flows.systems import (
    Built,
    Inputs,
    base_of,
    build,
    is_checked,
    know,
    learnt_prompt,
    part,
    put_together,
    tune,
    wait,
)
from tasks.artifacts import Answer, Answers, GeneralScore, PathName, Scorecard, Training
from tasks.artifacts import Cost as Took
from tasks.core.race import Cost, Measure, State, Train
from tasks.core.race_replay import answered
from tasks.core.race_state import FREE, UNTRAINED, WHOLE, Spend
from tasks.core.sequential import blocks as block_ends
from tasks.decision import blocks
from tasks.decision.racing import Speed, Taken, less, open_race, sizes_of
from tasks.evaluation import evaluate
from tasks.machine import PROCESS, machine_id
from tasks.models.spending import current
from tasks.planning import pace
from tasks.planning.adapters import trained_for
from tasks.prompts import is_tuned
from tasks.results.outcome import Planned
from tasks.store import get_rows

answer_block = step(blocks.answer_block, "answer block", tensors=True)
T = TypeVar("T")


class Lane:
    """Takes the steps of one model's race, and keeps what they made.

    Systems and answers stand under their path and the share of the examples that trained them.
    """

    def __init__(self, stages: Stages, inputs: Inputs, planned: Planned) -> None:
        self.stages, self.inputs, self.planned = stages, inputs, planned
        self.questions = blocks.race_questions(inputs.examples, inputs.run.seed)
        self.labels = blocks.raced_labels(self.questions, inputs.run.decision.primary)
        self.ends = (0, *block_ends(sizes_of(self.questions)))
        self.built: dict[tuple[str, float], Built] = {}
        self.answers: dict[tuple[str, float], list[Answers]] = {}
        self.general: dict[PathName, GeneralScore] = {}
        self.choosing: dict[PathName, float] = {}  # estimated seconds to choose a prompt
        self.spent = FREE

    def start(self, budget: Cost, here: Speed) -> State:
        """The race at its start: untrained paths have their prompts, and checks are set aside."""
        run, examples, model = self.inputs.run, self.inputs.examples, self.planned.model
        for path in self.planned.paths:
            each = pace.question_seconds(run, examples, model, path, here.rate)
            self.choosing[path] = each * pace.trials(run)
        for path in self.planned.paths:
            if not is_tuned(path) and min(less(budget, self.spent)) > 0:
                self._build(path, UNTRAINED, None)
        left = less(budget, self.spent)
        if is_checked(self.inputs, self.planned.model) and any(map(is_tuned, self.planned.paths)):
            checks = 2 * pace.general_seconds(model.params, here.rate)
            left = less(left, Cost(seconds=checks))
        return open_race(run, self.planned, examples, self.questions, left, here)

    def take(self, step: Spend) -> Taken:
        """Train an adapter for its paths, or let a path answer some blocks."""
        return self._measure(step) if isinstance(step, Measure) else self._train(step)

    def _train(self, step: Train) -> Taken:
        """Train an adapter, and choose its paths' prompts.

        One that learnt from a part of the examples is asked by the prompt that it learnt: to
        choose one would cost as much as many answers. What a whole training costs includes it.
        """
        paths = trained_for(self.inputs.run.training, self.planned, step.training)
        training, cost = self._pay(
            lambda: tune(self.stages, self.inputs, self.planned, paths[0], step.share),
            lambda made: made.cost,
        )
        choosing = FREE
        for path in paths:
            if step.share == WHOLE:
                choosing = choosing.plus(self._build(path, WHOLE, training))
                continue
            prompt = learnt_prompt(self.inputs, self.planned, path)
            made = put_together(self.inputs, self.planned, path, training, prompt)
            self.built[path, step.share] = made
        later = step.share * sum(self.choosing[path] for path in paths)
        beside = choosing if step.share == WHOLE else Cost(later)
        return Taken(cost.plus(choosing), _price(training.cost, beside))

    def scorecards(self, state: State, chosen: str) -> tuple[Scorecard, ...]:
        """A scorecard for each path that answered; of a tuned winner what it still knows, too."""
        standing = self.standing(state)
        if chosen in standing and standing[chosen].training is not None:
            self._check_general(standing[chosen])
        return tuple(self._scorecard(path, *at) for path, at in answered(state).items())

    def standing(self, state: State) -> dict[str, Built]:
        """The system with which each path stands in the race, where it has answered anything."""
        return {path: self.built[path, share] for path, (share, _) in answered(state).items()}

    def _scorecard(self, path: str, share: float, count: int) -> Scorecard:
        run, built = self.inputs.run, self.built[path, share]
        parts = self.answers[path, share][: self.ends.index(count)]
        card = evaluate.scorecard(
            built.system, blocks.joined(parts), run.decision.primary,
            self.general.get(built.system.path), base_of(self.general), built.training, PROCESS,
            run.price(self.planned.model.ref),
        )  # fmt: skip
        cost = card.cost | ({"train_share": share} if built.training else {})
        metrics = card.metrics
        if run.limits.seconds_p95 is not None:
            timed, _ = self._pay(lambda: wait(self.stages, self.inputs, built.system))
            metrics = metrics | timed
        return card.model_copy(update={"cost": cost, "metrics": metrics})

    def _build(self, path: PathName, share: float, training: Training | None) -> Cost:
        made, cost = self._pay(
            lambda: build(self.stages, self.inputs, self.planned, path, training, share)
        )
        self.built[path, share] = made
        return cost

    def _measure(self, step: Measure) -> Taken:
        key, cost, price = (step.path, step.share), FREE, FREE
        if key not in self.built:  # a budget of nothing still pays for what costs nothing
            path = next(one for one in self.planned.paths if one == step.path)
            cost = self._build(path, step.share, None)
        scores: list[float] = []
        for start, stop in pairwise(self.ends):
            if not step.start <= start < stop <= step.stop:
                continue
            answers, paid = self._pay(
                lambda start=start, stop=stop: self._answer(key, start, stop),  # type: ignore[misc]
                lambda made: made.cost,
            )
            self.answers.setdefault(key, []).append(answers)
            rows = get_rows(answers.blob, Answer)
            scores += blocks.recorded(rows, self.inputs.run.decision.primary, self.labels)
            cost, price = cost.plus(paid), price.plus(_price(answers.cost, self._money(rows)))
        return Taken(cost, price, tuple(scores))

    def _answer(self, key: tuple[str, float], start: int, stop: int) -> Answers:
        run = self.inputs.run
        return self.stages(
            f"answer dev: {key[0]}{part(key[1])}: {start + 1} to {stop}", answer_block,
            system=self.built[key].system, examples=self.inputs.examples, start=start, stop=stop,
            seed=run.seed, batch_size=run.answering.batch_size,
        )  # fmt: skip

    def _money(self, rows: Sequence[Answer]) -> Cost:
        price = self.inputs.run.price(self.planned.model.ref)
        read, written = sum(row.tokens_in for row in rows), sum(row.tokens_out for row in rows)
        return Cost(money=price.of(read, written)) if price else FREE

    def _check_general(self, tuned: Built) -> None:
        base = next((one for one in self.built.values() if one.training is None), None)
        if base is None or not is_checked(self.inputs, self.planned.model):
            return
        for one in (base, tuned):
            self.general[one.system.path], _ = self._pay(
                lambda system=one.system: know(self.stages, self.inputs, system)  # type: ignore[misc]
            )

    def _pay(
        self, work: Callable[[], T], took: Callable[[T], Took] | None = None
    ) -> tuple[T, Cost]:
        """A stage's value, and what it cost here: nothing where it was kept.

        Seconds are those that passed, with whatever had to be loaded; `took` tells the energy.
        """
        money, cost = current().spent.money, FREE
        try:
            value = work()
            stage = self.stages.done[-1]
            energy = took(value).energy_kwh if took else None
            if not stage.reused:
                cost = Cost(stage.seconds, 0.0, energy or 0.0)
        finally:  # requests that a limit ended were paid for, too
            cost = cost._replace(money=current().spent.money - money)
            self.spent = self.spent.plus(cost)
        return value, cost


def _price(took: Took, beside: Cost = FREE) -> Cost:
    """What such work costs on this machine by its own clock; nothing known of another's."""
    if took.machine != machine_id():
        return FREE
    return Cost(took.seconds, 0.0, took.energy_kwh or 0.0).plus(beside)
