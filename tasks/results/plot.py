"""Quality against cost as one picture: what each system scores and what an answer takes."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from tasks.artifacts import Scorecard
from tasks.results.record import seconds_per_question

# Colours that stay apart for colour-blind readers (Paul Tol's bright scheme); shapes tell models.
COLOURS = {"prompt": "#4477AA", "rag": "#228833", "finetune": "#EE6677", "finetune+rag": "#AA3377"}
MARKERS = "osD^vP"
INK, FAINT = "#222222", "#DDDDDD"


def plot_quality_cost(cards: Sequence[Scorecard], target: Path) -> Path:
    """Draw the primary metric with its interval over seconds a question, as PNG.

    `cards` are dev scorecards, at least one; a logarithmic x axis.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    models = list(dict.fromkeys(card.model for card in cards))
    for card in cards:
        marker = MARKERS[models.index(card.model) % len(MARKERS)]
        _draw(axes, card, marker, card.path if len(models) == 1 else f"{card.model} {card.path}")
    _dress(axes, cards)
    if len(models) == 1:
        axes.set_title(models[0], loc="left", color=INK, fontsize=11)
    figure.savefig(target)
    return target


def _draw(axes: Any, card: Scorecard, marker: str, label: str) -> None:
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
    axes.annotate(
        label,
        (seconds, quality.value),
        xytext=(9, 5),
        textcoords="offset points",
        color=INK,
        fontsize=9,
    )


def _arm(length: float) -> float:
    """Length of an error bar; an unbounded interval has none to draw."""
    return max(length, 0.0) if isfinite(length) else 0.0


def _dress(axes: Any, cards: Sequence[Scorecard]) -> None:
    seconds = [seconds_per_question(card) for card in cards]
    axes.set_xscale("log")
    axes.set_xlim(min(seconds) / 1.6, max(seconds) * 2.2)  # room for the labels on the right
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    few = max(seconds) / min(seconds) < 10  # less than a decade has too few major ticks to read
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:.2g}" if few else "")
    axes.set_xlabel("seconds per question (log scale)", color=INK)
    axes.set_ylabel(f"{cards[0].primary} on dev questions, 95% interval", color=INK)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, which="both", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
