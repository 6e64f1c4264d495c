"""What turns a decision, and what must not."""

import random
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.core.decide import (
    Measured,
    Settings,
    decide,
)
from tasks.core.stats import Interval
from tasks.core.veto import PATHS, Bound, Veto, measured_vetoes
from tests.tasks.core.contests import table, veto


def test_each_flip_turns_the_verdict_and_just_short_of_it_nothing_turns() -> None:
    data = table({"prompt": 0.4, "rag": 0.5, "finetune": 0.53, "finetune+rag": 0.55}, n=400)
    start = Settings()
    found = decide(data, (), start)
    assert {flip.setting for flip in found.flip_when} == {"min_gain", "confidence"}
    assert {flip.op for flip in found.flip_when} == {"<=", ">="}
    for flip in found.flip_when:
        turned = decide(data, (), replace(start, **{flip.setting: flip.value}))
        assert turned.path == flip.becomes != found.path
        short = flip.value + (2e-6 if flip.op == "<=" else -2e-6)
        assert decide(data, (), replace(start, **{flip.setting: short})).path == found.path


def test_limit_that_decides_says_where_it_lifts() -> None:
    data = table({"prompt": 0.2, "rag": 0.5, "finetune": 0.8})
    seen = Interval(0.2, 0.15234567, 0.25)

    def vetoes(limit: float) -> tuple[Veto, ...]:
        return measured_vetoes("finetune", [Bound("max_forgetting", seen, limit, "lost")])

    found = decide(data, vetoes(0.1), Settings())
    flip = next(flip for flip in found.flip_when if flip.setting == "max_forgetting")
    assert (found.path, flip.op, flip.becomes) == ("rag", ">=", "finetune")
    assert decide(data, vetoes(flip.value), Settings()).path == "finetune"
    assert decide(data, vetoes(flip.value - 2e-6), Settings()).path == "rag"


def test_limit_that_does_not_matter_is_not_named() -> None:
    data = table({"prompt": 0.2, "rag": 0.8, "finetune": 0.3})
    found = decide(data, [veto("finetune")], Settings())
    assert "train_seconds" not in {flip.setting for flip in found.flip_when}


grid = st.integers(0, 8).map(lambda eighths: eighths / 8)


@st.composite
def contests(draw: st.DrawFn) -> list[Measured]:
    n = draw(st.integers(2, 24))
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=4, unique=True))
    clusters = tuple(draw(st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n)))
    lift = {path: draw(st.integers(0, 6)) / 8 for path in paths}
    scores = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    return [
        Measured(path, tuple(lift[path] + eighths / 8 for eighths in draw(scores)), clusters)
        for path in paths
    ]


@settings(deadline=None)
@given(contests(), st.randoms(use_true_random=False))
def test_order_of_paths_and_questions_does_not_change_a_decision(
    data: list[Measured], rng: random.Random
) -> None:
    at = list(range(len(data[0].scores)))
    rng.shuffle(at)
    mixed = [
        Measured(one.path, tuple(one.scores[i] for i in at), tuple(one.clusters[i] for i in at))
        for one in data
    ]
    rng.shuffle(mixed)
    assert decide(mixed, (), Settings()) == decide(data, (), Settings())


@settings(deadline=None)
@given(contests())
def test_equal_input_gives_equal_output(data: list[Measured]) -> None:
    again = [Measured(one.path, tuple(one.scores), tuple(one.clusters)) for one in data]
    assert decide(data, (), Settings()) == decide(again, (), Settings())


@settings(deadline=None)
@given(contests(), grid)
def test_better_scores_never_lose_rank(data: list[Measured], better: float) -> None:
    found = decide(data, (), Settings())
    raised = [
        replace(one, scores=tuple(score + better for score in one.scores))
        if one.path in (found.path, found.leader)
        else one
        for one in data
    ]
    chosen_alone = [
        up if up.path == found.path else one for one, up in zip(data, raised, strict=True)
    ]
    assert decide(chosen_alone, (), Settings()).path == found.path
    assert decide(raised, (), Settings()).leader == found.leader


@settings(deadline=None)
@given(contests(), st.floats(0, 0.5), st.floats(0.55, 0.99))
def test_every_flip_found_turns_the_verdict(data, min_gain, confidence) -> None:
    start = Settings(min_gain=min_gain, confidence=confidence)
    found = decide(data, (), start)
    for flip in found.flip_when:
        turned = decide(data, (), replace(start, **{flip.setting: flip.value}))
        assert turned.path == flip.becomes != found.path


@settings(deadline=None)
@given(contests(), st.lists(st.floats(0.1, 9), min_size=8, max_size=8), st.floats(0.1, 9))
def test_every_limit_that_flips_turns_the_verdict_when_it_is_applied(data, seen, limit) -> None:
    def vetoes(allowed: float) -> list[Veto]:
        bounds = {
            path: Bound("seconds_p95", Interval(low + width / 2, low, low + width), allowed, "s")
            for path, low, width in zip(PATHS, seen[:4], seen[4:], strict=True)
        }
        return [veto for one in data for veto in measured_vetoes(one.path, [bounds[one.path]])]

    found = decide(data, vetoes(limit), Settings())
    for flip in found.flip_when:
        if flip.setting == "seconds_p95":
            turned = decide(data, vetoes(flip.value), Settings())
            assert turned.path == flip.becomes != found.path


@settings(deadline=None)
@given(contests(), st.sets(st.sampled_from(PATHS)))
def test_vetoed_path_is_never_chosen(data, vetoed) -> None:
    assume({one.path for one in data} - vetoed)
    found = decide(data, [veto(path) for path in sorted(vetoed)], Settings())
    assert found.path not in vetoed
    assert {margin.path for margin in found.margins}.isdisjoint(vetoed)
