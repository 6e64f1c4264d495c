"""Paths race on blocks of the same questions, under a budget: which step comes next.

A pure state machine. `next_step(state)` names a step, somebody takes it, `record` adds what it
found and cost. Untrained paths race first; then trainings, the likeliest for their price first,
each only while it can still win. A path wins if at one of a few planned looks the lower bound of
its gain over every simpler path exceeds `min_gain`: the claim rule of `tasks.core.claims`, with
each claim's error spent over the looks (`tasks.core.sequential`). Whatever else ends a path here
only saves: it can lose a win, never add one, because a win needs every simpler path measured on
the same questions, also those that were dropped.
"""

import math

from scipy.special import ndtr

from tasks.core.paired import best_end
from tasks.core.race_board import Board
from tasks.core.race_state import (
    FREE,
    PARTS,
    PILOTS,
    UNLIMITED,
    UNTRAINED,
    WHOLE,
    WORTH_IT,
    Contender,
    Cost,
    Done,
    Measure,
    Race,
    Spend,
    State,
    Train,
    plan_race,
    record,
)  # fmt: skip
from tasks.core.race_verdict import BUDGET, DROPPED, HOPELESS, OPEN, WON, Ended, Stop, verdict
from tasks.core.sequential import chance_to_win, levels, z_of
from tasks.core.stats import Gain, lower_bound, p_value

__all__ = [
    "PILOTS", "UNLIMITED", "Contender", "Cost", "Done", "Ended", "Measure", "Race", "State",
    "Stop", "Train", "next_step", "plan_race", "record",
]  # fmt: skip

LEAST_CHANCE = 0.05  # a path with less is dropped; at 0.10 the regret was twice as high
CAUTION = 1.25  # a training may take this many times its estimate
PILOT_LOOK = 2  # pilots answer the questions of the third look, half of all


def next_step(state: State) -> Measure | Train | Stop:
    """What to do next: let a path answer a block, train an adapter, or stop with a verdict."""
    board = Board(state)
    ended: list[Ended] = []
    for contender in _order(board) if state.race.looks else ():
        rank = len(board.simpler(contender.path))
        if any(one.how == WON and len(board.simpler(one.path)) > rank for one in ended):
            continue  # a costlier path has beaten this one already
        found = _pursue(board, contender)
        if not isinstance(found, Ended):
            return found
        ended.append(found)
    return verdict(board, tuple(ended))


def _order(board: Board) -> list[Contender]:
    """Who tries to win, in which order: untrained, then trained; likely for its price first."""
    race = board.race

    def key(one: Contender) -> tuple[bool, float]:
        cost = one.answer.times(race.looks[-1]).plus(one.train)
        parts = [c / b for c, b in zip(cost, race.budget, strict=True) if 0 < b < math.inf]
        price = max(*parts, cost.seconds / 1e9, 1e-12)
        return one.training is not None, -_promise(board, one) / price

    return sorted(race.contenders[1:], key=key)


def _promise(board: Board, contender: Contender) -> float:
    """The chance to end `min_gain` ahead of every simpler path, as far as can be told beforehand.

    A training is expected to add to its base what it added in published results; a base, or a
    simpler path, that has answered stands there with its own score. What a part of the training
    scored changes nothing, so that no order changes while a training is tried.
    """
    best = max(_level(board, one) for one in board.simpler(contender.path))
    ahead = _level(board, contender, seen=False) - best - board.race.settings.min_gain
    return float(ndtr(ahead / contender.spread))


def _level(board: Board, contender: Contender, seen: bool = True) -> float:
    whole = UNTRAINED if contender.training is None else WHOLE
    values = board.values(contender.path, whole, board.race.looks[0]) if seen else None
    if values is not None:
        return float(values.mean())
    simplest, *others = board.race.contenders
    base = next((one for one in others if one.path == contender.base), simplest)
    return contender.gain + (0.0 if contender == simplest else _level(board, base))


