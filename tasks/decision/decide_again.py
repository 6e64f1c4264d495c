"""The decision on what a finished run measured: under other settings, nothing measured again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tasks.artifacts import Answer, Scorecard
from tasks.core.across import ModelChoice
from tasks.core.claims import Measured
from tasks.core.decide import Decision, Verdict, decide
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.race import State, Stop
from tasks.core.race_record import Raced, raced
from tasks.core.race_replay import settle, without
from tasks.core.race_state import FREE
from tasks.core.rule import RuleAdvice
from tasks.core.veto import ESTIMATE, Veto, memory_vetoes
from tasks.decision.across import choose_among
from tasks.decision.decide import decide_raced, verdict_on, vetoes_of
from tasks.planning.plan import rule_and_evidence, settings
from tasks.results.finished import Finished, answers_in
from tasks.results.outcome import Outcome, Planned
from tasks.run import DecisionSpec, RunFile
from tasks.task.metrics import values

MEMORY = "memory_gib"


def changes_of(**given: float | str | None) -> dict[str, dict[str, Any]]:
    """Settings that were given, under the tables of the run file that hold them."""
    changes: dict[str, dict[str, Any]] = {"decision": {}, "limits": {}}
    if given.get("primary") is not None:
        changes["decision"]["weights"] = {}  # a metric takes the place of a utility
    for key, value in given.items():
        if value is not None:
            changes["decision" if key in DecisionSpec.model_fields else "limits"][key] = value
    return changes


def decide_again(finished: Finished) -> Outcome:
    """All verdicts of a finished run under its settings; what was not measured stays as it was."""
    verdicts: list[Verdict] = []
    for planned in finished.models:
        if not finished.dev(planned.model.ref):
            verdicts += kept(finished, planned)
            continue
        weighed = rule_and_evidence(finished.run, planned.model)
        vetoes = all_vetoes(finished, planned)
        decision, race = compare(finished, planned, vetoes)
        verdicts.append(verdict_again(finished, planned, weighed, vetoes, decision, race))
    return Outcome(champion=None, verdicts=tuple(verdicts), across=among_models(finished, verdicts))


def among_models(finished: Finished, verdicts: Sequence[Verdict]) -> ModelChoice | None:
    """The last step over the models' winners, which may not be those of before."""
    metric = finished.run.decision.primary

    def read(card: Scorecard) -> Sequence[Answer]:
        return answers_in(card, metric)

    return choose_among(finished.run, verdicts, finished.cards, read)


def kept(finished: Finished, planned: Planned) -> tuple[Verdict, ...]:
    """The verdict on a model of which nothing was measured, if there was one."""
    before = finished.verdicts.get(planned.model.ref)
    return (before,) if before else ()


def all_vetoes(finished: Finished, planned: Planned) -> tuple[Veto, ...]:
    """What rules paths out: facts and estimates as planned, measurements by the limits now."""
    limit = finished.run.limits.memory_gib
    known = planned.vetoes
    if limit is not None and planned.answer_gib is not None:
        known = tuple(veto for veto in known if veto.limit != MEMORY) + tuple(
            veto
            for path in finished.run.decision.order
            for veto in memory_vetoes(path, *planned.need(path), limit)
        )
    known = tuple(veto for veto in known if not _lifted(veto, finished.run))
    _check_timed(finished, planned)
    measured = [vetoes_of(finished.run, card) for card in finished.dev(planned.model.ref)]
    return known + tuple(veto for found in measured for veto in found)


def _lifted(veto: Veto, run: RunFile) -> bool:
    """Whether an estimate of time is within the limits as they are now."""
    if veto.basis != ESTIMATE or veto.limit == MEMORY or veto.value is None:
        return False
    allowed = getattr(run.limits, veto.limit)
    return allowed is None or veto.value <= allowed


def _check_timed(finished: Finished, planned: Planned) -> None:
    limit = finished.run.limits.seconds_p95
    cards = finished.dev(planned.model.ref)
    if limit is not None and any("seconds_p95" not in card.metrics for card in cards):
        raise InputError(
            "limits.seconds_p95", limit, "a run that timed single answers",
            "Run again with this limit in the run file: what else is kept costs nothing.",
        )  # fmt: skip


def compare(
    finished: Finished, planned: Planned, vetoes: Sequence[Veto]
) -> tuple[Decision, Raced | None]:
    """What the measurements support; a race is judged by its log, looks and all.

    Raises:
        InputError: scorecards over different questions, scores that are missing or no numbers.
    """
    cards = finished.dev(planned.model.ref)
    state = finished.races.get(planned.model.ref)
    if state is not None:
        return _raced(finished, planned, state, cards, vetoes)
    _same_questions(cards)
    metric = finished.run.decision.primary
    return decide([_measured(c, metric) for c in cards], vetoes, settings(finished.run)), None


def _same_questions(cards: Sequence[Scorecard]) -> None:
    first = cards[0]
    for card in cards[1:]:
        if card.questions_digest != first.questions_digest:
            raise InputError(
                f"scorecard of {card.path} ({card.model})",
                f"questions {card.questions_digest}, {card.n} of them",
                f"the questions of {first.path}: {first.questions_digest}, {first.n} of them",
                "Only answers to the same questions can be compared: run again.",
            )  # fmt: skip


def _measured(card: Scorecard, metric: str) -> Measured:
    rows = answers_in(card, metric)
    return Measured(
        path=card.path,
        scores=tuple(values(rows, metric)),
        clusters=tuple(row.cluster for row in rows),
    )


def _raced(
    finished: Finished,
    planned: Planned,
    state: State,
    cards: Sequence[Scorecard],
    vetoes: Sequence[Veto],
) -> tuple[Decision, Raced | None]:
    run = finished.run
    if any(card.primary != run.decision.primary for card in cards):
        raise InputError(
            "decision.primary", run.decision.primary, f"{cards[0].primary}, which was raced for",
            "A race is decided by what it measured: run again for another metric.",
        )  # fmt: skip
    state = replace(state, race=replace(state.race, settings=settings(run)))
    left = without(state, {veto.path for veto in vetoes})
    stop: Stop = settle(left if left.race.contenders else state)
    decision = decide_raced(state, stop, cards, vetoes)
    barred = {veto.path: veto.text for veto in vetoes}
    record = raced(state, stop, state.race.budget, FREE, barred)
    before = finished.verdicts.get(planned.model.ref)
    if before is not None and before.race is not None:
        record = replace(record, budget=before.race.budget, spent=before.race.spent)
    return decision, record


def verdict_again(
    finished: Finished,
    planned: Planned,
    weighed: tuple[RuleAdvice, Evidence],
    vetoes: tuple[Veto, ...],
    decision: Decision,
    race: Raced | None,
) -> Verdict:
    """The verdict; a test score stands in it only where the path chosen was tested then."""
    run: RunFile = finished.run
    before = finished.verdicts.get(planned.model.ref)
    measured = {card.path for card in finished.dev(planned.model.ref)}
    if before is not None and decision.path is not None and decision.path not in measured:
        return before  # advice: a race ended before the path that stands had answered
    test = finished.test(planned.model.ref, decision.path)
    if test is not None and run.decision.primary not in test.metrics:
        test = None
    if test is not None:
        test = test.model_copy(update={"primary": run.decision.primary})
    times = before.test.times_read if before and before.test else 1
    return verdict_on(run, planned, decision, vetoes, test, times, race, weighed)
