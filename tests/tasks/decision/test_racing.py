"""A race driven by functions in the place of stages: estimates, steps, kept work, limits."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tasks.artifacts import Blob, ExampleSet, ModelRef, Question, SplitCount
from tasks.core.claims import Settings
from tasks.core.race import Contender, Cost, Measure, State, Stop, Train, plan_race
from tasks.core.race_board import Board
from tasks.core.race_record import raced
from tasks.core.race_replay import answered, race_flips, settle, without
from tasks.core.sequential import blocks
from tasks.core.veto import Veto
from tasks.decision.racing import (
    Speed,
    Taken,
    as_cost,
    contenders,
    drive,
    less,
    open_race,
    published_gains,
    sizes_of,
    speed,
)
from tasks.models.spending import BudgetError
from tasks.results.outcome import Planned
from tasks.run import Budget, RunFile
from tasks.run.reading import parse_run
from tasks.training.loop import BOTH
from tests.benchmarks.race import CASES, Rules, Truth, draw, race_of
from tests.benchmarks.race import drive as simulated

SIZES = [1] * 400
HERE = Speed(rate=1e11, watts=36.0)
MEANS = {"prompt": 0.30, "rag": 0.45, "finetune": 0.35, "finetune+rag": 0.70}


def entered() -> tuple[Contender, ...]:
    return (
        Contender("prompt", Cost(1)),
        Contender("rag", Cost(1)),
        Contender("finetune", Cost(1), "finetune", Cost(400), "prompt"),
        Contender("finetune+rag", Cost(1), "finetune+rag", Cost(400), "rag"),
    )


def taking(steps: list[Measure | Train], seconds: float = 1.0, **means: float):
    """Takes steps without any work: scores that alternate around a path's mean."""
    true = MEANS | {name.replace("_", "+"): mean for name, mean in means.items()}

    def take(step: Measure | Train) -> Taken:
        steps.append(step)
        if isinstance(step, Train):
            return Taken(Cost(400 * step.share * seconds))
        count = step.stop - step.start
        scores = [true[step.path] + 0.1 * (-1) ** (at + len(step.path)) for at in range(count)]
        return Taken(Cost(count * seconds), scores=tuple(scores))

    return take


def race_for(seconds: float = math.inf) -> State:
    budget = Cost(seconds, math.inf, math.inf)
    return State(plan_race(entered(), SIZES, Settings(), budget, (), blocks(SIZES)))


def test_a_race_is_driven_to_its_verdict() -> None:
    steps: list[Measure | Train] = []
    state, stop = drive(race_for(), taking(steps))
    assert steps == [done.step for done in state.done]
    assert isinstance(stop, Stop)
    assert stop.choice.path == "finetune+rag"
    assert answered(state)["finetune+rag"] == (1.0, 50)


def test_every_block_asked_for_ends_where_blocks_end() -> None:
    steps: list[Measure | Train] = []
    drive(race_for(900), taking(steps))
    ends = {0, *blocks(SIZES)}
    asked = [step for step in steps if isinstance(step, Measure)]
    assert asked
    assert all({step.start, step.stop} <= ends for step in asked)


@pytest.mark.parametrize("seconds", [60, 300, 700, 1000])
def test_less_is_spent_than_the_budget_holds(seconds: float) -> None:
    state, stop = drive(race_for(seconds), taking([]))
    assert stop.spent.seconds <= seconds
    assert stop.choice.path == settle(state).choice.path


def test_a_training_that_no_budget_is_left_for_is_said() -> None:
    steps: list[Measure | Train] = []
    state, stop = drive(race_for(100), taking(steps))
    assert not any(isinstance(step, Train) for step in steps)
    record = raced(state, stop, Cost(100, math.inf, math.inf), stop.spent, {})
    by_path = {one.path: one for one in record.entrants}
    assert [one.how for one in record.entrants] == ["simplest", "won", "budget", "budget"]
    assert "no training fits" in by_path["finetune"].why
    assert (by_path["finetune"].share, by_path["finetune"].questions) == (None, 0)
    assert (record.budget, record.there) == ({"seconds": 100}, 400)
    assert by_path["prompt"].questions == by_path["rag"].questions > 0


