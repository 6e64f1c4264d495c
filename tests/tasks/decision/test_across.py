"""The models' winners are compared on the questions that all of them answered."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.artifacts import Blob, Scorecard
from tasks.core.decide import Verdict
from tasks.core.errors import InputError
from tasks.decision.across import choose_among, winners
from tasks.results.record import RunRecord, answers_of
from tasks.store import put_rows

MakeCard = Callable[..., Scorecard]
LOW, HIGH = [0.1, 0.2] * 10, [0.9, 1.0, 0.8, 1.0] * 5


@pytest.fixture
def verdict(record: RunRecord) -> Verdict:
    return record.outcome.verdicts[0]


@pytest.fixture
def card(record: RunRecord, make_card: MakeCard) -> Callable[..., Scorecard]:
    """A model's scorecard for the path that the verdict names."""
    system = record.scorecards[1].system

    def make(model: str, scores: list[float], **kinds: str) -> Scorecard:
        return make_card(system, scores, **kinds).model_copy(update={"model": model})

    return make


def of(verdict: Verdict, model: str, params: float | None, path: str | None = "x") -> Verdict:
    path = verdict.path if path == "x" else path
    return replace(verdict, model=model, params=params, path=path)


def test_only_measured_verdicts_with_a_path_have_winners(
    record: RunRecord, verdict: Verdict, card: Callable[..., Scorecard]
) -> None:
    advised = replace(of(verdict, "c", 7e9), basis="advised")
    verdicts = (of(verdict, "a", 1e8), of(verdict, "b", 1e9, None), advised)
    cards = [card(model, HIGH) for model in "abc"]
    assert [one.model for one, _ in winners(verdicts, cards)] == ["a"]
    assert choose_among(record.run, verdicts, cards) is None


def test_the_larger_model_is_chosen_where_it_is_better(
    record: RunRecord, verdict: Verdict, card: Callable[..., Scorecard]
) -> None:
    verdicts = (of(verdict, "large", 7e9), of(verdict, "small", 1e8))
    better = [card("large", HIGH), card("small", LOW), card("small", [1.0] * 20, split="test")]
    found = choose_among(record.run, verdicts, better)
    assert found is not None
    assert (found.model, found.n, found.undecided) == ("large", 20, False)
    assert found.margins[0].gain == pytest.approx(0.775)
    same = choose_among(record.run, verdicts, [card("large", LOW), card("small", LOW)])
    assert same is not None
    assert same.model == "small"


def test_what_runs_already_comes_before_any_other(
    record: RunRecord, verdict: Verdict, card: Callable[..., Scorecard]
) -> None:
    ours = "models:/harbour@champion"
    verdicts = (of(verdict, "small", 1e8), of(verdict, ours, 7e9))
    found = choose_among(record.run, verdicts, [card("small", HIGH), card(ours, HIGH)])
    assert found is not None
    assert (found.model, found.standings[0].runs) == (ours, True)


def test_winners_that_stopped_at_different_questions_are_compared_on_the_common_ones(
    record: RunRecord, verdict: Verdict, card: Callable[..., Scorecard]
) -> None:
    verdicts = (of(verdict, "large", 7e9), of(verdict, "small", 1e8))
    cards = [card("large", HIGH[:12], questions="first-12"), card("small", LOW)]
    found = choose_among(record.run, verdicts, cards)
    assert found is not None
    assert (found.model, found.n) == ("large", 12)


def test_winners_over_other_questions_are_refused_with_both_digests(
    record: RunRecord, verdict: Verdict, card: Callable[..., Scorecard]
) -> None:
    verdicts = (of(verdict, "large", 7e9), of(verdict, "small", 1e8))
    other = card("small", LOW, questions="dev-2")
    rows = [row.model_copy(update={"expected": ("no",)}) for row in answers_of(other)]
    blob: Blob = put_rows(rows)
    other = other.model_copy(update={"answers": {"uri": blob.uri, "digest": blob.sha}})
    with pytest.raises(InputError, match="dev-1") as caught:
        choose_among(record.run, verdicts, [card("large", HIGH), other])
    assert "dev-2" in str(caught.value.value)
