"""How a race ended: which path it supports, and how much certainty the budget bought."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.optimize import brentq

from tasks.core.claims import Choice, Margin, claims_text
from tasks.core.race_board import Board, Seen
from tasks.core.race_state import WHOLE, Contender, Cost, Race
from tasks.core.sequential import critical, levels
from tasks.core.stats import Gain, lower_bound, p_value, questions_needed, upper_bound

WON, DROPPED, HOPELESS, OPEN, BUDGET = "won", "dropped", "hopeless", "open", "budget"
POWER_Z = 0.8416  # a gain is seen with a chance of 80%


@dataclass(frozen=True)
class Ended:
    """How one path's attempt ended: how, at which look (from 0), trained on which share, and why.

    `how` is won; dropped: its chance to win fell too low; hopeless: its training could not have
    ended ahead; open: neither, with all questions answered; budget: the next step can't be paid.
    """

    path: str
    how: str
    look: int | None
    share: float
    why: str


@dataclass(frozen=True)
class Stop:
    """The verdict of a race: the choice with its margins, and what it rests on.

    `confidence` is the highest at which the winner's claim would hold, None without a winner.
    `questions` is the most that any path answered, `planned` the last look. `certainty` says in
    words how much the budget bought.
    """

    choice: Choice
    ended: tuple[Ended, ...]
    spent: Cost
    questions: int
    planned: int
    confidence: float | None
    certainty: str


@dataclass(frozen=True)
class _Pair:
    """A path against a simpler one at the last look that both reached."""

    path: str
    over: str
    look: int
    whole: bool
    gain: Gain
    margin: Margin


def verdict(board: Board, ended: tuple[Ended, ...]) -> Stop:
    """The choice that what was measured supports; the last claimant in the order wins."""
    race, noun = board.race, board.race.settings.noun
    won = [one for one in ended if one.how == WON]
    best = max(won, key=lambda one: len(board.simpler(one.path)), default=None)
    pairs = tuple(pair for one in race.contenders[1:] for pair in _pairs(board, one, best))
    margins = tuple(pair.margin for pair in pairs)
    leader = _leader(board)
    questions = board.most
    planned = race.looks[-1] if race.looks else 0
    if best is not None and best.look is not None:
        sure = _confidence(race, best, pairs)
        text = (
            f"{best.path} wins on {race.looks[best.look]} of {planned} {noun}s planned; the "
            f"claim holds up to a confidence of {sure:.3f}"
        )
        reasons = (text, *_won(best, pairs, race), *_others(ended, best))
        choice = Choice(best.path, False, leader, 0, margins, reasons)
        return Stop(choice, ended, board.spent, questions, planned, sure, text)
    simplest = race.contenders[0].path
    if all(_refuted(one, pairs, race) for one in race.contenders[1:]):
        text = (
            f"no costlier path gains {race.settings.min_gain:g}: that is settled for {simplest}"
            if len(race.contenders) > 1
            else f"{simplest} is the only path allowed"
        )
        choice = Choice(simplest, False, leader, 0, margins, (text, *_others(ended, None)))
        return Stop(choice, ended, board.spent, questions, planned, None, text)
    more = _to_settle(race, pairs)
    text = _open_text(race, simplest, more, pairs)
    choice = Choice(simplest, True, leader, more, margins, (text, *_others(ended, None)))
    return Stop(choice, ended, board.spent, questions, planned, None, text)


def _pairs(board: Board, contender: Contender, best: Ended | None) -> list[_Pair]:
    """Comparisons with each simpler path; the winner's stand where it won."""
    race, share = board.race, board.entry(contender)
    if share is None:
        return []
    last = len(race.looks) - 1
    if best is not None and best.path == contender.path and best.look is not None:
        last = best.look
    simpler, found = board.simpler(contender.path), []
    for other in simpler:
        for look in range(last, -1, -1):
            seen = board.gain(contender, other, share, race.looks[look])
            if seen is not None:
                found.append(_pair(race, contender, other, look, share, seen, len(simpler)))
                break
    return found


