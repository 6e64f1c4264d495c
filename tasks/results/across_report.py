"""The last step over models in Markdown: which model's winner, and what the others came to."""

from tasks.core.across import ModelChoice
from tasks.results.markdown import bullets, interval_text, number_text, table

MILLION = 1e6


def across_sentence(across: ModelChoice) -> str:
    """Which of the models' winners was chosen, in one sentence."""
    unsure = ", undecided" if across.undecided else ""
    return f"Of the models' winners: {across.model} with {across.path}{unsure}."


def render_across(across: ModelChoice, noun: str = "question") -> list[str]:
    """Standings, margins and what would turn the choice, as parts of a report."""
    heads = ("model", "path", "parameters", "score", "")
    rows = [
        (one.model, f"`{one.path}`", _size(one.params),
         interval_text(one.score),
         "chosen" if one.model == across.model else ("runs already" if one.runs else ""))
        for one in across.standings
    ]  # fmt: skip
    claims = [
        (one.path, one.over, f"{one.gain:+.3f}", number_text(one.low), number_text(one.high),
         "yes" if one.claim else "no")
        for one in across.margins
    ]  # fmt: skip
    note = (
        f"Winners of each model on the {across.n} dev {noun}s that all of them answered. What "
        "runs already comes first, then the smallest; a later one is chosen only where it is "
        "shown to be better by the minimal gain than every one before it."
    )
    lines = [*across.reasons, *(f"flip when: {flip.text}" for flip in across.flip_when)]
    return [
        "## Which model",
        f"**{across_sentence(across)}**",
        bullets(lines),
        table(heads, rows),
        note,
        table(("model", "over", "gain", "lower bound", "upper bound", "ahead by enough"), claims),
    ]


def _size(params: float | None) -> str:
    return "not known" if params is None else f"{params / MILLION:,.0f} million"