def test_a_budget_without_a_look_says_so() -> None:
    state, stop = drive(race_for(10), taking([]))
    record = raced(state, stop, Cost(10, math.inf, math.inf), stop.spent, {"rag": "too slow"})
    assert (record.looks, record.questions) == ((), 0)
    assert [one.how for one in record.entrants] == ["simplest", "vetoed", "budget", "budget"]


def test_a_path_that_a_costlier_one_beat_first_is_not_called_the_simplest() -> None:
    likely = tuple(
        replace(one, gain=0.9 if one.path == "finetune+rag" else -0.1) for one in entered()
    )
    race = plan_race(likely, SIZES, Settings(), Cost(1e4, 1e4, 1e4), (), blocks(SIZES))
    state, stop = drive(State(race), taking([]))
    record = raced(state, stop, race.budget, stop.spent, {})
    assert [one.how for one in record.entrants] == ["simplest", "won", "beaten", "won"]


def test_work_that_was_kept_costs_nothing_and_its_price_is_known() -> None:
    def kept(step: Measure | Train) -> Taken:
        scores = taking([])(step).scores
        price = Cost(4000 * step.share) if isinstance(step, Train) else Cost(10 * len(scores))
        return Taken(Cost(), price, scores)

    state, stop = drive(race_for(), kept)
    assert stop.spent == Cost()
    board, tuned = Board(state), state.race.contenders[3]
    assert board.price(tuned, 1) == Cost(10)
    assert board.price(tuned, 0, 1.0) == Cost(4000)


def test_a_limit_on_requests_ends_the_race_with_what_it_has() -> None:
    def refused(step: Measure | Train) -> Taken:
        if isinstance(step, Train) or step.start > 0:
            raise BudgetError("budget.money", "2 spent", "at most 2", "Raise it.")
        return taking([])(step)

    state, stop = drive(race_for(), refused)
    assert answered(state) == {"prompt": (0.0, 50), "rag": (0.0, 50)}
    assert stop.choice.path == "rag"


def test_the_path_that_stands_is_measured_even_where_nobody_can_race_it() -> None:
    pair = (entered()[0], entered()[2])
    race = plan_race(pair, SIZES, Settings(), Cost(60, math.inf, math.inf), (), blocks(SIZES))
    steps: list[Measure | Train] = []
    _, stop = drive(State(race), taking(steps))
    assert steps == [Measure("prompt", 0.0, 0, race.looks[0])]
    assert stop.choice.path == "prompt"


def test_a_path_that_breaks_a_limit_leaves_and_the_others_are_judged_without_it() -> None:
    state, stop = drive(race_for(), taking([]))
    assert stop.choice.path == "finetune+rag"
    left, stop = drive(without(state, {"finetune+rag"}), taking([]))
    assert stop.choice.path == "rag"
    assert answered(left)["rag"][1] >= 50


def test_what_turns_a_race_turns_it_when_applied() -> None:
    state, stop = drive(race_for(), taking([]))
    slow = Veto("rag", "seconds_per_question", 2.0, 1.0, "measured", "rag: slow")
    found = race_flips(state, stop, ())
    gain = next(one for one in found if (one.setting, one.op) == ("min_gain", ">="))
    assert (
        settle(state, Settings(min_gain=gain.value)).choice.path == gain.becomes != "finetune+rag"
    )
    left, stop = drive(without(state, {"rag", "finetune+rag"}), taking([]))
    barred = (slow, Veto("finetune+rag", "train_seconds", 9.0, 5.0, "measured", "slow"))
    limits = {one.setting: one.becomes for one in race_flips(replaced(state, left), stop, barred)}
    assert limits["train_seconds"] == "finetune+rag"


def replaced(state: State, left: State) -> State:
    return State(state.race, left.done)


