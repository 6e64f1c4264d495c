"""The comparison on one page: six dimensions with their numbers, and where each path wins."""

from collections.abc import Sequence
from math import isinf

from tasks.artifacts import Scorecard
from tasks.core.stats import Interval
from tasks.core.trade import Crossover
from tasks.results.chance import chance_text
from tasks.results.dimensions import (
    DIMENSIONS,
    Measure,
    beside,
    correct_metric,
    measures,
    on_front,
    paid_back,
)
from tasks.results.markdown import bullets, metric_name, short, table, with_article
from tasks.results.record import RunRecord, seconds_per_question

COMPARISON = "comparison.md"
ASKED_FOR = "docs/obstacles.md says what asks for each"


def render_comparison(record: RunRecord) -> list[str]:
    """The page as parts of a report; none where nothing was measured."""
    models = list(dict.fromkeys(card.model for card in record.cards("dev")))
    if not models:
        return []
    parts = ["## The comparison on one page"]
    for model in models:
        cards = record.cards("dev", model)
        if len(models) > 1:
            parts.append(f"### {model}")
        parts += _page(record, cards)
    parts.append(_front(record, alone=len(models) == 1))
    return [part for part in parts if part]


def _front(record: RunRecord, *, alone: bool) -> str:
    """Who is on the front, and where the winner is not, who keeps it off."""
    cards, champion = record.cards("dev"), record.outcome.champion

    def name(model: str, path: str) -> str:
        return f"`{path}`" if alone else f"{model} `{path}`"

    def told(card: Scorecard) -> str:
        score = f"{metric_name(card.primary)} {card.metrics[card.primary].value:.3f}"
        return f"{name(card.model, card.path)} ({score}, {short(seconds_per_question(card))} s)"

    front = ", ".join(name(*one) for one in on_front(cards))
    unit = with_article(record.run.noun)
    text = (
        f"On the front of quality against seconds {unit}, cheapest first: {front}. "
        "Every other path has one beside it that is at least as good for no more."
    )
    won = (champion.model, champion.path) if champion else None
    winner = next((card for card in cards if (card.model, card.path) == won), None)
    better = beside(cards, winner) if winner else ()
    if winner is None or not better:
        return text
    others = " and ".join(map(told, better))
    return (
        f"{text} The winner, {told(winner)}, is off it because of {others}; what decides is a "
        f"gain shown to exceed {record.run.decision.min_gain:g}, not a place on the front."
    )


def _page(record: RunRecord, cards: Sequence[Scorecard]) -> list[str]:
    found = measures(record, cards)
    paths = [str(card.path) for card in cards]
    seen = [one for one in found if any(one.seen.values())]
    rows = [
        (one.dimension, one.name, *(_number(one.seen[path]) for path in paths), _best(one))
        for one in seen
    ]
    heads = ("dimension", "measure", *(f"`{path}`" for path in paths), "best")
    primary, correct = (metric_name(name) for name in (cards[0].primary, correct_metric(cards[0])))
    note = (
        f"Scores are {primary}; a correct answer is one by {correct}. In brackets 95% intervals; a "
        "number without one was measured once. The best is followed by those whose interval "
        f"reaches its own; a process's peak holds what was loaded before, and ranks nothing. "
        f"Energy: {_methods(cards)}."
    )
    unseen = [one.name for one in found if one not in seen]
    missing = f"Not measured in this run: {', '.join(unseen)} ({ASKED_FOR})." if unseen else ""
    return [
        table(heads, rows), note, chance_text(record, cards), missing,
        table(("dimension", "where each path wins"), _wins(found, paths)),
        bullets(_crossover(one, record.run.noun) for one in paid_back(record, cards)),
    ]  # fmt: skip


def _wins(found: Sequence[Measure], paths: Sequence[str]) -> list[tuple[str, str]]:
    """For each dimension and path the measures in which it is best."""
    rows = []
    for dimension in DIMENSIONS:
        own = [one for one in found if one.dimension == dimension]
        won = {path: [one.name for one in own if one.best[:1] == (path,)] for path in paths}
        told = [f"`{path}`: {', '.join(names)}" for path, names in won.items() if names]
        rows.append((dimension, "; ".join(told) or "not measured"))
    return rows


def _best(one: Measure) -> str:
    if not one.best:
        return "-"
    first, *near = (f"`{path}`" for path in one.best)
    return f"{first} ({', '.join(near)})" if near else first


def _number(seen: Interval | None) -> str:
    if seen is None:
        return "not measured"
    if seen.low == seen.high:
        return "never correct" if isinf(seen.value) else short(seen.value)
    return f"{short(seen.value)} [{_end(seen.low)}, {_end(seen.high)}]"


def _end(value: float) -> str:
    return "unbounded" if isinf(value) else short(value)


def _methods(cards: Sequence[Scorecard]) -> str:
    methods = {str(card.cost.get("energy_method") or "not measured") for card in cards}
    return ", ".join(sorted(methods))


def _crossover(one: Crossover, noun: str) -> str:
    said = f"`{one.path}` against `{one.over}`, in {one.unit}: "
    if one.questions is None:
        return said + f"its training never pays back, for its {noun}s cost no less"
    return said + f"its training pays back from {one.questions:,.0f} {noun}s a month on"
