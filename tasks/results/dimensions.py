"""What the paths of one model come to in each of the comparison's six dimensions, as numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tasks.artifacts import Question, Scorecard
from tasks.core.stats import Interval
from tasks.core.trade import Crossover, Spent, crossovers, dominating, pareto, per_correct
from tasks.results.markdown import with_article
from tasks.results.record import RunRecord, answers_of, seconds_per_question
from tasks.store import get_rows
from tasks.task.metrics import intervals, is_whole

CORRECT = ("contains", "accuracy")  # what counts as a correct answer; else the primary metric
WH = 1000.0  # in a kWh


class Measure(NamedTuple):
    """One number of every path, None where it was not measured; `least`: the lowest is best.

    A number that was measured once is an interval of no width. What is not `ranked` is told, and
    nothing is best in it.
    """

    dimension: str
    name: str
    seen: Mapping[str, Interval | None]
    least: bool = False
    ranked: bool = True

    @property
    def best(self) -> tuple[str, ...]:
        """The path with the best number, then those whose intervals reach its own."""
        known = {path: one for path, one in self.seen.items() if one is not None}
        if len(known) < 2 or not self.ranked:
            return ()
        sign = -1 if self.least else 1
        ranked = sorted(known, key=lambda path: -sign * known[path].value)
        top = known[ranked[0]]
        near = [p for p in ranked[1:] if known[p].low <= top.high and top.low <= known[p].high]
        return (ranked[0], *near)


Read = Callable[[Scorecard], Interval | float | None]


def measures(record: RunRecord, cards: Sequence[Scorecard]) -> tuple[Measure, ...]:
    """The numbers behind each dimension, from one model's scorecards on the dev questions."""
    by_source = _by_source(record, cards)
    correct = correct_metric(cards[0])
    waits = any("seconds_p95" in card.metrics for card in cards)
    whole = any(card.cost.get("device") == "cpu" for card in cards)
    peak = "of the whole process at its peak" if whole else "at its peak"
    noun, asked = record.run.noun, record.run.noun == "question"
    unit, source = with_article(noun), "documents" if asked else "sources"
    priced = any("money_per_question" in card.metrics for card in cards)

    def measure(
        dimension: str, name: str, read: Read, least: bool = False, *, ranked: bool = True
    ) -> Measure:
        seen = {str(card.path): _as(read(card)) for card in cards}
        return Measure(dimension, name, seen, least, ranked)

    def metric(name: str) -> Read:
        return lambda card: card.metrics.get(name)

    def each(cost: Callable[[Scorecard], float | None]) -> Read:
        return lambda card: per_correct(cost(card), card.metrics[correct].value)

    dynamic, cost, adapt, accuracy, over, lasting = DIMENSIONS
    found = [
        measure(dynamic, "right on changed facts, the day after", metric("fresh")),
        measure(dynamic, "right on changed facts, before anything follows", metric("stale")),
        measure(dynamic, "seconds to follow a change", lambda c: _following(record, c), True),
        measure(cost, f"seconds {unit}", seconds_per_question, True),
        measure(cost, "seconds a correct answer", each(seconds_per_question), True),
        measure(cost, f"seconds in 95 of 100 single {noun}s", metric("seconds_p95"), True),
        measure(cost, f"tokens {unit}", _tokens, True),
        measure(cost, "tokens a correct answer", each(_tokens), True),
        measure(cost, f"money {unit}", metric("money_per_question"), True),
        measure(cost, "money a correct answer", each(_money), True),
        measure(adapt, f"on {source} never trained on", lambda c: by_source[c.path][1]),
        measure(adapt, f"on misspelled {noun}s", metric("misspelled")),
        measure(adapt, "lost to misspelling", metric("lost_to_misspelling"), True),
        measure(adapt, "seconds to train", _train_seconds, True),
        measure(
            adapt,
            f"GiB {peak}, answering",
            lambda c: c.cost.get("answer_peak_gib"),
            True,
            ranked=not whole,
        ),
        measure(accuracy, f"all dev {noun}s", metric(cards[0].primary)),
        measure(accuracy, "correct answers", metric(correct)),
        measure(accuracy, "unanswerable questions refused", metric("refused_unanswerable")),
        measure(over, f"on {source} trained on", lambda c: by_source[c.path][0]),
        measure(over, "general accuracy lost by tuning", metric("forgetting"), True),
        measure(over, f"lost from dev to test {noun}s", lambda c: _to_test(record, c), True),
        measure(lasting, f"Wh {unit}", _energy, True),
        measure(lasting, "Wh a correct answer", each(_energy), True),
        measure(lasting, "Wh to train", _train_energy, True),
    ]
    shown = {
        "right on changed facts, the day after": asked,
        "right on changed facts, before anything follows": asked,
        f"seconds in 95 of 100 single {noun}s": waits,
        f"money {unit}": priced,
        "money a correct answer": priced,
        "unanswerable questions refused": asked,
    }
    return tuple(one for one in found if shown.get(one.name, True))


