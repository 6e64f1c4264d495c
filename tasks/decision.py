"""From scorecards to a verdict: measured vetoes, the decision, and what stands beside it."""

from collections.abc import Sequence

from tasks.artifacts import Answer, Blob, Scorecard
from tasks.core.decide import Decision, Measured, TestScore, Verdict, decide, measured_verdict
from tasks.core.veto import Veto, measured_vetoes
from tasks.metrics import values
from tasks.plan import rule_and_evidence, settings
from tasks.results.outcome import Planned
from tasks.run import RunFile
from tasks.store import get_rows


def decide_on(
    run: RunFile, planned: Planned, cards: Sequence[Scorecard]
) -> tuple[Decision, tuple[Veto, ...]]:
    """The decision on one measured model, with all its vetoes."""
    vetoes = planned.vetoes + tuple(veto for card in cards for veto in _vetoes(run, card))
    return decide([measured(card) for card in cards], vetoes, settings(run)), vetoes


def _vetoes(run: RunFile, card: Scorecard) -> tuple[Veto, ...]:
    trained = float(card.cost["train_seconds"])
    return measured_vetoes(
        card.path,
        forgetting=card.metrics.get("forgetting"),
        max_forgetting=run.limits.max_forgetting,
        seconds_per_question=card.metrics.get("seconds_per_question"),
        max_seconds_per_question=run.limits.seconds_per_question,
        train_seconds=trained or None,
        max_train_seconds=run.limits.train_seconds,
    )


def measured(card: Scorecard) -> Measured:
    """What the decision reads of a scorecard: what each question adds to the primary metric."""
    rows = get_rows(Blob(uri=card.answers["uri"], sha=card.answers["digest"], bytes=0), Answer)
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
) -> Verdict:
    """The verdict on one measured model, its winner's test score beside it."""
    rule, evidence = rule_and_evidence(run, planned.model)
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
    )