def _pursue(board: Board, contender: Contender) -> Spend | Ended:
    """The next step that shows whether a path wins, or how its attempt ended."""
    if contender.training is None:
        return _contest(board, contender, UNTRAINED)
    grown = _grow(board, contender)
    return _contest(board, contender, grown) if isinstance(grown, float) else grown


def _grow(board: Board, contender: Contender) -> Spend | Ended | float:
    """Train further while that can win and be paid; else the share that races, or the end."""
    race, path = board.race, contender.path
    share = board.entry(contender) or UNTRAINED
    stop = race.looks[min(PILOT_LOOK, len(race.looks) - 1)]
    if share == WHOLE or board.count(path, share) > stop:
        return share
    target = _affordable(board, contender, share)
    if target is None:
        return share or Ended(path, BUDGET, None, share, "no training fits into what is left")
    leader = _leader(board, contender, race.looks[0])
    if share > 0:
        base = [one for one in race.contenders if one.path == contender.base]
        for one in (contender, leader, *base):
            step = board.missing(one, stop)
            if step is not None:
                return step if _affords(board, step) else share
    best = _best_end(board, contender, leader, share)
    if best < race.settings.min_gain:
        why = f"at best it would end {best:+.3f} from {leader.path}"
        return Ended(path, HOPELESS, None, share, why)
    for pilot in race.pilots:
        if share < pilot < target and _spares(board, contender, pilot):
            return Train(str(contender.training), pilot)
    return Train(str(contender.training), target)


def _affordable(board: Board, contender: Contender, above: float) -> float | None:
    """The largest share of the examples whose training can be paid, with what a win then needs.

    That is answers to all questions by the path and all simpler ones, and for those with a
    training of their own one on half that share, for their best end to be told. A training on
    half of the examples or more may also count on a win at the last look but one.
    """
    *_, early, last = board.race.looks[0], *board.race.looks
    for share in _further(above):
        slack = contender.train.times((CAUTION - 1) * share)
        slack = FREE if contender.training in board.trained else slack
        for stop in (last, early) if share >= WORTH_IT else (last,):
            if board.affords(_whole(board, contender, share, stop).plus(slack)):
                return share
    return None


def _further(above: float) -> tuple[float, ...]:
    """Shares worth training on anew, largest first: all examples, or twice as many at least."""
    return tuple(part for part in PARTS[::-1] if part >= 2 * above or part == WHOLE > above)


def _whole(board: Board, contender: Contender, share: float, questions: int) -> Cost:
    cost = board.price(contender, questions, share)
    for one in board.simpler(contender.path):
        trained = board.entry(one)
        if one.training in (None, contender.training):
            left = max(questions - board.count(one.path, trained or UNTRAINED), 0)
            cost = cost.plus(board.price(one, left))
        elif trained is None or trained < share / 2:
            cost = cost.plus(board.price(one, questions, share / 2))
    return cost


def _spares(board: Board, contender: Contender, pilot: float) -> bool:
    """Whether a pilot leaves enough to train everything in whole: it must not cost a training."""
    cost = board.price(contender, 0, pilot)
    names = set()
    for one in board.race.contenders:
        whole = board.entry(one) in (UNTRAINED, WHOLE) or one.training in names
        cost = cost.plus(board.price(one, board.race.looks[-1], UNTRAINED if whole else WHOLE))
        names.add(one.training)
    return board.affords(cost)


def _best_end(board: Board, contender: Contender, leader: Contender, share: float) -> float:
    """By how much the training may at most end ahead of the leader, on questions all answered."""
    shares = sorted(at for at in board.trained.get(str(contender.training), ()) if at <= share)
    keys = [(contender.base or "", UNTRAINED), *((contender.path, at) for at in shares)]
    keys = [key for key in keys if share > 0 and board.count(*key)]
    answered = board.answered(leader), *(board.count(*key) for key in keys)
    stop = min(board.race.looks[-1], *answered)
    leading = board.values(leader.path, board.entry(leader), stop)
    if not stop or leading is None:
        return math.inf
    curve = [(key[1], board.values(*key, stop)) for key in keys]
    points = [(at, values) for at, values in curve if values is not None]
    return best_end(points, leading, board.documents(stop))


