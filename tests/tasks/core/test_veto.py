import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.core.stats import Interval
from tasks.core.veto import Veto, fact_vetoes, measured_vetoes

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


def test_forgetting_vetoes_only_if_the_whole_interval_is_beyond_the_limit() -> None:
    partly = measured_vetoes("finetune", forgetting=Interval(0.2, 0.05, 0.35), max_forgetting=0.1)
    whole = measured_vetoes("finetune", forgetting=Interval(0.2, 0.15, 0.25), max_forgetting=0.1)
    assert partly == ()
    assert whole[0].value == 0.15
    assert (whole[0].allowed, whole[0].basis) == (0.1, "measured")
    assert "0.2 of general accuracy lost (0.15 to 0.25), 0.1 allowed" in whole[0].text


def test_seconds_veto_with_their_numbers() -> None:
    found = measured_vetoes(
        "rag",
        seconds_per_question=Interval(2.0, 1.8, 2.2),
        max_seconds_per_question=1.0,
        train_seconds=90,
        max_train_seconds=60,
    )
    assert [(veto.limit, veto.value, veto.allowed) for veto in found] == [
        ("seconds_per_question", 1.8, 1.0),
        ("train_seconds", 90, 60),
    ]


@pytest.mark.parametrize("field", ["train_seconds", "max_train_seconds"])
def test_a_number_that_is_none_is_refused(field) -> None:
    numbers = {"train_seconds": 1.0, "max_train_seconds": 2.0, field: math.nan}
    with pytest.raises(InputError):
        measured_vetoes("finetune", **numbers)


limits = st.floats(0, 10)


@given(seen=limits, width=limits, limit=limits, tighter=limits)
def test_a_tighter_limit_never_lifts_a_measured_veto(seen, width, limit, tighter) -> None:
    interval = Interval(seen + width / 2, seen, seen + width)
    low, high = sorted((limit, tighter))
    loose = measured_vetoes("rag", seconds_per_question=interval, max_seconds_per_question=high)
    tight = measured_vetoes("rag", seconds_per_question=interval, max_seconds_per_question=low)
    assert paths(loose) <= paths(tight)


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
