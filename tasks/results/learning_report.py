"""Whether more examples would help: the learning curves of a run, in words and as a picture."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tasks.artifacts import LearningPoint
from tasks.results.markdown import interval_text, metric_name, table

CURVE = "learning-curve.png"
HEADS = ("model", "path", "share", "examples", "score, 95% interval")


def render_learning(points: Sequence[LearningPoint], noun: str = "question") -> list[str]:
    """A table, a picture, and what the last step brought; nothing where nothing was measured."""
    if not points:
        return []
    rows = [
        (
            one.model,
            f"`{one.path}`",
            f"{one.share:.0%}",
            str(one.examples),
            interval_text(one.score),
        )
        for one in points
    ]
    said = [_last_step(curve) for curve in curves(points)]
    named = metric_name(points[0].metric)
    return [
        "## Would more examples help?",
        f"{named} on the dev {noun}s after shares of the training examples, each trained anew.",
        table(HEADS, rows),
        f"![{named} by examples]({CURVE})",
        "\n".join(f"- {line}" for line in said),
    ]


def curves(points: Sequence[LearningPoint]) -> list[list[LearningPoint]]:
    """The points of each model's path, in the order they came."""
    return [list(curve) for _, curve in groupby(points, key=lambda one: (one.model, one.path))]


def _last_step(curve: Sequence[LearningPoint]) -> str:
    """What the last share added; intervals that overlap cannot tell a gain from chance."""
    before, whole = curve[-2:]
    gain = whole.score.value - before.score.value
    apart = whole.score.low > before.score.high or whole.score.high < before.score.low
    sure = "the intervals are apart" if apart else "the intervals overlap: it may be chance"
    return (
        f"{whole.model}, `{whole.path}`: from {before.examples} to {whole.examples} examples "
        f"{gain:+.3f}; {sure}"
    )


def plot_learning(points: Sequence[LearningPoint], target: Path, noun: str = "question") -> Path:
    """Draw the score with its interval over the number of examples, a line a path, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tasks.results.plot import COLOURS, FAINT, INK, MARKERS

    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    models = list(dict.fromkeys(one.model for one in points))
    for curve in curves(points):
        last = curve[-1]
        bars = [
            [max(one.score.value - one.score.low, 0.0) for one in curve],
            [max(one.score.high - one.score.value, 0.0) for one in curve],
        ]
        axes.errorbar(
            [one.examples for one in curve], [one.score.value for one in curve], yerr=bars,
            marker=MARKERS[models.index(last.model) % len(MARKERS)], color=COLOURS[last.path],
            capsize=4, label=last.path if len(models) == 1 else f"{last.model} {last.path}",
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.set_xlabel("training examples", color=INK)
    axes.set_ylabel(f"{points[0].metric} on dev {noun}s, 95% interval", color=INK)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(frameon=False)
    figure.savefig(target)
    return target