DIMENSIONS = (
    "dynamic knowledge", "cost efficiency", "adaptability and scalability", "accuracy",
    "overfitting", "sustainability",
)  # fmt: skip


def correct_metric(card: Scorecard) -> str:
    """The metric whose value is the share of correct answers."""
    return next((name for name in CORRECT if name in card.metrics), card.primary)


def paid_back(record: RunRecord, cards: Sequence[Scorecard]) -> tuple[Crossover, ...]:
    """From how many questions a month on trainings pay back, in seconds and in Wh."""
    days = record.run.facts.retrain_every_days
    seconds = {
        str(card.path): Spent(
            float(card.cost.get("train_seconds") or 0), seconds_per_question(card)
        )
        for card in cards
    }
    energy = {
        str(card.path): Spent(WH * float(card.cost.get("train_energy_kwh") or 0), each)
        for card in cards
        if (each := _energy(card)) is not None
        and (card.system.adapter is None or card.cost.get("train_energy_kwh") is not None)
    }
    return crossovers(seconds, "seconds", days) + crossovers(energy, "Wh", days)


def on_front(cards: Sequence[Scorecard]) -> tuple[tuple[str, str], ...]:
    """Model and path of those that no other beats in both quality and seconds, cheapest first."""
    return tuple((card.model, str(card.path)) for card in _cards(cards, pareto(_points(cards))))


def beside(cards: Sequence[Scorecard], card: Scorecard) -> tuple[Scorecard, ...]:
    """Those that keep a card off that front: at least as good for no more, cheapest first."""
    return _cards(cards, dominating(_points(cards), _key(card)))


def _key(card: Scorecard) -> str:
    return f"{card.model}\0{card.path}"


def _points(cards: Sequence[Scorecard]) -> dict[str, tuple[float, float]]:
    return {
        _key(card): (card.metrics[card.primary].value, seconds_per_question(card)) for card in cards
    }


def _cards(cards: Sequence[Scorecard], keys: Sequence[str]) -> tuple[Scorecard, ...]:
    by_key = {_key(card): card for card in cards}
    return tuple(by_key[key] for key in keys)


def _as(value: Interval | float | None) -> Interval | None:
    if value is None or isinstance(value, Interval):
        return value
    return Interval(value, value, value)


def _by_source(
    record: RunRecord, cards: Sequence[Scorecard]
) -> dict[str, tuple[Interval | None, Interval | None]]:
    """The primary metric about documents that training questions touch, and about all others."""
    questions = get_rows(record.examples.questions, Question)
    trained = {one.cluster for one in questions if one.split == "train"}
    found = {}
    for card in cards:
        rows = answers_of(card)
        parts = [[row for row in rows if (row.cluster in trained) is seen and row.expected]
                 for seen in (True, False)]  # fmt: skip
        name = card.primary
        first, second = (
            None if is_whole(name) else intervals(part, [name]).get(name) for part in parts
        )
        found[str(card.path)] = (first, second)
    return found


def _tokens(card: Scorecard) -> float:
    answers = answers_of(card)
    return math.fsum(one.tokens_in + one.tokens_out for one in answers) / len(answers)


def _money(card: Scorecard) -> float | None:
    found = card.metrics.get("money_per_question")
    return found.value if found else None


def _energy(card: Scorecard) -> float | None:
    energy = card.cost.get("energy_kwh")
    return None if energy is None else WH * float(energy) / card.n


def _train_seconds(card: Scorecard) -> float | None:
    """None where an adapter was trained long ago, in a run that is not this one."""
    if card.system.adapter is None:
        return 0.0
    return float(card.cost.get("train_seconds") or 0) or None


def _train_energy(card: Scorecard) -> float | None:
    if card.system.adapter is None:
        return 0.0
    energy = card.cost.get("train_energy_kwh")
    return None if energy is None else WH * float(energy)


def _following(record: RunRecord, card: Scorecard) -> float | None:
    """Seconds until a path knows what changed, as this run measured them.

    Retrieval: the index, refreshed where that was measured, else built; an adapter: its training.
    """
    training, refreshed = record.training_of(card), card.metrics.get("refresh_seconds")
    if card.system.retrieval is not None:
        if refreshed is not None:
            return refreshed.value
        return record.index.report.seconds if record.index else None
    return training.cost.seconds if training else None


def _to_test(record: RunRecord, card: Scorecard) -> float | None:
    test = next((c for c in record.cards("test", card.model) if c.path == card.path), None)
    if test is None or card.primary not in test.metrics:
        return None
    return card.metrics[card.primary].value - test.metrics[card.primary].value
