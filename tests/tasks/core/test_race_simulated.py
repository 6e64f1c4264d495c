"""Races on drawn questions whose truth is known: how often they err, and what they find."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tasks.core.claims import Settings
from tasks.core.errors import InputError
from tasks.core.race import Contender, Cost, State, Train, plan_race
from tests.benchmarks.race import KINDS, NULLS, Rules, Truth, draw, drive, race_of, run_cell
from tests.benchmarks.truths import run_truths

REPEATS, TRUTHS = 200, 120
SLACK = 3 * (0.05 * 0.95 / REPEATS) ** 0.5


def shares_trained(state: State) -> list[float]:
    return [done.step.share for done in state.done if isinstance(done.step, Train)]


@pytest.mark.parametrize("kind", ["binary, independent", "F1-like, clustered"])
@pytest.mark.parametrize("name", ["pair", "ladder"])
def test_gains_of_exactly_the_minimum_win_in_at_most_five_percent(kind, name) -> None:
    found = run_cell(replace(KINDS[kind], means=NULLS[name]), Rules(), REPEATS)
    assert found.wrong / REPEATS <= 0.05 + SLACK
    assert found.covered / found.margins >= 0.95 - SLACK


def test_few_examples_a_label_make_no_more_wrong_switches() -> None:
    found = run_cell(replace(KINDS["macro-F1, 40 labels"], means=NULLS["pair"]), Rules(), REPEATS)
    assert found.wrong / REPEATS <= 0.05 + SLACK


def test_a_race_on_macro_f1_compares_what_the_same_answers_come_to() -> None:
    truth = Truth((0.3, 0.6), 400, 1, labels=5)
    sizes, scores = draw(np.random.default_rng(3), truth)
    _, stop = drive(race_of(truth, Rules(), sizes), scores)
    (margin,) = stop.choice.margins
    n = stop.questions
    assert n < 400
    prompt, rag = (np.mean(truth.values(scores[path, 0.0][:n])) for path in ("prompt", "rag"))
    assert (stop.choice.path, margin.gain) == ("rag", pytest.approx(rag - prompt))
    assert 0 < prompt < rag < 1


def test_a_training_is_judged_by_macro_f1_too() -> None:
    truth = Truth((0.3, 0.31, 0.75), 400, 1, labels=5)
    sizes, scores = draw(np.random.default_rng(3), truth)
    state, stop = drive(race_of(truth, Rules(), sizes), scores)
    assert shares_trained(state) == [1 / 8, 1.0]
    assert stop.choice.path == "finetune"
    none = dict.fromkeys(scores, scores["prompt", 0.0])
    state, stop = drive(race_of(truth, Rules(), sizes), none)
    assert shares_trained(state) == [1 / 8]
    assert stop.choice.path == "prompt"


def test_labels_of_more_or_fewer_questions_are_refused() -> None:
    with pytest.raises(InputError, match="labels"):
        plan_race([Contender("prompt", Cost(1))], [1] * 4, Settings(), labels=[0, 1, 0])


def test_a_race_finds_what_measuring_everything_finds_for_less() -> None:
    found = run_cell(Truth((0.15, 0.55, 0.20, 0.75)), Rules(1.0, shared=True), 60)
    assert found.same / 60 >= 0.75  # 0.91 in 180 races
    assert np.mean(found.cost) < 0.8


def test_over_drawn_truths_few_switches_are_wrong_and_a_greater_budget_loses_less() -> None:
    tight, free = (run_truths(TRUTHS, budget) for budget in (0.2, math.inf))
    for found in (tight, free):
        assert found.wrong / TRUTHS <= 0.05
        assert found.covered / found.margins >= 0.95 - SLACK
    assert np.mean(tight.cost) <= 0.2 < np.mean(free.cost)
    assert np.mean(free.regret) < np.mean(tight.regret) - 3
