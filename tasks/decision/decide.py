"""From scorecards to a verdict: measured vetoes, the decision, and what stands beside it."""

from collections.abc import Sequence
from dataclasses import replace

from tasks.artifacts import Answer, Blob, Scorecard
from tasks.core.decide import (
    Decision,
    Measured,
    TestScore,
    Verdict,
    decide,
    decision_of,
    measured_verdict,
)
from tasks.core.evidence import Evidence
from tasks.core.race import State, Stop
from tasks.core.race_record import Raced
from tasks.core.race_replay import race_flips
from tasks.core.rule import RuleAdvice
from tasks.core.stats import Interval
from tasks.core.veto import Bound, Veto, measured_vetoes
from tasks.planning.plan import rule_and_evidence, settings
from tasks.results.markdown import with_article
from tasks.results.outcome import Planned
from tasks.run import RunFile
from tasks.store import get_rows
from tasks.task.metrics import values

VOTE = (
    "rag is the vote of the nearest labelled examples, found by {} and weighted by similarity; "
    "the model itself is not asked"
)


def decide_on(
    run: RunFile, planned: Planned, cards: Sequence[Scorecard]
) -> tuple[Decision, tuple[Veto, ...]]:
    """The decision on one measured model, with all its vetoes."""
    vetoes = planned.vetoes + tuple(veto for card in cards for veto in vetoes_of(run, card))
    return decide([measured(card) for card in cards], vetoes, settings(run)), vetoes


def decide_raced(
    state: State, stop: Stop, cards: Sequence[Scorecard], vetoes: Sequence[Veto]
) -> Decision:
    """The decision that a race came to; `state` holds its log and every path that raced."""
    if {one.path for one in state.race.contenders} <= {veto.path for veto in vetoes}:
        shared = min(card.n for card in cards)  # the questions that came first in the race
        return decide([measured(card, shared) for card in cards], vetoes, state.race.settings)
    return decision_of(stop.choice, race_flips(state, stop, vetoes))


def vetoes_of(run: RunFile, card: Scorecard) -> tuple[Veto, ...]:
    """Limits that a scorecard's measurements break."""
    limits, seen, cost = run.limits, card.metrics, card.cost
    unit = with_article(run.noun)
    trained = float(cost.get("train_seconds") or 0.0)
    energy = None if cost.get("energy_kwh") is None else 1000 * cost["energy_kwh"] / card.n
    return measured_vetoes(
        card.path,
        (
            Bound("max_forgetting", seen.get("forgetting"), limits.max_forgetting,
                  "of general accuracy lost"),
            Bound("seconds_per_question", seen.get("seconds_per_question"),
                  limits.seconds_per_question, f"seconds {unit}"),
            Bound("seconds_p95", seen.get("seconds_p95"), limits.seconds_p95,
                  f"seconds {unit}, asked one at a time, in 95 of 100"),
            Bound("train_seconds", exactly(trained or None), limits.train_seconds,
                  "seconds to train"),
            Bound("money_per_question", seen.get("money_per_question"), limits.money_per_question,
                  f"{run.currency} {unit}"),
            Bound("energy_wh_per_question", exactly(energy), limits.energy_wh_per_question,
                  f"Wh {unit}"),
            Bound("min_refused", seen.get("refused_unanswerable"), limits.min_refused,
                  "of the questions without an answer refused", least=True),
        ),
    )  # fmt: skip


def exactly(value: float | None) -> Interval | None:
    """A number that was measured once, as an interval of no width."""
    return None if value is None else Interval(value, value, value)


def measured(card: Scorecard, first: int | None = None) -> Measured:
    """What the decision reads of a scorecard: what each question adds to the primary metric.

    With `first`, of its first questions alone.
    """
    blob = Blob(uri=card.answers["uri"], sha=card.answers["digest"], bytes=0)
    rows = get_rows(blob, Answer)[:first]
    return Measured(
        path=card.path,
        scores=tuple(values(rows, card.primary)),
        clusters=tuple(row.cluster for row in rows),
    )


def verdict_on(
    run: RunFile,
    planned: Planned,
    decision: Decision,
    vetoes: Sequence[Veto],
    test: Scorecard | None,
    times_read: int,
    race: Raced | None = None,
    weighed: tuple[RuleAdvice, Evidence] | None = None,
) -> Verdict:
    """The verdict on one measured model, its winner's test score beside it."""
    rule, evidence = weighed or rule_and_evidence(run, planned.model)
    if "rag" in planned.paths and not planned.model.generates:
        decision = replace(decision, reasons=(*decision.reasons, VOTE.format(run.index.encoder)))
    score = (
        TestScore(test.primary, test.metrics[test.primary], test.n, times_read) if test else None
    )
    return measured_verdict(
        model=planned.model.ref,
        params=planned.model.params,
        size_class=planned.model.size_class,
        rule=rule,
        evidence=evidence,
        vetoes=tuple(vetoes),
        decision=decision,
        settings=settings(run),
        test=score,
        race=race,
    )
