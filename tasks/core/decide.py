"""The verdict on one base model, from rule, evidence, vetoes and measurement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.claims import Choice, Margin, Measured, Settings, choose
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.flip import FlipWhen, flip_when, veto_flips
from tasks.core.race_record import Raced
from tasks.core.rule import RuleAdvice
from tasks.core.stats import Interval
from tasks.core.veto import ESTIMATE, Veto

__all__ = [
    "Decision", "FlipWhen", "Margin", "Measured", "Settings", "TestScore", "Verdict",
    "advised_verdict", "decide", "measured_verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """The path that measurement and vetoes support, why, and what would turn it.

    `path` is None if every path measured is vetoed; then `leader` is the best of those measured.
    `leader` has the best mean among the paths allowed. `undecided`: no path is ahead by enough,
    and it is not settled either that none is. `questions_to_settle`: about how many more
    questions would settle it at the gains seen; 0 if decided, None if no feasible number would.
    """

    path: str | None
    undecided: bool
    leader: str
    questions_to_settle: int | None
    margins: tuple[Margin, ...]
    reasons: tuple[str, ...]
    flip_when: tuple[FlipWhen, ...] = ()


@dataclass(frozen=True)
class TestScore:
    """The winner's score on test questions that nothing else has seen.

    `times_read` counts how often this test split has been read, this time included.
    """

    __test__ = False  # not a test case, whatever its name says to pytest

    metric: str
    score: Interval
    n: int
    times_read: int


@dataclass(frozen=True)
class Verdict:
    """The answer for one base model; `basis` is measured or advised.

    `path` is None if all were measured and none stays within the limits. `race` is what a budget
    bought, None where everything was measured.
    """

    model: str
    params: float | None
    size_class: str
    path: str | None
    basis: str
    rule: RuleAdvice
    evidence: Evidence
    reasons: tuple[str, ...]
    vetoes: tuple[Veto, ...]
    margins: tuple[Margin, ...]
    flip_when: tuple[FlipWhen, ...]
    undecided: bool
    questions_to_settle: int | None
    test: TestScore | None
    confidence: float
    min_gain: float
    race: Raced | None = None


def decide(measured: Sequence[Measured], vetoes: Sequence[Veto], settings: Settings) -> Decision:
    """Decide between measured paths: the claim rule of `tasks.core.claims`, with its flips.

    Raises:
        InputError: scores that are missing, not finite or not of the same questions; a path
            that is unknown or measured twice; settings out of range.
    """
    if measured and not _allowed(measured, vetoes):
        return _none_allowed(measured, vetoes, settings)
    choice = choose(measured, vetoes, settings)
    return decision_of(choice, flip_when(choice, measured, vetoes, settings))


def decision_of(choice: Choice, flips: tuple[FlipWhen, ...]) -> Decision:
    """A choice with what would turn it."""
    return Decision(
        path=choice.path,
        undecided=choice.undecided,
        leader=choice.leader,
        questions_to_settle=choice.questions_to_settle,
        margins=choice.margins,
        reasons=choice.reasons,
        flip_when=flips,
    )


def _allowed(measured: Sequence[Measured], vetoes: Sequence[Veto]) -> bool:
    return not {one.path for one in measured} <= {veto.path for veto in vetoes}


def _none_allowed(
    measured: Sequence[Measured], vetoes: Sequence[Veto], settings: Settings
) -> Decision:
    """No path stays within the limits: which is the nearest, and every number in the way."""
    free = choose(measured, (), settings)  # refuses what can't be compared
    paths = [path for path in settings.order if any(one.path == path for one in measured)]
    in_the_way = {path: [veto for veto in vetoes if veto.path == path] for path in paths}
    nearest = sorted(paths, key=lambda path: max(map(_excess, in_the_way[path])))

    def path_with(remaining: Sequence[Veto]) -> str | None:
        return choose(measured, remaining, settings).path if _allowed(measured, remaining) else None

    return Decision(
        path=None,
        undecided=False,
        leader=free.leader,
        questions_to_settle=None,
        margins=(),
        reasons=(
            f"no path measured stays within the limits; the nearest is {nearest[0]}",
            *(veto.text for path in nearest for veto in in_the_way[path]),
        ),
        flip_when=veto_flips("", [veto for path in paths for veto in in_the_way[path]], path_with),
    )


def _excess(veto: Veto) -> float:
    """By which factor a limit is missed; without bound where no number would lift the veto."""
    if veto.value is None or veto.allowed is None:
        return math.inf
    low, high = sorted((veto.value, veto.allowed))
    return high / low if low > 0 else math.inf


def measured_verdict(
    *,
    model: str,
    params: float | None,
    size_class: str,
    rule: RuleAdvice,
    evidence: Evidence,
    vetoes: Sequence[Veto],
    decision: Decision,
    settings: Settings,
    test: TestScore | None = None,
    race: Raced | None = None,
) -> Verdict:
    """The verdict that a decision on measurements gives; the last reason compares the rule."""
    return Verdict(
        model=model,
        params=params,
        size_class=size_class,
        path=decision.path,
        basis="measured",
        rule=rule,
        evidence=evidence,
        reasons=(*decision.reasons, _beside_rule(rule, decision.path)),
        vetoes=tuple(vetoes),
        margins=decision.margins,
        flip_when=decision.flip_when,
        undecided=decision.undecided,
        questions_to_settle=decision.questions_to_settle,
        test=test,
        confidence=settings.confidence,
        min_gain=settings.min_gain,
        race=race,
    )


def advised_verdict(
    *,
    model: str,
    params: float | None,
    size_class: str,
    rule: RuleAdvice,
    evidence: Evidence,
    vetoes: Sequence[Veto],
    settings: Settings,
    reason: str,
) -> Verdict:
    """The verdict on a model that was not measured; `reason` says what stopped the measurement.

    The best of the evidence's ranking that no veto rules out; without evidence the rule's path,
    else the simplest. If estimates for this machine rule out every path, the advice is for a
    machine that is large or fast enough, and says so.

    Raises:
        InputError: vetoes other than estimates rule out every path.
    """
    reasons = [f"advised, not measured: {reason}"]
    binding = tuple(vetoes)
    if _best(rule, evidence, binding, settings) is None:
        binding = tuple(veto for veto in vetoes if veto.basis != ESTIMATE)
        what = {veto.limit for veto in vetoes if veto.basis == ESTIMATE} - {"memory_gib"}
        unfit = "is fast enough here" if what else "fits the memory here"
        reasons.append(f"no path {unfit}: this is for a machine where it does")
    found = _best(rule, evidence, binding, settings)
    if found is None:
        raise InputError(
            "limits", "; ".join(veto.text for veto in binding), "at least one path allowed",
            "Loosen one of these limits.",
        )  # fmt: skip
    path, why = found

    def path_with(remaining: Sequence[Veto]) -> str | None:
        best = _best(rule, evidence, remaining, settings)
        return best[0] if best else None

    return Verdict(
        model=model,
        params=params,
        size_class=size_class,
        path=path,
        basis="advised",
        rule=rule,
        evidence=evidence,
        reasons=(*reasons, why, _beside_rule(rule, path)),
        vetoes=tuple(vetoes),
        margins=(),
        flip_when=veto_flips(path, binding, path_with),
        undecided=False,
        questions_to_settle=None,
        test=None,
        confidence=settings.confidence,
        min_gain=settings.min_gain,
    )


def _best(
    rule: RuleAdvice, evidence: Evidence, vetoes: Sequence[Veto], settings: Settings
) -> tuple[str, str] | None:
    """The path to advise and why; None if every path is vetoed."""
    vetoed = {veto.path for veto in vetoes}
    for path in evidence.ranking:
        if path not in vetoed:
            return path, f"published evidence: {evidence.text}"
    if rule.path is not None and rule.path not in vetoed:
        return rule.path, "no published evidence on this case: the size rule's path"
    for path in settings.order:
        if path not in vetoed:
            return path, "neither evidence nor rule names an allowed path: the simplest one"
    return None


def _beside_rule(rule: RuleAdvice, path: str | None) -> str:
    if rule.path is None:
        return f"the size rule does not commit here: {rule.text}"
    says = "the same" if rule.path == path else rule.path
    return f"the size rule would have said {says}: {rule.text}"