def _contest(board: Board, contender: Contender, share: float) -> Spend | Ended:
    """Test a path's claim look by look against every simpler path."""
    race, path = board.race, contender.path
    won = next((k for k in range(len(race.looks)) if _claims(board, contender, share, k)), None)
    if won is not None:
        return Ended(path, WON, won, share, "")
    for k, stop in enumerate(race.looks):
        leader = _leader(board, contender, race.looks[max(k - 1, 0)])
        step = board.missing(leader, stop) or board.missing(contender, stop)
        step = step or _rest(board, contender, share, k)
        if step is not None:
            unpaid = Ended(path, BUDGET, k, share, f"no budget is left for {_text(step)}")
            return step if _affords(board, step) else unpaid
        seen = [board.gain(contender, one, share, stop) for one in board.simpler(path)]
        chance = min((_chance(race, one.gain, k) for one in seen if one and one.direct), default=1)
        if chance < LEAST_CHANCE and k < len(race.looks) - 1:
            return Ended(path, DROPPED, k, share, f"its chance to win fell to {chance:.2f}")
    return Ended(path, OPEN, len(race.looks) - 1, share, f"all {race.settings.noun}s are answered")


def _claims(board: Board, contender: Contender, share: float, k: int) -> bool:
    """Whether a path beats every simpler one at look `k`, all of them measured."""
    return all(_beats(board, contender, one, share, k) for one in board.simpler(contender.path))


def _beats(board: Board, path: Contender, over: Contender, share: float, k: int) -> bool:
    seen = board.gain(path, over, share, board.race.looks[k])
    if seen is None or not (seen.direct or _next_share(board, path, over) is None):
        return False
    level = levels(board.race.shares, board.race.alpha)[k]
    return lower_bound(seen.gain, level) > board.race.settings.min_gain


def _rest(board: Board, contender: Contender, share: float, k: int) -> Spend | None:
    """What a path ahead of all others seen still lacks: simpler paths on the same questions.

    A simpler path with a training of its own is trained as far as can be paid. If that is not
    in whole, it stands there with the best end that its learning curve may have.
    """
    stop = board.race.looks[k]
    behind = []
    for one in board.simpler(contender.path):
        if not _beats(board, contender, one, share, k):
            seen = board.gain(contender, one, share, stop)
            if seen is not None and seen.direct:
                return None
            behind.append(one)
    for one in behind:
        further = _next_share(board, contender, one)
        if further is not None:
            return Train(str(one.training), further)
        for needed in (one, *(other for other in board.race.contenders if other.path == one.base)):
            step = board.missing(needed, stop)
            if step is not None:
                return step
    return None


def _next_share(board: Board, path: Contender, over: Contender) -> float | None:
    """The largest share on which a simpler path can yet be trained, and answer, apart."""
    if over.training in (None, path.training):
        return None
    above = board.entry(over) or UNTRAINED
    for share in _further(above):
        if board.affords(board.price(over, board.race.looks[-1], share)):
            return share
    return None


def _chance(race: Race, gain: Gain, k: int) -> float:
    z = z_of(p_value(gain, race.settings.min_gain))
    return chance_to_win(z, k, race.shares, race.alpha)


def _leader(board: Board, contender: Contender, stop: int) -> Contender:
    """The best of the simpler paths on the first `stop` questions; unseen, the simplest."""
    return max(board.simpler(contender.path), key=lambda one: board.mean(one, stop))


def _affords(board: Board, step: Spend) -> bool:
    contenders = board.race.contenders
    if isinstance(step, Train):
        one = next(one for one in contenders if one.training == step.training)
        return board.affords(board.price(one, 0, step.share))
    one = next(one for one in contenders if one.path == step.path)
    return board.affords(board.price(one, step.stop - step.start))


def _text(step: Spend) -> str:
    if isinstance(step, Train):
        return f"training on {step.share:.1%} of the examples"
    return f"{step.stop - step.start} more answers of {step.path}"
