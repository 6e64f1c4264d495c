"""Races driven step by step, on scores made by hand and on drawn ones whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.claims import Settings
from tasks.core.errors import InputError
from tasks.core.paired import best_end, compare
from tasks.core.race import (
    UNLIMITED,
    Contender,
    Cost,
    Measure,
    Race,
    State,
    Stop,
    Train,
    next_step,
    plan_race,
    record,
)
from tasks.core.race_state import PARTS
from tasks.core.sequential import blocks
from tests.benchmarks.race import Rules, Truth, draw, drive, race_of

Scores = dict[tuple[str, float], tuple[float, ...]]


def contenders(training: str | None = None) -> tuple[Contender, ...]:
    return (
        Contender("prompt", Cost(1)),
        Contender("rag", Cost(1)),
        Contender("finetune", Cost(1), training or "a", Cost(500), "prompt"),
        Contender("finetune+rag", Cost(1), training or "b", Cost(500), "rag"),
    )


def expecting(tuned: float, both: float) -> list[Contender]:
    """The contenders, with what published results of tuning gained over the base."""
    gains = {"finetune": tuned, "finetune+rag": both}
    return [replace(one, gain=gains.get(one.path, 0.0)) for one in contenders()]


def follow(race: Race, scores: Scores, state: State | None = None) -> tuple[State, Stop]:
    state = state or State(race)
    while not isinstance(step := next_step(state), Stop):
        if isinstance(step, Measure):
            found = scores[step.path, step.share][step.start : step.stop]
            state = record(state, step, Cost(len(found)), found)
        else:
            state = record(state, step, Cost(500 * step.share))
    return state, step


def drawn(seed: int = 0, n: int = 400, **means: float) -> Scores:
    """Independent scores near a mean for each path, the same however far it was trained."""
    rng = np.random.default_rng(seed)
    shared = rng.uniform(-0.2, 0.2, n)
    rows = {path: mean + shared + rng.uniform(-0.1, 0.1, n) for path, mean in means.items()}
    names = {"both": "finetune+rag"}
    return {
        (names.get(path, path), share): tuple(row.tolist())
        for path, row in rows.items()
        for share in (0.0, *PARTS)
    }


def steps(state: State, kind: type) -> list:
    return [done.step for done in state.done if isinstance(done.step, kind)]


def test_where_the_simplest_path_is_a_tuned_one_it_is_trained_before_it_answers() -> None:
    tuned = tuple(replace(one, base=None) for one in contenders()[2:])
    race = plan_race(tuned, [1] * 100, Settings())
    state, stop = follow(race, drawn(n=100, finetune=0.3, both=0.7))
    assert Train("a", 1.0) in steps(state, Train)
    asked = steps(state, Measure)
    assert {one.share for one in asked if one.path == "finetune"} == {1.0}
    assert all(one.share > 0 for one in asked)
    assert stop.choice.path == "finetune+rag"


def test_untrained_paths_race_first_in_blocks_and_a_clear_winner_needs_few_questions() -> None:
    race = plan_race(contenders()[:2], [1] * 400, Settings())
    state, stop = follow(race, drawn(prompt=0.3, rag=0.6))
    assert steps(state, Measure) == [Measure("prompt", 0, 0, 50), Measure("rag", 0, 0, 50)]
    assert (stop.choice.path, stop.choice.undecided) == ("rag", False)
    assert (stop.confidence or 0) > 0.95
    assert "50 of 400" in stop.certainty


def test_a_path_that_cannot_win_any_more_is_dropped() -> None:
    race = plan_race(contenders()[:2], [1] * 400, Settings())
    _, stop = follow(race, drawn(prompt=0.6, rag=0.3))
    assert stop.questions == 50
    assert stop.ended[0].how == "dropped"
    assert (stop.choice.path, stop.choice.undecided) == ("prompt", False)


def test_a_dropped_path_is_measured_on_the_same_questions_before_another_wins() -> None:
    race = plan_race(contenders()[:3], [1] * 400, Settings())
    scores = drawn(prompt=0.6, rag=0.3, finetune=0.75)
    scores["finetune", 1.0] = tuple(  # noisy, so that one look is not enough
        s + 0.6 * (-1) ** at for at, s in enumerate(scores["finetune", 1.0])
    )
    state, stop = follow(race, scores)
    assert stop.choice.path == "finetune"
    won = next(one for one in stop.ended if one.how == "won")
    assert next(one for one in stop.ended if one.path == "rag").how == "dropped"
    assert won.look
    answered = max(step.stop for step in steps(state, Measure) if step.path == "rag")
    assert answered == race.looks[won.look]


def test_no_training_starts_where_nothing_is_left_to_gain() -> None:
    race = plan_race(contenders(), [1] * 400, Settings())
    scores = drawn(prompt=0.5, rag=0.5, finetune=0.5, both=0.5)
    scores["prompt", 0.0] = tuple(1 - 0.01 * (at % 2) for at in range(400))
    state, stop = follow(race, scores)
    assert steps(state, Train) == []
    assert stop.choice.path == "prompt"
    assert {one.how for one in stop.ended} == {"dropped", "hopeless"}


def test_a_pilot_that_teaches_nothing_ends_a_training() -> None:
    race = plan_race(contenders(), [1] * 400, Settings())
    state, stop = follow(race, drawn(prompt=0.3, rag=0.6, finetune=0.3, both=0.6))
    assert steps(state, Train) == [Train("b", 1 / 8), Train("a", 1 / 8)]
    assert [one.how for one in stop.ended] == ["won", "hopeless", "hopeless"]


def test_published_evidence_moves_the_order_and_nothing_else() -> None:
    scores = drawn(prompt=0.3, rag=0.4, finetune=0.5, both=0.7)
    (first, one), (second, other) = (
        follow(plan_race(expecting(tuned, both), [1] * 400, Settings()), scores)
        for tuned, both in ((0.5, -0.1), (-0.1, 0.5))
    )
    assert steps(first, Train)[0].training == "a"
    assert steps(second, Train)[0].training == "b"
    assert one.choice.path == other.choice.path == "finetune+rag"


@pytest.mark.parametrize(("rag", "first"), [(0.3, "a"), (0.8, "b")])
def test_a_training_whose_base_leads_is_the_likelier(rag: float, first: str) -> None:
    scores = drawn(prompt=0.3, rag=rag, finetune=0.5, both=0.9)
    state, _ = follow(plan_race(expecting(0.2, 0.2), [1] * 400, Settings()), scores)
    assert steps(state, Train)[0].training == first


def test_paths_may_share_a_training() -> None:
    race = plan_race(contenders("one"), [1] * 400, Settings(), pilots=())
    state, stop = follow(race, drawn(prompt=0.3, rag=0.4, finetune=0.5, both=0.7))
    assert steps(state, Train) == [Train("one", 1.0)]
    assert stop.choice.path == "finetune+rag"


@pytest.mark.parametrize("budget", [100, 300, 700, 1000, 1500])
def test_a_budget_is_never_passed(budget) -> None:
    race = plan_race(contenders(), [1] * 400, Settings(), Cost(budget, math.inf, math.inf))
    state, stop = follow(race, drawn(prompt=0.3, rag=0.34, finetune=0.36, both=0.4))
    assert stop.spent.seconds <= budget
    assert sum(done.cost.seconds for done in state.done) == stop.spent.seconds


def test_money_or_energy_alone_is_a_budget_too() -> None:
    priced = [replace(one, answer=Cost(1, 0.01, 0.001)) for one in contenders()[:2]]
    race = plan_race(priced, [1] * 400, Settings(), Cost(math.inf, 2.0, math.inf))
    assert race.looks == (25, 50, 100)
    assert plan_race(priced, [1] * 400, Settings(), Cost(math.inf, math.inf, 0.1)).looks[-1] == 50


def test_looks_stand_where_blocks_of_answers_end() -> None:
    sizes = [3] * 133
    for budget in (UNLIMITED, Cost(500, math.inf, math.inf), Cost(90, math.inf, math.inf)):
        race = plan_race(contenders()[:2], sizes, Settings(), budget, (), blocks(sizes))
        assert race.looks
        assert set(race.looks) <= set(blocks(sizes))
    least = Cost(60, math.inf, math.inf)
    assert plan_race(contenders()[:2], sizes, Settings(), least, (), (36, 399)).looks == ()


def test_a_budget_too_small_for_trainings_and_looks_races_without_trainings() -> None:
    race = plan_race(contenders(), [1] * 400, Settings(), Cost(130, math.inf, math.inf), ())
    assert race.looks == (25, 33, 65)


def test_what_could_not_be_paid_is_said_and_the_verdict_is_the_simplest_path() -> None:
    race = plan_race(contenders()[:2], [1] * 400, Settings(), Cost(30, math.inf, math.inf))
    assert next_step(State(race)).choice.undecided  # type: ignore[union-attr]
    race = plan_race(contenders()[:2], [1] * 4000, Settings(), Cost(200, math.inf, math.inf))
    _, stop = follow(race, drawn(n=4000, seed=2, prompt=0.40, rag=0.425))
    assert stop.choice.path == "prompt"
    assert stop.choice.undecided
    assert "not enough evidence: the simplest path allowed, prompt" in stop.certainty
    assert f"{stop.choice.questions_to_settle} more questions would settle it" in stop.certainty
    assert "would have been seen with a chance of 80%" in stop.certainty


def test_the_verdict_calls_what_was_scored_by_its_name() -> None:
    for rag, said in ((0.425, "more examples would settle it"), (0.9, "100 examples planned")):
        race = plan_race(contenders()[:2], [1] * 100, Settings(noun="example"))
        _, stop = follow(race, drawn(n=100, seed=3, prompt=0.40, rag=rag))
        assert said in stop.certainty
        assert "question" not in " ".join((stop.certainty, *stop.choice.reasons))


def test_the_number_of_questions_said_does_settle_it() -> None:
    race = plan_race(contenders()[:2], [1] * 100, Settings())
    _, stop = follow(race, drawn(n=100, seed=3, prompt=0.40, rag=0.425))
    assert stop.choice.undecided
    more = stop.choice.questions_to_settle
    assert more is not None
    found = [
        follow(
            plan_race(contenders()[:2], [1] * (100 + more), Settings()),
            drawn(n=100 + more, seed=seed, prompt=0.40, rag=0.40 + stop.choice.margins[0].gain),
        )[1]
        for seed in range(40)
    ]
    assert sum(one.choice.path == "rag" for one in found) >= 0.6 * 40


def test_a_training_cut_short_wins_only_over_the_best_end_of_simpler_ones() -> None:
    """Both tuned paths on a part of the examples: the simpler one may still gain much more."""
    tight = Cost(630, math.inf, math.inf)
    race = plan_race(contenders("one"), [1] * 400, Settings(), tight, ())
    state, stop = follow(race, drawn(prompt=0.30, rag=0.31, finetune=0.50, both=0.60))
    assert steps(state, Train) == [Train("one", 0.625)]
    assert stop.choice.path == "finetune"
    _, stop = follow(race, drawn(prompt=0.30, rag=0.31, finetune=0.31, both=0.60))
    assert stop.choice.path == "finetune+rag"


def test_a_training_takes_as_many_eighths_of_the_examples_as_can_be_paid() -> None:
    for seconds, part in ((500, 1 / 8), (520, 1 / 2), (640, 5 / 8), (1000, 1.0)):
        tight = Cost(seconds, math.inf, math.inf)
        race = plan_race([contenders()[0], contenders()[2]], [1] * 200, Settings(), tight, ())
        state, _ = follow(race, drawn(n=200, prompt=0.30, finetune=0.60))
        assert steps(state, Train) == [Train("a", part)]


def test_untrained_paths_get_the_answers_that_half_the_budget_buys_them() -> None:
    untrained, every = contenders()[:2], contenders()
    for budget in (500, 800):  # at a second an answer, of two paths and of four
        tight = Cost(budget, math.inf, math.inf)
        last = plan_race(every, [1] * 400, Settings(), tight).looks[-1]
        assert last == plan_race(untrained, [1] * 400, Settings(), tight.times(0.5)).looks[-1]
    poor = Cost(200, math.inf, math.inf)  # pays for no training that is worth it
    assert plan_race(every, [1] * 400, Settings(), poor).looks[-1] == 100


def test_a_race_goes_on_from_any_step() -> None:
    race = plan_race(contenders(), [1] * 400, Settings())
    scores = drawn(prompt=0.3, rag=0.4, finetune=0.5, both=0.7)
    state, stop = follow(race, scores)
    for at in range(len(state.done)):
        assert follow(race, scores, State(race, state.done[:at])) == (state, stop)


def test_what_an_earlier_run_measured_counts() -> None:
    race = plan_race(contenders()[:2], [1] * 400, Settings())
    scores = drawn(prompt=0.3, rag=0.6)
    state = record(State(race), Measure("prompt", 0.0, 0, 400), Cost(), scores["prompt", 0.0])
    state, stop = follow(race, scores, state)
    assert [step.path for step in steps(state, Measure)] == ["prompt", "rag"]
    assert stop.choice.path == "rag"


def test_one_path_wins_without_a_race() -> None:
    stop = next_step(State(plan_race(contenders()[:1], [1] * 400, Settings())))
    assert isinstance(stop, Stop)
    assert (stop.choice.path, stop.choice.undecided, stop.spent) == ("prompt", False, Cost())


def test_bad_input_is_refused() -> None:
    race = plan_race(contenders()[:2], [1] * 400, Settings())
    with pytest.raises(InputError, match="at most once"):
        plan_race((*contenders(), contenders()[0]), [1], Settings())
    with pytest.raises(InputError, match="at least one question"):
        plan_race(contenders(), [], Settings())
    with pytest.raises(InputError, match="costs from 0"):
        plan_race(contenders(), [1] * 40, Settings(), Cost(math.nan))
    with pytest.raises(InputError, match="finite scores"):
        record(State(race), Measure("prompt", 0, 0, 2), Cost(), (0.5, math.nan))
    with pytest.raises(InputError, match="not yet answered"):
        record(State(race), Measure("prompt", 0, 5, 6), Cost(), (0.5,))


def test_bonett_price_for_independent_binary_scores_and_clusters_otherwise() -> None:
    a, b = np.array([1.0] * 9 + [0.0]), np.array([0.0] * 5 + [1.0] * 5)
    found = compare(a, b, np.ones(10, dtype=np.int64))
    won, lost = (5 + 1) / 12, (1 + 1) / 12
    assert found.gain == pytest.approx(won - lost)
    assert found.se == pytest.approx(math.sqrt((won + lost - (won - lost) ** 2) / 12))
    paired = compare(a, b, np.full(5, 2, dtype=np.int64))
    assert (paired.gain, paired.df) == (pytest.approx(0.4), 4)


def test_the_best_end_is_on_the_flattest_line() -> None:
    base, early, late = np.full(20, 0.2), np.full(20, 0.4), np.full(20, 0.45)
    leader, sizes = np.full(20, 0.5), np.ones(20, dtype=np.int64)
    points = [(0.0, base), (0.25, early), (0.5, late)]
    assert best_end(points, leader, sizes) == pytest.approx(0.45 + 0.05 * 2 - 0.5)
    assert best_end(points[:2], leader, sizes) == pytest.approx(0.5, abs=0.1)  # no more than 1


@given(st.permutations(range(4)), st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_the_order_of_paths_does_not_change_a_verdict_and_equal_seeds_give_equal_ones(
    order, seed
) -> None:
    truth = Truth((0.40, 0.46, 0.50, 0.55))
    sizes, scores = draw(np.random.default_rng(seed), truth)
    race = race_of(truth, Rules(0.6), sizes)
    again = plan_race([race.contenders[i] for i in order], sizes, race.settings, race.budget)
    assert drive(race, scores) == drive(again, scores)


@given(st.integers(0, 200), st.floats(0, 0.3), st.sampled_from(["one", None]))
@settings(max_examples=60, deadline=None)
def test_a_better_score_never_loses_the_race(seed, better, training) -> None:
    rng = np.random.default_rng(seed)
    means = dict(zip(("prompt", "rag", "finetune", "both"), rng.uniform(0.3, 0.5, 4), strict=True))
    scores = drawn(seed=seed, **means)
    race = plan_race(contenders(training), [1] * 400, Settings(), UNLIMITED, ())
    before = follow(race, scores)[1].choice.path
    raised = {
        key: tuple(s + better for s in row) if key[0] == before else row
        for key, row in scores.items()
    }
    assert follow(race, raised)[1].choice.path == before
