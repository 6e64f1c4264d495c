"""The report of a run in Markdown: the verdict first, then what it rests on."""

import json
from collections.abc import Iterable, Sequence
from math import isinf
from pathlib import Path

from pydantic_core import to_json

from tasks.artifacts import SCHEMA_VERSION, Scorecard
from tasks.core.decide import Verdict
from tasks.core.stats import Interval
from tasks.data.questions import SPLITS
from tasks.metrics import WHOLE
from tasks.models.spending import Spent
from tasks.results.explain import differing, two_best
from tasks.results.markdown import table as _table
from tasks.results.plot import plot_quality_cost
from tasks.results.race_report import render_race
from tasks.results.record import RunRecord, answers_of, seconds_per_question
from tasks.retrieval.build_report import render_settings, summary

PLOT = "quality-cost.png"
RACES = "race.json"
MOST_DIFFERENT = 5
CELL = 160  # characters of an answer that a table shows
METRIC_NAMES = {
    "f1": "token F1", "exact_match": "exact match", "contains": "contained",
    "refused": "refused", "recall_at_k": "recall@k", "mrr": "MRR", "macro_f1": "macro-F1",
}  # fmt: skip


def write_outputs(record: RunRecord) -> Path:
    """Write verdict, scorecards, report and plot, with the run file and the plan beside them."""
    folder = Path(record.output)
    folder.mkdir(parents=True, exist_ok=True)
    cards = {
        "schema_version": SCHEMA_VERSION,
        "scorecards": [json.loads(card.model_dump_json()) for card in record.scorecards],
    }
    if record.cards("dev"):
        plot_quality_cost(record.cards("dev"), folder / PLOT)
    if record.races:
        races = to_json(record.races, indent=2, inf_nan_mode="strings")
        (folder / RACES).write_bytes(races + b"\n")
    texts = {
        "verdict.json": record.outcome.model_dump_json(indent=2) + "\n",
        "run.json": record.run.model_dump_json(indent=2) + "\n",
        "plan.json": record.plan.model_dump_json(indent=2) + "\n",
        "scorecards.json": json.dumps(cards, indent=2, ensure_ascii=False) + "\n",
        "report.md": render_report(record),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def render_report(record: RunRecord) -> str:
    """The whole report; it reads the answers behind the dev scorecards from the store."""
    parts = [f"# {record.run.name}: fine-tune, retrieve, both, or just prompt?", _opening(record)]
    for verdict in record.outcome.verdicts:
        parts += _verdict(record, verdict)
    if record.cards("dev"):
        parts += ["## Quality against cost", f"![Quality against seconds per question]({PLOT})"]
    parts += _search(record)
    parts += ["## Where the time went", *_times(record), "## What went in", _inputs(record)]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict_sentence(record: RunRecord, verdict: Verdict) -> str:
    """What to do about one base model, and on what basis, in one sentence."""
    if verdict.basis != "measured":
        return f"**Advised, not measured: `{verdict.path}`** for {verdict.model}."
    if verdict.path is None:
        return f"**Measured: no path stays within the limits** for {verdict.model}."
    card = next(c for c in record.cards("dev", verdict.model) if c.path == verdict.path)
    score = f"{_metric(card.primary)} {_interval(card.metrics[card.primary])}, {card.n} questions"
    if not verdict.undecided:
        return f"**Measured: `{verdict.path}`** for {verdict.model} ({score})."
    if verdict.race is not None:
        return f"**Measured, undecided: `{verdict.path}`** for {verdict.model} ({score})."
    more = verdict.questions_to_settle
    settle = f"about {more}" if more else "no feasible number of"
    return (
        f"**Measured, undecided: `{verdict.path}`** for {verdict.model} ({score}), the simplest "
        f"path allowed, because no other is ahead by enough; {settle} more questions would "
        "settle it at the gains seen."
    )


def _opening(record: RunRecord) -> str:
    champion = record.outcome.champion
    rows = [
        (v.model, f"`{v.path}`" if v.path else "none",
         v.basis + (", undecided" if v.undecided else ""),
         _said(v.rule.path), _said(v.evidence.path))
        for v in record.outcome.verdicts
    ]  # fmt: skip
    table = _table(("model", "path", "basis", "size rule says", "evidence says"), rows)
    if champion is None:
        return f"No system was registered.\n\n{table}"
    where = "not registered"
    if champion.version is not None:
        where = f"registered as `{champion.name}` version {champion.version}, `{champion.alias}`"
    return f"Winner: {champion.model} with `{champion.path}`, {where}.\n\n{table}"


def _verdict(record: RunRecord, verdict: Verdict) -> list[str]:
    cards = record.cards("dev", verdict.model)
    parts = [f"## {verdict.model}", verdict_sentence(record, verdict)]
    parts.append(_bullets(verdict.reasons))
    if verdict.race is not None:
        parts += render_race(verdict.race)
    if verdict.test is not None:
        test = verdict.test
        parts.append(
            f"On {test.n} test questions that nothing else has seen: {_metric(test.metric)} "
            f"{_interval(test.score)}. This test split has been read {test.times_read} time(s)."
        )
    if cards:
        parts += ["### What was measured", _quality(cards), _costs(record, cards)]
        labels = cards[0].system.prompt.labels
        parts += ["### By label" if labels else "### By kind of question", _by_kind(cards)]
    parts += _reasoning(verdict)
    if len(cards) > 1:
        parts += _differences(cards, verdict.path)
    return parts


def _quality(cards: Sequence[Scorecard]) -> str:
    names = list(dict.fromkeys(name for card in cards for name in card.metrics))
    names = [name for name in names if name != "seconds_per_question"]  # a cost, shown there
    names.sort(key=lambda name: name != cards[0].primary)  # the primary metric first
    rows = [
        (_metric(name), *(_interval(c.metrics[name]) if name in c.metrics else "-" for c in cards))
        for name in names
    ]
    heads = ("metric", *(f"`{card.path}`" for card in cards))
    asked = f"{cards[0].n} dev questions, the same for every path"
    if len({card.n for card in cards}) > 1:
        counts = ", ".join(f"{card.n} by `{card.path}`" for card in cards)
        asked = f"Dev questions answered, in the same order by every path: {counts}"
    note = f"{asked}; in brackets 95% intervals. A dash: not measured for this path."
    if any(not card.system.model.open_weights for card in cards):
        note += (
            " General knowledge is left out: it is checked by the likelihood of whole texts, "
            "which hosted models do not tell, and nothing here changes their weights."
        )
    return f"{_table(heads, rows)}\n\n{note}"


def _costs(record: RunRecord, cards: Sequence[Scorecard]) -> str:
    rows, reused = [], []
    for card in cards:
        training, answers = record.training_of(card), answers_of(card)
        tokens = sum(answer.tokens_in + answer.tokens_out for answer in answers) / len(answers)
        train = training.cost if training else None
        rows.append((
            f"`{card.path}`", f"{seconds_per_question(card):.3f}", f"{tokens:.0f}",
            f"{train.seconds:.0f}" if train else "-",
            _energy(train.energy_kwh, train.energy_method) if train else "-",
            _energy(card.cost.get("energy_kwh"), card.cost.get("energy_method")),
            _money(record, card),
            f"{card.cost.get('device', '-')} {card.cost.get('dtype', '')}".strip(),
        ))  # fmt: skip
        for what, name in (("answers", "reused_from"), ("training", "train_reused_from")):
            if card.cost.get(name) is not None:
                reused.append(f"{what} of `{card.path}` (run {card.cost[name]})")
    heads = ("path", "seconds/question", "tokens/question", "training seconds",
             "training energy", "answering energy", "money/question", "device")  # fmt: skip
    note = f"Reused, with the cost measured then: {', '.join(reused)}." if reused else ""
    return f"{_table(heads, rows)}\n\n{note}".strip()


def _by_kind(cards: Sequence[Scorecard]) -> str:
    primary = _single(cards[0])
    kinds = list(dict.fromkeys(kind for card in cards for kind in card.by_kind))
    rows = [
        (f"`{card.path}`",
         *(_interval(card.by_kind[k][primary]) if primary in card.by_kind.get(k, {}) else "-"
           for k in kinds))
        for card in cards
    ]  # fmt: skip
    each = "label (its recall)" if cards[0].system.prompt.labels else "kind of question"
    return f"{_table(('path', *kinds), rows)}\n\n{_metric(primary)} for each {each}."


def _reasoning(verdict: Verdict) -> list[str]:
    parts = ["### What else was weighed"]
    parts.append(_bullets((
        f"Size rule ({verdict.size_class} model): {verdict.rule.text}",
        f"Published evidence: {verdict.evidence.text}",
    )))  # fmt: skip
    if verdict.margins:
        rows = [
            (f"`{m.path}`", f"`{m.over}`", f"{m.gain:+.3f}", _number(m.low), _number(m.high),
             "yes" if m.claim else "no")
            for m in verdict.margins
        ]  # fmt: skip
        heads = ("path", "over", "gain", "lower bound", "upper bound", "ahead by enough")
        over = "all claims" if verdict.race is None else "all claims and looks"
        note = (
            "Paired gains, one-sided bounds clustered by source document; enough is a lower bound "
            f"above {verdict.min_gain:g}, with {verdict.confidence:.0%} confidence over {over}."
        )
        parts += ["### Margins", _table(heads, rows), note]
    if verdict.vetoes:
        parts += ["### Ruled out", _bullets(f"{v.text} ({v.basis})." for v in verdict.vetoes)]
    flips = _bullets(flip.text for flip in verdict.flip_when)
    parts += ["### What would turn it", flips or "No change of one setting or limit would."]
    return parts


def _differences(cards: Sequence[Scorecard], chosen: str | None) -> list[str]:
    """The questions on which the two best paths differ most, the path chosen first."""
    best = two_best(cards, chosen)
    rows = [
        (one.question, " / ".join(one.expected) or "(no answer)", *(
            f"{_short(side.answer) or '(nothing)'} ({side.score:.2f})" for side in one.sides
        ))
        for one in differing(best, MOST_DIFFERENT)
    ]  # fmt: skip
    paths = [f"`{card.path}`" for card in best]
    title = f"### Where {' and '.join(paths)} differ most"
    heads = ("question", "expected", *paths)
    return [title, _table(heads, rows) if rows else "They score the same on every question."]


def _single(card: Scorecard) -> str:
    """The metric for single answers and kinds of question: the primary, if these have one."""
    rest = (name for names in card.by_kind.values() for name in names)
    return next(rest, card.primary) if card.primary in WHOLE else card.primary


def _search(record: RunRecord) -> list[str]:
    """How documents are found: the settings, what they were chosen by, and the index."""
    build, settings = record.index, record.plan.index
    if build is None or settings is None:
        return []
    index = build.index
    held = (
        f"Index `{index.name}`, digest `{index.sha}` ({index.backend}): {index.chunks} chunks; "
        f"when it was built: {summary(build)}."
    )
    return ["## How documents are found", render_settings(settings), held]


def _times(record: RunRecord) -> list[str]:
    rows = [
        (stage.name, f"{stage.seconds:.1f}", "reused" if stage.reused else "done")
        for stage in record.stages
    ]
    total = sum(stage.seconds for stage in record.stages)
    notes = [note for training in record.trainings for note in training.notes]
    rows.append(("all", f"{total:.1f}", ""))
    return [_table(("stage", "seconds", ""), rows), _bullets(notes)]


def _inputs(record: RunRecord) -> str:
    lines = _counts(record)
    lines += [
        f"left out, {dropped.reason}: {dropped.count} ({', '.join(dropped.examples)})"
        for dropped in (*record.corpus.dropped, *record.examples.dropped)
    ]
    if record.spent is not None:
        lines.append(_spent(record.spent))
    lines.append(f"run `{record.run_id}`, run file digest `{record.run.digest}`")
    return _bullets(lines)


def _counts(record: RunRecord) -> list[str]:
    examples = record.examples
    if examples.labels:
        each = ", ".join(f"{examples.count(split)} {split}" for split in SPLITS)
        return [f"examples of {len(examples.labels)} labels: {each}"]
    kinds = [f"{c.count} {c.split} questions of kind {c.kind}" for c in examples.counts]
    return [f"{record.corpus.count} documents", *kinds]


def _spent(spent: Spent) -> str:
    """What hosted models cost in this run."""
    text = f"hosted models: {spent.sent} requests sent, {spent.tokens} tokens"
    if spent.money:
        text += f", {spent.money:.4f} {spent.currency}"
    text += f"; {spent.kept} answers kept from earlier requests, which cost nothing"
    if spent.lost:
        text += f"; {spent.lost} requests brought no answer and count as the most they could cost"
    return text


def _money(record: RunRecord, card: Scorecard) -> str:
    """Money for a question; a dash for models that compute here."""
    if card.system.model.open_weights:
        return "-"
    money = card.cost.get("money")
    return "no price" if money is None else f"{money / card.n:.2g} {record.run.currency}"


def _metric(name: str) -> str:
    return METRIC_NAMES.get(name, name.replace("_", " "))


def _said(path: str | None) -> str:
    return f"`{path}`" if path else "does not commit"


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} [{_number(interval.low)}, {_number(interval.high)}]"


def _number(value: float) -> str:
    return "unbounded" if isinf(value) else f"{value:.3f}"


def _energy(kwh: float | None, method: str | None) -> str:
    return "not measured" if kwh is None else f"{kwh * 1000:.2f} Wh ({method})"


def _short(text: str) -> str:
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
