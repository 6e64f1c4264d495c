"""Which path the measurements support: claims, margins and the choice they lead to.

A costlier path claims to win if the one-sided lower bound of its gain exceeds `min_gain` against
every simpler path allowed. Each such claim is an intersection-union test (Berger 1982), so it
needs no correction for its comparisons; the claims, one for each costlier path allowed, share the
error 1 - confidence equally. Whoever claims beats all simpler claimants too, so the last claimant
in the order wins.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tasks.core.errors import InputError
from tasks.core.stats import Gain, lower_bound, p_value, paired_gain, questions_needed, upper_bound
from tasks.core.veto import PATHS, Veto


@dataclass(frozen=True)
class Measured:
    """One path's scores: one for each question, the same questions in the same order for all.

    `clusters` names what a question shares with others (its source document).
    """

    path: str
    scores: tuple[float, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """What wins: by how much (in the metric's unit), with what confidence, simplest path first.

    `noun` is what reasons call a thing that was scored.
    """

    min_gain: float = 0.02
    confidence: float = 0.95
    order: tuple[str, ...] = PATHS
    noun: str = "question"


@dataclass(frozen=True)
class Margin:
    """By how much `path` beats the simpler path `over`, in the metric's unit.

    One-sided bounds. `low` has the error of the path's claim. `high` has that error shared among
    the simpler paths, since one of them is enough to refute the claim. `claim` says that `low`
    exceeds the minimal gain; `p_value` tests the gain against it.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_inf_nan": "strings"}

    path: str
    over: str
    gain: float
    low: float
    high: float
    claim: bool
    p_value: float | None = None


@dataclass(frozen=True)
class Choice:
    """The path that measurement and vetoes support, with the margins behind it.

    `leader` has the best mean among the paths allowed. `undecided`: no path is ahead by enough,
    and it is not settled either that none is. `questions_to_settle`: about how many more
    questions would settle it at the gains seen; 0 if decided, None if no feasible number would.
    """

    path: str
    undecided: bool
    leader: str
    questions_to_settle: int | None
    margins: tuple[Margin, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Contest:
    """Paths allowed, simplest first, with their means and the gain of each over each simpler."""

    allowed: tuple[str, ...]
    settings: Settings
    n: int
    means: Mapping[str, float]
    gains: Mapping[tuple[str, str], Gain] = field(default_factory=dict)

    @property
    def alpha(self) -> float:
        """Error of one claim."""
        return (1 - self.settings.confidence) / max(len(self.allowed) - 1, 1)

    def simpler(self, path: str) -> tuple[str, ...]:
        return self.allowed[: self.allowed.index(path)]


def choose(measured: Sequence[Measured], vetoes: Sequence[Veto], settings: Settings) -> Choice:
    """Choose among the measured paths that no veto rules out.

    Raises:
        InputError: scores that are missing, not finite or not of the same questions; a path
            that is unknown or measured twice; settings out of range; every path vetoed.
    """
    contest = _contest(measured, vetoes, settings)
    margins = tuple(_margin(contest, path, over) for path, over in contest.gains)
    leader = max(contest.allowed, key=lambda path: contest.means[path])  # first of equals
    held = [path for path in contest.allowed[1:] if _holds(path, margins)]
    if held:
        reasons = _won(held[-1], leader, margins, contest)
        return Choice(held[-1], False, leader, 0, margins, reasons)
    simplest = contest.allowed[0]
    if all(_refuted(path, margins, settings) for path in contest.allowed[1:]):
        reasons = _settled(simplest, contest)
        return Choice(simplest, False, leader, 0, margins, reasons)
    more = _to_settle(contest)
    reasons = _open(simplest, leader, more, margins, contest)
    return Choice(simplest, True, leader, more, margins, reasons)


def _contest(measured: Sequence[Measured], vetoes: Sequence[Veto], settings: Settings) -> _Contest:
    _check(measured, settings)
    paths = tuple(path for path in settings.order if any(one.path == path for one in measured))
    vetoed = {veto.path for veto in vetoes}
    allowed = tuple(path for path in paths if path not in vetoed)
    if not allowed:
        clashes = "; ".join(veto.text for veto in vetoes if veto.path in paths)
        raise InputError(
            "limits", clashes, "at least one measured path within all limits",
            "Loosen one of these limits.",
        )  # fmt: skip
    scores, clusters = _rows(measured)
    gains = {
        (path, over): paired_gain(scores[path], scores[over], clusters)
        for at, path in enumerate(allowed)
        for over in allowed[:at]
    }
    means = {path: math.fsum(scores[path]) / len(clusters) for path in allowed}
    return _Contest(allowed, settings, len(clusters), means, gains)


def _check(measured: Sequence[Measured], settings: Settings) -> None:
    if not (math.isfinite(settings.min_gain) and 0 < settings.confidence < 1):
        raise InputError(
            "decision", (settings.min_gain, settings.confidence),
            "a finite min_gain and a confidence between 0 and 1", "Change these settings.",
        )  # fmt: skip
    names = [one.path for one in measured]
    if not names or len(set(names)) < len(names) or not set(names) <= set(settings.order):
        raise InputError(
            "measured paths", names, f"each at most once, of {', '.join(settings.order)}",
            "Measure paths that the order names.",
        )  # fmt: skip
    for one in measured:
        if not one.scores or not all(map(math.isfinite, one.scores)):
            raise InputError(
                f"scores of {one.path}", [s for s in one.scores if not math.isfinite(s)][:3],
                "a finite score for each of at least one question",
                "Score every question, or leave it out for every path.",
            )  # fmt: skip
        same = one.clusters == measured[0].clusters
        if not same or len(one.scores) != len(one.clusters):
            raise InputError(
                f"scores of {one.path}", len(one.scores),
                f"the {len(measured[0].clusters)} questions that {measured[0].path} answered, "
                "with their source documents, in the same order",
                "Let every path answer the same questions.",
            )  # fmt: skip


def _rows(measured: Sequence[Measured]) -> tuple[dict[str, tuple[float, ...]], tuple[str, ...]]:
    """Scores and clusters by path, in an order that doesn't depend on how the input came."""
    ordered = sorted(measured, key=lambda one: one.path)
    rows = sorted(zip(ordered[0].clusters, *(one.scores for one in ordered), strict=True))
    clusters, *columns = zip(*rows, strict=True)
    return {one.path: column for one, column in zip(ordered, columns, strict=True)}, clusters


def _margin(contest: _Contest, path: str, over: str) -> Margin:
    gain, least = contest.gains[path, over], contest.settings.min_gain
    low = lower_bound(gain, contest.alpha)
    high = upper_bound(gain, contest.alpha / len(contest.simpler(path)))
    return Margin(path, over, gain.gain, low, high, low > least, p_value(gain, least))


def _holds(path: str, margins: Sequence[Margin]) -> bool:
    return all(margin.claim for margin in margins if margin.path == path)


def _refuted(path: str, margins: Sequence[Margin], settings: Settings) -> bool:
    return any(margin.high < settings.min_gain for margin in margins if margin.path == path)


def _to_settle(contest: _Contest) -> int | None:
    """More questions that would let a claim hold at the gains seen, or refute all of them."""
    least, alpha = contest.settings.min_gain, contest.alpha
    refuting: list[int | None] = []
    for path in reversed(contest.allowed[1:]):
        gains = [contest.gains[path, over] for over in contest.simpler(path)]
        if all(gain.gain > least for gain in gains):
            return _most([questions_needed(gain, least, alpha) for gain in gains])
        below = [
            questions_needed(gain, least, alpha / len(gains))
            for gain in gains
            if gain.gain <= least
        ]
        refuting.append(min((more for more in below if more is not None), default=None))
    return _most(refuting)


def _most(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) else None


def claims_text(count: int) -> str:
    """How many claims share an error, for people."""
    return f"{count} {'claim' if count == 1 else 'claims'}"


def _won(path: str, leader: str, margins: Sequence[Margin], contest: _Contest) -> tuple[str, ...]:
    settings = contest.settings
    reasons = [
        f"{path} beats {margin.over} by {margin.gain:.3f}, at least {margin.low:.3f} "
        f"(minimal gain {settings.min_gain:g}, confidence {settings.confidence:g} shared by "
        f"{claims_text(len(contest.allowed) - 1)})"
        for margin in margins
        if margin.path == path
    ]
    missing = [one for one in margins if one.path == leader and not one.claim]
    if missing:  # never of a leader that is the winner
        ahead = contest.means[leader] - contest.means[path]
        worst = min(missing, key=lambda margin: margin.low)
        reasons.append(
            f"{leader} has a mean {ahead:.3f} higher, but is not shown to gain more than "
            f"{settings.min_gain:g} over every simpler path: over {worst.over} it is at least "
            f"{worst.low:.3f}"
        )
    return tuple(reasons)


def _settled(path: str, contest: _Contest) -> tuple[str, ...]:
    if len(contest.allowed) == 1:
        return (f"{path} is the only path measured and allowed",)
    return (
        f"{path} is the simplest path allowed, and no costlier one gains "
        f"{contest.settings.min_gain:g}: {contest.n} {contest.settings.noun}s settle that at "
        f"confidence {contest.settings.confidence:g}",
    )


def _open(
    path: str, leader: str, more: int | None, margins: Sequence[Margin], contest: _Contest
) -> tuple[str, ...]:
    least, noun = contest.settings.min_gain, contest.settings.noun
    first = f"undecided: no path is shown to gain more than {least:g}, so the simplest, {path}"
    if leader == path:
        second = f"{path} also has the best mean, {contest.means[path]:.3f}"
    else:
        rival = next(m for m in margins if m.path == leader and m.over == path)
        second = (
            f"{leader} leads {path} by {rival.gain:.3f} "
            f"({rival.low:.3f} to {rival.high:.3f}) on {contest.n} {noun}s"
        )
    if more is None:
        third = f"no feasible number of {noun}s would settle it: a gain is too near {least:g}"
    else:
        third = f"about {more} more {noun}s would settle it, if the gains stay as they are"
    return first, second, third