def _pair(
    race: Race, path: Contender, over: Contender, look: int, share: float, seen: Seen, rivals: int
) -> _Pair:
    gain, least = seen.gain, race.settings.min_gain
    low = lower_bound(gain, levels(race.shares, race.alpha)[look])
    high = upper_bound(gain, levels(race.shares, race.alpha / rivals)[look])
    margin = Margin(path.path, over.path, seen.mean, low, high, low > least, p_value(gain, least))
    whole = seen.direct and (path.training is None or share == WHOLE)
    return _Pair(path.path, over.path, look, whole, gain, margin)


def _refuted(contender: Contender, pairs: Sequence[_Pair], race: Race) -> bool:
    """Whether a path, trained in whole if at all, is shown not to gain enough over some other."""
    return any(
        pair.margin.high < race.settings.min_gain
        for pair in pairs
        if pair.path == contender.path and pair.whole
    )


def _leader(board: Board) -> str:
    """The best mean, each next path compared on the questions that both answered."""
    lead = board.race.contenders[0]
    for one in board.race.contenders[1:]:
        stop = min(board.answered(one), board.answered(lead))
        if stop and board.mean(one, stop) > board.mean(lead, stop):
            lead = one
    return lead.path


def _confidence(race: Race, best: Ended, pairs: Sequence[_Pair]) -> float:
    """The highest confidence at which the claim holds at its look under the same plan."""
    look, least = best.look or 0, race.settings.min_gain
    worst = max(p_value(pair.gain, least) for pair in pairs if pair.path == best.path)

    def above(log: float) -> float:
        return levels(race.shares, math.exp(log))[look] - worst

    low, high = math.log(race.alpha * 1e-6), math.log(race.alpha)
    log = low if above(low) > 0 else float(brentq(above, low, high, xtol=1e-3))
    return 1 - math.exp(log) * (len(race.contenders) - 1)


def _to_settle(race: Race, pairs: Sequence[_Pair]) -> int | None:
    """More questions that would let a measured claim hold, or refute all, at the gains seen.

    None if a path was not measured in whole: then questions alone settle nothing.
    """
    level = levels(race.shares, race.alpha)[-1] if race.looks else race.alpha
    least, refuting = race.settings.min_gain, []
    for one in reversed(race.contenders[1:]):
        own = [pair for pair in pairs if pair.path == one.path]
        rivals = race.contenders.index(one)
        if len(own) == rivals and all(pair.gain.gain > least for pair in own):
            return _most([questions_needed(pair.gain, least, level) for pair in own])
        below = [
            questions_needed(pair.gain, least, level / rivals) for pair in own
            if pair.gain.gain <= least and pair.whole
        ]  # fmt: skip
        refuting.append(min((more for more in below if more is not None), default=None))
    return _most(refuting)


def _most(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(known) if counts and len(known) == len(counts) else None


def _open_text(race: Race, simplest: str, more: int | None, pairs: Sequence[_Pair]) -> str:
    noun = race.settings.noun
    settle = (
        f"about {more} more {noun}s would settle it"
        if more is not None
        else f"more {noun}s alone would not settle it"
    )
    text = f"not enough evidence: the simplest path allowed, {simplest}; {settle}"
    if not pairs:
        return f"{text}. No costlier path could be measured"
    widest = max(pairs, key=lambda pair: (pair.look, pair.gain.se))
    if widest.gain.se == 0:
        return text  # nothing tells how much scores may differ
    z = critical(race.shares, race.alpha)[widest.look]
    seen = race.settings.min_gain + (z + POWER_Z) * widest.gain.se
    return (
        f"{text}. On {race.looks[widest.look]} {noun}s a gain of {seen:.3f} of {widest.path} "
        f"over {widest.over} would have been seen with a chance of 80%"
    )


def _won(best: Ended, pairs: Sequence[_Pair], race: Race) -> tuple[str, ...]:
    return tuple(
        f"{pair.path} beats {pair.over} by {pair.margin.gain:.3f}, at least {pair.margin.low:.3f} "
        f"(minimal gain {race.settings.min_gain:g}, confidence {race.settings.confidence:g} "
        f"shared by {claims_text(len(race.contenders) - 1)} and {len(race.looks)} looks)"
        for pair in pairs
        if pair.path == best.path
    )


def _others(ended: Sequence[Ended], best: Ended | None) -> tuple[str, ...]:
    return tuple(
        f"{one.path} was stopped ({one.how}): {one.why}"
        for one in ended
        if one.how != WON and one is not best
    )
