"""A race decided again on its log alone: without some paths, or under other settings."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from tasks.core.claims import Settings
from tasks.core.flip import FlipWhen, flips
from tasks.core.race import State, Stop, next_step
from tasks.core.race_board import Board
from tasks.core.race_state import EXHAUSTED
from tasks.core.veto import Veto


def without(state: State, paths: Collection[str]) -> State:
    """The race of the other paths: what was measured and spent stays.

    Fewer claims share the error, as where paths are ruled out before anything is measured.
    """
    left = tuple(one for one in state.race.contenders if one.path not in paths)
    return replace(state, race=replace(state.race, contenders=left))


def exhausted(state: State) -> State:
    """The race with nothing left to spend."""
    return replace(state, race=replace(state.race, budget=EXHAUSTED))


def settle(state: State, settings: Settings | None = None) -> Stop:
    """What the log supports if nothing more is measured, under its settings or under others."""
    race = replace(state.race, budget=EXHAUSTED, settings=settings or state.race.settings)
    stop = next_step(replace(state, race=race))
    assert isinstance(stop, Stop), "nothing can be afforded"
    return stop


def race_flips(state: State, stop: Stop, vetoes: Sequence[Veto]) -> tuple[FlipWhen, ...]:
    """What would turn a race's verdict on the same answers; `state` holds every contender.

    A limit's veto is lifted among the paths that were measured.
    """
    settings = state.race.settings
    free = without(state, {veto.path for veto in vetoes})
    if settle(free).choice.path != stop.choice.path:
        return ()  # more could be measured: what would turn it then, nobody has seen

    def path_under(changed: Settings) -> str:
        return settle(free, changed).choice.path

    def path_with(remaining: Sequence[Veto]) -> str | None:
        left = without(state, {veto.path for veto in remaining})
        return settle(left).choice.path if left.race.contenders else None

    return flips(stop.choice, settings, vetoes, path_under, path_with)


def answered(state: State) -> dict[str, tuple[float, int]]:
    """For each path measured: the share of examples that it stands with, and its questions."""
    board, found = Board(state), {}
    for one in state.race.contenders:
        share = board.entry(one)
        if share is not None and board.count(one.path, share):
            found[one.path] = share, board.count(one.path, share)
    return found
