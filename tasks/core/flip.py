"""Which change of a setting or a limit would turn the decision: solved for, then tried.

Every value is rounded to six digits to the side where the decision has turned, so that setting
exactly this value gives the path named.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tasks.core.claims import Choice, Margin, Measured, Settings, choose
from tasks.core.veto import Veto

SCALE = 1e6
PathWith = Callable[[Sequence[Veto]], str | None]
PathUnder = Callable[[Settings], str]


@dataclass(frozen=True)
class FlipWhen:
    """A change of one setting that turns the decision: at `setting` `op` `value`, `becomes`.

    `op` is <= or >=, and `value` itself turns it already.
    """

    setting: str
    op: str
    value: float
    becomes: str
    text: str


def flip_when(
    choice: Choice, measured: Sequence[Measured], vetoes: Sequence[Veto], settings: Settings
) -> tuple[FlipWhen, ...]:
    """The nearest values of `min_gain` and `confidence` that turn a choice, and limits that do."""

    def path_under(changed: Settings) -> str:
        return choose(measured, vetoes, changed).path

    def path_with(remaining: Sequence[Veto]) -> str | None:
        return choose(measured, remaining, settings).path

    return flips(choice, settings, vetoes, path_under, path_with)


def flips(
    choice: Choice,
    settings: Settings,
    vetoes: Sequence[Veto],
    path_under: PathUnder,
    path_with: PathWith,
) -> tuple[FlipWhen, ...]:
    """What turns a choice, however it is made: values from its margins, each of them tried."""
    gain_up, gain_down = _thresholds(choice, settings, _provable_gain(choice.margins))
    sure_up, sure_down = _thresholds(choice, settings, _provable_confidence(choice))
    moves = [
        ("min_gain", ">=", _above(gain_up)),
        ("min_gain", "<=", _below(gain_down)),
        ("confidence", ">=", _above(sure_up)),
        ("confidence", "<=", _below(sure_down)),
    ]
    found = []
    for setting, op, value in moves:
        if value is None or not (0 <= value < 1) or (setting == "confidence" and value <= 0.5):
            continue  # outside of what a run file allows
        moved = path_under(_with(settings, setting, value))
        if moved != choice.path:
            found.append(_flip(setting, op, value, moved))
    return (*found, *veto_flips(choice.path, vetoes, path_with))


def veto_flips(path: str, vetoes: Sequence[Veto], path_with: PathWith) -> tuple[FlipWhen, ...]:
    """For each limit with a number: the value at which its vetoes lift, if that changes `path`.

    `path_with` decides under the vetoes that remain.
    """
    found = {}
    for veto in vetoes:
        if veto.value is None or veto.allowed is None:
            continue
        op = ">=" if veto.value > veto.allowed else "<="
        value = _above(veto.value) if op == ">=" else _below(veto.value, strictly=False)
        moved = path_with([one for one in vetoes if not _lifted(one, veto.limit, value)])
        if moved is not None and moved != path and value is not None:
            found[veto.limit, value] = _flip(veto.limit, op, value, moved)
    return tuple(found.values())


def _lifted(veto: Veto, limit: str, at: float | None) -> bool:
    """Whether a veto no longer holds once its limit is set to `at`."""
    if veto.limit != limit or veto.value is None or veto.allowed is None or at is None:
        return False
    return veto.value <= at if veto.value > veto.allowed else veto.value >= at


def _provable_gain(margins: Sequence[Margin]) -> dict[str, float]:
    """For each costlier path the minimal gain up to which (exclusive) its claim holds."""
    return {
        path: min(margin.low for margin in margins if margin.path == path)
        for path in dict.fromkeys(margin.path for margin in margins)
    }


def _provable_confidence(choice: Choice) -> dict[str, float]:
    """For each costlier path the confidence up to which (exclusive) its claim holds."""
    worst: dict[str, float] = {}
    for margin in choice.margins:
        p_value = 1.0 if margin.p_value is None else margin.p_value
        worst[margin.path] = max(worst.get(margin.path, 0.0), p_value)
    return {path: 1 - len(worst) * p_value for path, p_value in worst.items()}


def _thresholds(
    choice: Choice, settings: Settings, provable: dict[str, float]
) -> tuple[float | None, float | None]:
    """Where the chosen path's claim ends going up, and where a costlier one's begins going down."""
    rank = settings.order.index(choice.path)
    later = [at for path, at in provable.items() if settings.order.index(path) > rank]
    return provable.get(choice.path), max(later, default=None)


def _with(settings: Settings, setting: str, value: float) -> Settings:
    if setting == "min_gain":
        return replace(settings, min_gain=value)
    return replace(settings, confidence=value)


def _above(value: float | None) -> float | None:
    """The least multiple of 1e-6 that is not below `value`."""
    if value is None or not math.isfinite(value):
        return None
    rounded = math.ceil(value * SCALE) / SCALE
    return rounded if rounded >= value else (math.ceil(value * SCALE) + 1) / SCALE


def _below(value: float | None, strictly: bool = True) -> float | None:
    """The greatest multiple of 1e-6 below `value`."""
    if value is None or not math.isfinite(value):
        return None
    rounded = math.floor(value * SCALE) / SCALE
    reached = rounded < value if strictly else rounded <= value
    return rounded if reached else (math.floor(value * SCALE) - 1) / SCALE


def _flip(setting: str, op: str, value: float, becomes: str) -> FlipWhen:
    side = "at least" if op == ">=" else "at most"
    return FlipWhen(setting, op, value, becomes, f"{becomes} if {setting} is {side} {value:g}")
