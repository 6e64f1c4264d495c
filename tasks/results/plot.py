"""Pictures: what each system scores and what an answer takes; which labels are taken for which."""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Answer, Scorecard
from tasks.core.labels import Chance, confusion
from tasks.results.dimensions import on_front
from tasks.results.markdown import metric_name
from tasks.results.record import seconds_per_question
from tasks.task.metrics import bounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours that stay apart for colour-blind readers (Paul Tol's bright scheme); shapes tell models.
COLOURS = {"prompt": "#4477AA", "rag": "#228833", "finetune": "#EE6677", "finetune+rag": "#AA3377"}
MARKERS = "osD^vP"
INK, FAINT, FRONT = "#222222", "#DDDDDD", "#888888"
RING: dict[str, Any] = {
    "marker": "o", "markersize": 16, "markerfacecolor": "none", "markeredgecolor": "#222222",
    "linestyle": "",
}  # fmt: skip
FLOOR: dict[str, Any] = {"color": FRONT, "linestyle": ":", "linewidth": 1}
HALF = 0.5  # share of a row from which a cell is dark, and its number white


def plot_quality_cost(
    cards: Sequence[Scorecard],
    target: Path,
    chosen: Collection[tuple[str, str | None]] = (),
    chance: Chance | None = None,
    noun: str = "question",
) -> Path:
    """Write the picture of quality against cost as PNG."""
    draw_quality_cost(cards, chosen, chance, noun).savefig(target)
    return target


def draw_quality_cost(
    cards: Sequence[Scorecard],
    chosen: Collection[tuple[str, str | None]] = (),
    chance: Chance | None = None,
    noun: str = "question",
) -> "Figure":
    """Draw the primary metric with its interval over seconds a question.

    `cards` are dev scorecards, at least one; a logarithmic x axis. A line joins the Pareto front:
    those that no other beats in both. Model and path of what was `chosen` are ringed; a level
    line is the score of one label for every text, where `chance` has it in the primary metric.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    models = list(dict.fromkeys(card.model for card in cards))
    markers = {model: MARKERS[at % len(MARKERS)] for at, model in enumerate(models)}
    _draw_front(axes, cards)
    for card in cards:
        _draw(axes, card, markers[card.model], ringed=(card.model, card.path) in chosen)
    floor = chance.scores.get(cards[0].primary) if chance else None
    if floor is not None:
        axes.axhline(floor, **FLOOR)
    _dress(axes, cards, noun)
    if len(models) == 1:
        axes.set_title(models[0], loc="left", color=INK, fontsize=11)
    figure.legend(
        handles=_keys(cards, markers, ringed=bool(chosen), floor=floor is not None),
        loc="outside right upper", frameon=False, fontsize=8, labelcolor=INK, labelspacing=0.9,
    )  # fmt: skip
    return figure


def _draw_front(axes: Any, cards: Sequence[Scorecard]) -> None:
    by_name = {(card.model, str(card.path)): card for card in cards}
    front = [by_name[name] for name in on_front(cards)]
    seconds = [seconds_per_question(card) for card in front]
    quality = [card.metrics[card.primary].value for card in front]
    axes.plot(seconds, quality, color=FRONT, linestyle="--", linewidth=1, zorder=1)


def _draw(axes: Any, card: Scorecard, marker: str, *, ringed: bool) -> None:
    quality, seconds = card.metrics[card.primary], seconds_per_question(card)
    axes.errorbar(
        seconds,
        quality.value,
        yerr=[[_arm(quality.value - quality.low)], [_arm(quality.high - quality.value)]],
        fmt=marker,
        color=COLOURS[card.path],
        markersize=8,
        elinewidth=1.5,
        capsize=4,
    )
    if ringed:
        axes.plot(seconds, quality.value, **RING)


def _keys(
    cards: Sequence[Scorecard], markers: Mapping[str, str], *, ringed: bool, floor: bool
) -> list[Any]:
    """What colours, shapes, the ring and the lines stand for; one model's shape needs no word."""
    from matplotlib.lines import Line2D

    def key(label: str, **style: Any) -> Any:
        return Line2D([], [], label=label, **{"linestyle": "", **style})

    paths = dict.fromkeys(card.path for card in cards)
    keys = [key(path, marker="o", color=COLOURS[path]) for path in paths]
    if len(markers) > 1:
        keys += [key(model, marker=shape, color=FRONT) for model, shape in markers.items()]
    keys += [key("chosen", **RING)] if ringed else []
    keys += [key("one label always", **FLOOR)] if floor else []
    return [*keys, key("Pareto front", color=FRONT, linestyle="--", linewidth=1)]


def plot_confusion(answers: Sequence[Answer], title: str) -> "Figure":
    """How often each expected label (row) was answered by each label (column).

    `answers` were chosen among labels; cells are shaded by their share of the row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(answers[0].probabilities)
    expected = [answer.expected[0] for answer in answers]
    counts = confusion(expected, [answer.answer for answer in answers], labels)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    side = max(4.0, 0.5 * len(labels) + 2)
    figure = Figure(figsize=(side + 1, side), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*counts.nonzero(), strict=True):
        colour = "white" if shares[row, column] > HALF else INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", color=INK)
    axes.set_yticks(range(len(labels)), labels, color=INK)
    axes.set_xlabel("answered", color=INK)
    axes.set_ylabel("expected", color=INK)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    return figure


def _arm(length: float) -> float:
    """Length of an error bar; an unbounded interval has none to draw."""
    return max(length, 0.0) if isfinite(length) else 0.0


def _dress(axes: Any, cards: Sequence[Scorecard], noun: str) -> None:
    seconds = [seconds_per_question(card) for card in cards]
    axes.set_xscale("log")
    axes.set_xlim(min(seconds) / 1.6, max(seconds) * 1.6)
    if bounds(cards[0].primary) == (0, 1):
        axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    few = max(seconds) / min(seconds) < 10  # less than a decade has too few major ticks to read
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:.2g}" if few else "")
    axes.set_xlabel(f"seconds per {noun} (log scale)", color=INK)
    axes.set_ylabel(f"{metric_name(cards[0].primary)} on dev {noun}s, 95% interval", color=INK)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, which="both", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
