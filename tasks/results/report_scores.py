"""The report's tables of what was measured: scores, costs, kinds, single answers."""

from collections.abc import Sequence

from tasks.artifacts import Scorecard
from tasks.results.explain import differing, two_best
from tasks.results.markdown import interval_text, metric_name, table
from tasks.results.record import RunRecord, answers_of, seconds_per_question
from tasks.task.metrics import is_whole

MOST_DIFFERENT = 5
# Costs that stand among the metrics.
COSTS = ("seconds_per_question", "seconds_p95", "money_per_question", "refresh_seconds")
CELL = 160  # characters of a question or an answer that a table shows


def quality(cards: Sequence[Scorecard], noun: str = "question") -> str:
    """Every metric of every path, the primary one first, with 95% intervals."""
    names = list(dict.fromkeys(name for card in cards for name in card.metrics))
    names = [name for name in names if name not in COSTS]  # shown there
    names.sort(key=lambda name: name != cards[0].primary)  # the primary metric first
    rows = [
        (
            metric_name(name),
            *(interval_text(c.metrics[name]) if name in c.metrics else "-" for c in cards),
        )
        for name in names
    ]
    heads = ("metric", *(f"`{card.path}`" for card in cards))
    asked = f"{cards[0].n} dev {noun}s, the same for every path"
    if len({card.n for card in cards}) > 1:
        counts = ", ".join(f"{card.n} by `{card.path}`" for card in cards)
        asked = f"Dev {noun}s answered, in the same order by every path: {counts}"
    note = f"{asked}; in brackets 95% intervals. A dash: not measured for this path."
    if any(not card.system.model.open_weights for card in cards):
        note += (
            " General knowledge is left out: it is checked by the likelihood of whole texts, "
            "which hosted models do not tell, and nothing here changes their weights."
        )
    if any(not card.system.model.generates for card in cards):
        note += " General knowledge is left out: an encoder models no language that it could lose."
    return f"{table(heads, rows)}\n\n{note}"


def corpus(cards: Sequence[Scorecard]) -> str:
    """Figures that only all answers together have, each with its signature; empty without any."""
    shown = {one.name: one.signature for card in cards for one in card.corpus}
    values = {(card.path, one.name): one.value for card in cards for one in card.corpus}
    rows = [
        (name, *(f"{values[card.path, name]:.1f}" if (card.path, name) in values else "-"
                 for card in cards), f"`{signature}`")
        for name, signature in shown.items()
    ]  # fmt: skip
    heads = ("all answers together, 0 to 100", *(f"`{card.path}`" for card in cards), "signature")
    return table(heads, rows) if rows else ""


def costs(record: RunRecord, cards: Sequence[Scorecard]) -> str:
    """Seconds, tokens, energy and money of every path, and which of them were measured earlier."""
    rows = []
    for card in cards:
        training, answers = record.training_of(card), answers_of(card)
        tokens = sum(answer.tokens_in + answer.tokens_out for answer in answers) / len(answers)
        train = training.cost if training else None
        rows.append((
            f"`{card.path}`", f"{seconds_per_question(card):.3f}", f"{tokens:.0f}",
            f"{train.seconds:.0f}" if train else "-",
            _energy(train.energy_kwh) if train else "-",
            _energy(card.cost.get("energy_kwh")),
            _money(record, card),
            f"{card.cost.get('device', '-')} {card.cost.get('dtype', '')}".strip(),
        ))  # fmt: skip
    noun = record.run.noun
    heads = ("path", f"seconds/{noun}", f"tokens/{noun}", "training seconds",
             "training energy", "answering energy", f"money/{noun}", "device")  # fmt: skip
    notes = (_energy_methods(record, cards), _waits(cards), _reused(cards))
    return f"{table(heads, rows)}\n\n{' '.join(filter(None, notes))}".strip()


def _energy_methods(record: RunRecord, cards: Sequence[Scorecard]) -> str:
    """How energy was had: by one method, or which figure by which; empty where none was."""
    methods: dict[str, list[str]] = {}
    for card in cards:
        training = record.training_of(card)
        trained = training.cost.energy_method if training else None
        for what, method in (("answers", card.cost.get("energy_method")), ("training", trained)):
            if method is not None:
                methods.setdefault(method, []).append(f"{what} of `{card.path}`")
    if len(methods) == 1:
        return f"Energy: {next(iter(methods))}."
    told = [f"{method} ({', '.join(figures)})" for method, figures in methods.items()]
    return f"Energy: {'; '.join(told)}." if told else ""


def _waits(cards: Sequence[Scorecard]) -> str:
    waits = [
        f"`{card.path}` {interval_text(card.metrics['seconds_p95'])}"
        for card in cards
        if "seconds_p95" in card.metrics
    ]
    told = ", ".join(waits)
    return f"Asked one at a time, 95 of 100 are answered within (s): {told}." if waits else ""


def _reused(cards: Sequence[Scorecard]) -> str:
    names = (("answers", "reused_from"), ("training", "train_reused_from"))
    reused = [
        f"{what} of `{card.path}` (run {card.cost[name]})"
        for card in cards
        for what, name in names
        if card.cost.get(name) is not None
    ]
    return f"Reused, with the cost measured then: {', '.join(reused)}." if reused else ""


def by_kind(cards: Sequence[Scorecard], noun: str = "question") -> str:
    """The primary metric, or its part in single answers, for each label or kind."""
    primary = _single(cards[0])
    kinds = list(dict.fromkeys(kind for card in cards for kind in card.by_kind))
    rows = [
        (f"`{card.path}`",
         *(interval_text(card.by_kind[k][primary]) if primary in card.by_kind.get(k, {}) else "-"
           for k in kinds))
        for card in cards
    ]  # fmt: skip
    each = "label (its recall)" if cards[0].system.prompt.labels else f"kind of {noun}"
    return f"{table(('path', *kinds), rows)}\n\n{metric_name(primary)} for each {each}."


def differences(
    cards: Sequence[Scorecard], chosen: str | None, noun: str = "question"
) -> list[str]:
    """The questions on which the two best paths differ most, the path chosen first."""
    best = two_best(cards, chosen)
    rows = [
        (_short(one.question), _short(" / ".join(one.expected)) or "(no answer)", *(
            f"{_short(side.answer) or '(nothing)'} ({side.score:.2f})" for side in one.sides
        ))
        for one in differing(best, MOST_DIFFERENT)
    ]  # fmt: skip
    paths = [f"`{card.path}`" for card in best]
    title = f"### Where {' and '.join(paths)} differ most"
    heads = (noun, "expected", *paths)
    return [title, table(heads, rows) if rows else f"They score the same on every {noun}."]


def _single(card: Scorecard) -> str:
    """The metric for single answers and kinds of question: the primary, if these have one."""
    rest = (name for names in card.by_kind.values() for name in names)
    return next(rest, card.primary) if is_whole(card.primary) else card.primary


def _money(record: RunRecord, card: Scorecard) -> str:
    """Money for a question; a dash for models that compute here."""
    if card.system.model.open_weights:
        return "-"
    money = card.cost.get("money")
    return "no price" if money is None else f"{money / card.n:.2g} {record.run.currency}"


def _energy(kwh: float | None) -> str:
    return "not measured" if kwh is None else f"{kwh * 1000:.2f} Wh"


def _short(text: str) -> str:
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
