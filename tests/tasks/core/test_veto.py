import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.core.stats import Interval
from tasks.core.veto import Bound, Veto, estimated_vetoes, fact_vetoes, measured_vetoes

FINE = {"open_weights": True, "documents": 60, "examples": 120, "min_examples": 20}
TUNED = {"finetune", "finetune+rag"}
ALL = {"prompt", "rag", *TUNED}


def paths(vetoes: tuple[Veto, ...]) -> set[str]:
    return {veto.path for veto in vetoes}


def test_nothing_is_vetoed_where_everything_is_there() -> None:
    assert fact_vetoes(**FINE) == ()


@pytest.mark.parametrize(
    ("facts", "vetoed", "limit", "says"),
    [
        ({"open_weights": False}, TUNED, "open_weights", "out of reach"),
        ({"documents": 0}, {"rag", "finetune+rag"}, "documents", "0 documents"),
        ({"examples": 12}, TUNED, "min_examples", "12 training examples, at least 20"),
        ({"answer_gib": 14.2, "memory_gib": 8.0}, ALL, "memory_gib", "14.2 GiB needed to answer"),
        ({"train_gib": 37.9, "memory_gib": 16.0}, TUNED, "memory_gib", "37.9 GiB needed to train"),
        (
            {"changes_every_days": 1, "retrain_every_days": 30},
            {"finetune"},
            "retrain_every_days",
            "every 1 days",
        ),
    ],
)
def test_each_fact_vetoes_its_paths_and_names_its_number(facts, vetoed, limit, says) -> None:
    found = fact_vetoes(**{**FINE, **facts})
    assert paths(found) == vetoed
    assert {veto.limit for veto in found} == {limit}
    assert all(says in veto.text and veto.text.startswith(veto.path) for veto in found)


def test_memory_is_an_estimate_and_a_count_is_a_fact() -> None:
    found = fact_vetoes(**{**FINE, "examples": 1}, train_gib=9, memory_gib=8)
    assert {veto.limit: veto.basis for veto in found} == {
        "min_examples": "fact",
        "memory_gib": "estimate",
    }


@pytest.mark.parametrize(
    "facts",
    [
        {"examples": 20},
        {"documents": 1},
        {"train_gib": 8.0, "memory_gib": 8.0},
        {"train_gib": None, "memory_gib": 8.0},
        {"train_gib": 8.0, "memory_gib": None},
        {"changes_every_days": 30, "retrain_every_days": 30},
        {"changes_every_days": None},
    ],
)
def test_at_the_limit_or_unknown_is_no_veto(facts) -> None:
    assert fact_vetoes(**{**FINE, **facts}) == ()


def test_a_measurement_vetoes_only_if_the_whole_interval_is_beyond_the_limit() -> None:
    unit = "of general accuracy lost"
    partly = Bound("max_forgetting", Interval(0.2, 0.05, 0.35), 0.1, unit)
    whole = Bound("max_forgetting", Interval(0.2, 0.15, 0.25), 0.1, unit)
    assert measured_vetoes("finetune", [partly]) == ()
    (found,) = measured_vetoes("finetune", [whole])
    assert (found.value, found.allowed, found.basis) == (0.15, 0.1, "measured")
    assert "0.2 of general accuracy lost (0.15 to 0.25), 0.1 allowed" in found.text


def test_a_minimum_vetoes_only_if_the_whole_interval_is_below_it() -> None:
    def bound(high: float) -> Bound:
        return Bound("min_refused", Interval(0.4, 0.3, high), 0.6, "refused", least=True)

    assert measured_vetoes("rag", [bound(0.6)]) == ()
    (found,) = measured_vetoes("rag", [bound(0.5)])
    assert (found.value, found.allowed) == (0.5, 0.6)
    assert found.text == "rag: 0.4 refused (0.3 to 0.5), at least 0.6 wanted"


def test_a_single_number_vetoes_beyond_its_limit_and_is_told_without_an_interval() -> None:
    (found,) = measured_vetoes("rag", [Bound("train_seconds", Interval(90, 90, 90), 60, "s")])
    assert (found.limit, found.value, found.text) == ("train_seconds", 90, "rag: 90 s, 60 allowed")


def test_what_was_not_measured_or_has_no_limit_vetoes_nothing() -> None:
    seen = Interval(9, 9, 9)
    assert measured_vetoes("rag", [Bound("a", None, 1, "s"), Bound("b", seen, None, "s")]) == ()


@pytest.mark.parametrize(
    "bound",
    [
        Bound("train_seconds", Interval(math.nan, math.nan, math.nan), 2.0, "s"),
        Bound("train_seconds", Interval(1.0, 1.0, 1.0), math.nan, "s"),
        Bound("min_refused", Interval(1.0, 1.0, 1.0), math.nan, "s", least=True),
    ],
)
def test_a_number_that_is_none_is_refused(bound: Bound) -> None:
    with pytest.raises(InputError):
        measured_vetoes("finetune", [bound])


def test_an_estimate_vetoes_only_far_beyond_a_limit() -> None:
    assert estimated_vetoes("finetune", {"train_seconds": (100, 20.0)}) == ()
    assert estimated_vetoes("finetune", {"train_seconds": (100, None)}) == ()
    (found,) = estimated_vetoes("finetune", {"train_seconds": (100, 19.0)})
    assert (found.value, found.allowed, found.basis) == (20, 19, "estimate")
    assert found.text == "finetune: train_seconds of about 100 by estimate, 19 allowed"


limits = st.floats(0, 10)


@given(seen=limits, width=limits, limit=limits, tighter=limits)
def test_a_tighter_limit_never_lifts_a_veto_by_measurement_or_estimate(
    seen, width, limit, tighter
) -> None:
    interval = Interval(seen + width / 2, seen, seen + width)
    low, high = sorted((limit, tighter))
    loose = measured_vetoes("rag", [Bound("seconds_per_question", interval, high, "s")])
    tight = measured_vetoes("rag", [Bound("seconds_per_question", interval, low, "s")])
    assert paths(loose) <= paths(tight)
    some = measured_vetoes("rag", [Bound("min_refused", interval, low, "", least=True)])
    more = measured_vetoes("rag", [Bound("min_refused", interval, high, "", least=True)])
    assert paths(some) <= paths(more)
    cheap = estimated_vetoes("rag", {"train_seconds": (seen, high)})
    cheaper = estimated_vetoes("rag", {"train_seconds": (seen, low)})
    assert paths(cheap) <= paths(cheaper)


@given(need=limits, there=st.tuples(limits, limits), least=st.tuples(*[st.integers(0, 30)] * 2))
def test_a_tighter_limit_never_lifts_a_fact_veto(need, there, least) -> None:
    loose = fact_vetoes(
        **{**FINE, "examples": 15, "min_examples": min(least)},
        train_gib=need,
        memory_gib=max(there),
    )
    tight = fact_vetoes(
        **{**FINE, "examples": 15, "min_examples": max(least)},
        train_gib=need,
        memory_gib=min(there),
    )
    assert {(v.path, v.limit) for v in loose} <= {(v.path, v.limit) for v in tight}
