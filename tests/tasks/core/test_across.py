"""Among the models' winners the best is chosen, and the smallest where none is shown better."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.across import Contender, choose_model
from tasks.core.claims import Settings
from tasks.core.errors import InputError

SMALL, MID, HOSTED, OURS = "small", "mid", "openai:big", "models:/ours@champion"
SIZES = {SMALL: 1e8, MID: 7e9, HOSTED: None, OURS: 1e8}


def contender(model: str, mean: float, n: int = 200, seed: int = 0) -> Contender:
    """A model's winner with exactly this mean, noise of its own and two questions a document."""
    noise = np.random.default_rng([seed, *model.encode()]).uniform(-0.2, 0.2, n)
    scores = tuple(float(mean + one) for one in noise - noise.mean())
    clusters = tuple(f"d{i // 2}" for i in range(n))
    return Contender(model, "rag", SIZES[model], model == OURS, scores, clusters)


def test_the_larger_model_wins_where_it_is_better_by_enough() -> None:
    found = choose_model([contender(MID, 0.8), contender(SMALL, 0.5)], Settings())
    assert (found.model, found.path, found.undecided, found.n) == (MID, "rag", False, 200)
    assert found.reasons[0].startswith("mid (rag) beats small by 0.300, at least 0.2")
    assert "shared by 1 claim)" in found.reasons[0]


def test_the_smallest_within_the_minimal_gain_stands() -> None:
    found = choose_model([contender(MID, 0.5), contender(SMALL, 0.5)], Settings(min_gain=0.1))
    assert (found.model, found.undecided) == (SMALL, False)
    assert "is the smallest model, and no other is better by 0.1" in found.reasons[0]


def test_a_lead_without_proof_is_undecided_and_says_what_would_settle_it() -> None:
    found = choose_model([contender(SMALL, 0.5, 40), contender(MID, 0.55, 40)], Settings())
    assert (found.model, found.leader, found.undecided) == (SMALL, MID, True)
    assert found.reasons[0].startswith("undecided: no model is shown to be better")
    assert "mid has a mean 0.050 higher" in found.reasons[1]
    assert str(found.questions_to_settle) in found.reasons[2]


def test_what_runs_already_stands_until_something_is_shown_to_be_better() -> None:
    same = [contender(SMALL, 0.5), contender(OURS, 0.5), contender(MID, 0.5)]
    kept = choose_model(same, Settings(min_gain=0.1))
    assert kept.model == OURS
    assert "is what runs already" in kept.reasons[0]
    beaten = choose_model([contender(SMALL, 0.8), contender(OURS, 0.5)], Settings())
    assert beaten.model == SMALL


def test_models_stand_in_the_order_of_size_and_unknown_sizes_last() -> None:
    found = choose_model([contender(one, 0.5) for one in (HOSTED, MID, OURS, SMALL)], Settings())
    assert [one.model for one in found.standings] == [OURS, SMALL, MID, HOSTED]
    assert found.standings[0].score.value == pytest.approx(0.5)


def test_reasons_call_what_was_scored_by_its_name() -> None:
    for mean, said in ((0.5, "examples settle that"), (0.52, "would settle it")):
        found = choose_model(
            [contender(SMALL, 0.5), contender(MID, mean)], Settings(noun="example")
        )
        told = " ".join(found.reasons)
        assert said in told
        assert "examples" in told
        assert "question" not in told


def test_a_single_winner_is_chosen() -> None:
    found = choose_model([contender(MID, 0.1)], Settings())
    assert (found.model, found.undecided, found.margins) == (MID, False, ())


def test_winners_measured_on_other_questions_are_refused() -> None:
    with pytest.raises(InputError, match="same questions"):
        choose_model([contender(SMALL, 0.5, 10), contender(MID, 0.5, 12)], Settings())


@st.composite
def contests(draw: st.DrawFn) -> list[Contender]:
    n = draw(st.integers(2, 20))
    models = draw(st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=4, unique=True))
    clusters = tuple(draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n)))
    scores = st.lists(st.integers(0, 4), min_size=n, max_size=n)
    return [
        Contender(one, "rag", SIZES[one], one == OURS, tuple(s / 4 for s in draw(scores)), clusters)
        for one in models
    ]


@settings(deadline=None)
@given(contests(), st.randoms(use_true_random=False))
def test_the_order_of_models_and_questions_changes_nothing(
    data: list[Contender], rng: random.Random
) -> None:
    at = list(range(len(data[0].scores)))
    rng.shuffle(at)
    mixed = [
        replace(
            one,
            scores=tuple(one.scores[i] for i in at),
            clusters=tuple(one.clusters[i] for i in at),
        )
        for one in data
    ]
    rng.shuffle(mixed)
    assert choose_model(mixed, Settings()) == choose_model(data, Settings())


@settings(deadline=None)
@given(contests(), st.integers(1, 8))
def test_a_better_score_never_loses_the_choice(data: list[Contender], better: int) -> None:
    found = choose_model(data, Settings())
    raised = [
        replace(one, scores=tuple(s + better / 8 for s in one.scores))
        if one.model == found.model
        else one
        for one in data
    ]
    assert choose_model(raised, Settings()).model == found.model


@settings(deadline=None)
@given(contests(), st.floats(0, 0.5), st.floats(0.55, 0.99))
def test_what_would_turn_the_choice_turns_it(data, min_gain, confidence) -> None:
    start = Settings(min_gain=min_gain, confidence=confidence)
    found = choose_model(data, start)
    for flip in found.flip_when:
        turned = choose_model(data, replace(start, **{flip.setting: flip.value}))
        assert turned.model == flip.becomes != found.model