RUN = {
    "name": "grove",
    "data": {"documents": "d", "questions": "q.jsonl"},
    "models": [{"ref": "openai:m"}],
    "prices": {"m": {"input_per_million": 10, "output_per_million": 20}},
}


@pytest.fixture
def run() -> RunFile:
    return parse_run(RUN)


EXAMPLES = ExampleSet(
    questions=Blob(uri="u", sha="s", bytes=1),
    counts=(SplitCount(split="train", kind="all", count=100),),
)


def planned(*paths: str, **model: object) -> Planned:
    named = {"ref": "path:/m", "name": "m", "size_class": "small", "params": 1e8}
    ref = ModelRef.model_validate(named | model)
    return Planned.model_validate(
        {"model": ref, "paths": paths, "vetoes": (), "reason": None, "answer_gib": None,
         "train_gib": None}
    )  # fmt: skip


def test_estimates_follow_size_passages_and_prices(run: RunFile) -> None:
    prompt, rag, tuned = contenders(run, planned("prompt", "rag", "finetune"), EXAMPLES, HERE)
    assert 0 < prompt.answer.seconds < rag.answer.seconds < tuned.train.seconds
    assert tuned.train.energy == pytest.approx(tuned.train.seconds * 36 / 3.6e6)
    assert (prompt.training, tuned.training, tuned.base) == (None, "finetune", "prompt")
    assert prompt.answer.money == 0
    hosted = planned("prompt", "rag", ref="openai:m", open_weights=False, params=None)
    asked = contenders(run, hosted, EXAMPLES, HERE)
    assert asked[0].answer.money == pytest.approx((60 * 10 + 24 * 20) / 1e6)
    assert asked[0].answer.seconds == 0


def test_paths_that_share_an_adapter_share_its_training() -> None:
    every = planned("prompt", "rag", "finetune", "finetune+rag")
    shared = parse_run(RUN | {"training": {"one_adapter": True}})
    *_, tuned, both = contenders(shared, every, EXAMPLES, HERE)
    assert tuned.training == both.training == BOTH
    assert (tuned.base, both.base) == ("prompt", "rag")
    (_, alone) = contenders(shared, planned("prompt", "finetune"), EXAMPLES, HERE)
    assert alone.training == "finetune"


def test_evidence_says_what_each_path_gains_over_its_base(run: RunFile) -> None:
    found = published_gains(run, planned("prompt", "rag", "finetune", "finetune+rag"))
    assert found["prompt"][0] == 0
    assert found["rag"][0] > 0.1  # private knowledge, in documents
    assert 0 < found["finetune+rag"][0] < 0.5
    assert all(spread > 0 for _, spread in found.values())


def test_a_race_is_opened_on_whole_documents_with_looks_where_blocks_end(run: RunFile) -> None:
    questions = [
        Question(id=f"q{at}", question="?", answers=("a",), document=f"d{at // 3}")
        for at in range(300)
    ]
    assert sizes_of(questions) == (3,) * 100
    state = open_race(run, planned("prompt", "rag"), EXAMPLES, questions, as_cost(Budget()), HERE)
    assert set(state.race.looks) <= set(blocks(state.race.sizes))
    assert state.race.looks[-1] == 300


def test_a_budget_without_a_unit_does_not_limit_it() -> None:
    assert as_cost(Budget(seconds=9)) == Cost(9, math.inf, math.inf)
    assert less(Cost(9, math.inf, 1), Cost(10, 5, 0.25)) == Cost(0, math.inf, 0.75)


def test_this_machine_has_a_plausible_speed() -> None:
    assert speed().rate > 1e8


@pytest.mark.parametrize("budget", [0.35, math.inf])
def test_a_log_alone_supports_the_verdict_that_the_race_came_to(budget: float) -> None:
    rng = np.random.default_rng(3)
    for means in CASES.values():
        truth = Truth(means)
        sizes, scores = draw(rng, truth)
        state, stop = simulated(race_of(truth, Rules(budget), sizes), scores)
        assert settle(state).choice.path == stop.choice.path
