"""What a budget bought, in Markdown and for a terminal."""

from collections.abc import Mapping

from tasks.core.race_record import Entrant, Raced
from tasks.core.race_state import WHOLE
from tasks.results.markdown import table

ENDS = {
    "won": "won", "dropped": "stopped: it could not win any more",
    "hopeless": "training stopped: it could not end ahead", "open": "all of them answered",
    "budget": "stopped: the budget", "vetoed": "ruled out",
    "beaten": "not tried: a costlier path won", "simplest": "the simplest: others had to beat it",
}  # fmt: skip
UNIT_NAMES = {"seconds": "seconds", "money": "of money", "energy_kwh": "kWh"}


def render_race(race: Raced, noun: str = "question") -> list[str]:
    """A section: what was spent, and how each path's race ended."""
    rows = [
        (f"`{one.path}`", trained_on(one), str(one.questions or "none"), ENDS[one.how],
         str(one.look or "-"), one.why or "-")
        for one in race.entrants
    ]  # fmt: skip
    heads = ("path", "trained on", f"{noun}s answered", "how it ended", "at look", "why")
    return ["### What the budget bought", bought(race, noun), table(heads, rows)]


def bought(race: Raced, noun: str = "question") -> str:
    """What was spent of what, and how many looks there were."""
    if race.looks:
        planned = ", ".join(map(str, race.looks))
        count = "1 look" if len(race.looks) == 1 else f"{len(race.looks)} looks"
        looks = f"{count} planned, at {planned} of {race.there} {noun}s"
    else:
        looks = f"it is too small for a look at any of {race.there} {noun}s"
    return f"Spent {spending(race.spent, race.budget)}; {looks}."


def spending(spent: Mapping[str, float], budget: Mapping[str, float]) -> str:
    """What was spent, beside the budget where it has that unit."""
    parts = [
        f"{spent[unit]:.4g} of {budget[unit]:.4g} {UNIT_NAMES[unit]}"
        if unit in budget else f"{spent[unit]:.4g} {UNIT_NAMES[unit]}"
        for unit in UNIT_NAMES
        if unit in budget or unit == "seconds"
    ]  # fmt: skip
    return ", ".join(parts)


def trained_on(one: Entrant) -> str:
    """The share of the examples that trained a path."""
    if one.share is None:
        return "not trained"
    if one.share in (0, WHOLE):
        return "all examples" if one.share else "-"
    return f"{one.share:.1%} of the examples"
