"""The report of a run in Markdown: the verdict first, then what it rests on."""

import json
from pathlib import Path

from pydantic_core import to_json

from tasks.artifacts import SCHEMA_VERSION
from tasks.core.decide import TestScore, Verdict
from tasks.models.references import runs_already
from tasks.results.across_report import across_sentence, render_across
from tasks.results.chance import chance_of, chance_text
from tasks.results.comparison import COMPARISON, render_comparison
from tasks.results.judge_report import render_judge
from tasks.results.learning_report import CURVE, plot_learning, render_learning
from tasks.results.markdown import (
    basis_text,
    bullets,
    interval_text,
    metric_name,
    number_text,
    table,
)
from tasks.results.plot import plot_quality_cost
from tasks.results.race_report import render_race
from tasks.results.record import RunRecord
from tasks.results.report_estimates import estimates
from tasks.results.report_inputs import inputs, times
from tasks.results.report_scores import by_kind, corpus, costs, differences, quality
from tasks.retrieval.build_report import render_settings, summary

PLOT = "quality-cost.png"
RACES = "race.json"


def write_outputs(record: RunRecord) -> Path:
    """Write verdict, scorecards, report and plot, with the run file and the plan beside them."""
    folder = Path(record.output)
    folder.mkdir(parents=True, exist_ok=True)
    cards = {
        "schema_version": SCHEMA_VERSION,
        "scorecards": [json.loads(card.model_dump_json()) for card in record.scorecards],
    }
    if record.cards("dev"):
        chosen = {(verdict.model, verdict.path) for verdict in record.outcome.verdicts}
        chance = chance_of(record, record.cards("dev"))
        plot_quality_cost(record.cards("dev"), folder / PLOT, chosen, chance, record.run.noun)
    if record.learning:
        plot_learning(record.learning, folder / CURVE, record.run.noun)
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
    if page := render_comparison(record):
        title = f"# {record.run.name}: the comparison on one page"
        plot = f"![Quality against seconds]({PLOT})"
        texts[COMPARISON] = "\n\n".join((title, _opening(record), *page[1:], plot)) + "\n"
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def render_report(record: RunRecord) -> str:
    """The whole report; it reads the answers behind the dev scorecards from the store."""
    parts = [f"# {record.run.name}: fine-tune, retrieve, both, or just prompt?", _opening(record)]
    for verdict in record.outcome.verdicts:
        parts += _verdict(record, verdict)
    if record.outcome.across is not None:
        parts += render_across(record.outcome.across, record.run.noun)
    parts += render_judge(record)
    parts += render_comparison(record)
    if record.cards("dev"):
        noun = record.run.noun
        parts += ["## Quality against cost", f"![Quality against seconds per {noun}]({PLOT})"]
    parts += render_learning(record.learning, record.run.noun)
    parts += _search(record)
    parts += ["## Where the time went", *times(record), "## What went in", inputs(record)]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_summary(record: RunRecord) -> str:
    """The verdicts alone, each with its reasons: what a run's page opens with."""
    parts = [_opening(record)]
    for verdict in record.outcome.verdicts:
        parts += [verdict_sentence(record, verdict), bullets(verdict.reasons)]
    return "\n\n".join(part for part in parts if part) + "\n\nAll of it: `report.md`.\n"


def verdict_sentence(record: RunRecord, verdict: Verdict) -> str:
    """What to do about one base model, and on what basis, in one sentence."""
    if verdict.basis != "measured":
        return f"**Advised, not measured: `{verdict.path}`** for {verdict.model}."
    if verdict.path is None:
        return f"**Measured: no path stays within the limits** for {verdict.model}."
    noun = record.run.noun
    card = next(c for c in record.cards("dev", verdict.model) if c.path == verdict.path)
    score = interval_text(card.metrics[card.primary])
    score = f"{metric_name(card.primary)} {score}, {card.n} {noun}s"
    if not verdict.undecided:
        return f"**Measured: `{verdict.path}`** for {verdict.model} ({score})."
    if verdict.race is not None:
        return f"**Measured, undecided: `{verdict.path}`** for {verdict.model} ({score})."
    more = verdict.questions_to_settle
    settle = f"about {more}" if more else "no feasible number of"
    return (
        f"**Measured, undecided: `{verdict.path}`** for {verdict.model} ({score}), the simplest "
        f"path allowed, because no other is ahead by enough; {settle} more {noun}s would "
        "settle it at the gains seen."
    )


def _opening(record: RunRecord) -> str:
    champion = record.outcome.champion
    rows = [
        (v.model, f"`{v.path}`" if v.path else "none",
         basis_text(v.basis, v.undecided),
         _said(v.rule.path), _said(v.evidence.path))
        for v in record.outcome.verdicts
    ]  # fmt: skip
    verdicts = table(("model", "path", "basis", "size rule says", "evidence says"), rows)
    across = record.outcome.across
    if across is not None:
        verdicts = f"{verdicts}\n\n{across_sentence(across)}"
    if champion is None:
        return f"No system was registered.\n\n{verdicts}"
    if runs_already(champion.model):
        stays = f"`{champion.name}` version {champion.version} (`{champion.path}`)"
        return f"What runs already stays: {stays}; nothing was registered.\n\n{verdicts}"
    where = "not registered"
    if champion.version is not None:
        where = f"registered as `{champion.name}` version {champion.version}, `{champion.alias}`"
    return f"Winner: {champion.model} with `{champion.path}`, {where}.\n\n{verdicts}"


def _verdict(record: RunRecord, verdict: Verdict) -> list[str]:
    cards, noun = record.cards("dev", verdict.model), record.run.noun
    parts = [f"## {verdict.model}", verdict_sentence(record, verdict)]
    parts.append(bullets(verdict.reasons))
    if verdict.race is not None:
        parts += render_race(verdict.race, noun)
    if verdict.test is not None:
        parts.append(_tested(verdict.test, noun))
    if cards:
        parts += ["### What was measured", quality(cards, noun), chance_text(record, cards)]
        parts += [corpus(cards), costs(record, cards)]
        parts += estimates(record, verdict.model, cards)
        labels = cards[0].system.prompt.labels
        parts += ["### By label" if labels else f"### By kind of {noun}", by_kind(cards, noun)]
    parts += _reasoning(verdict, noun)
    if len(cards) > 1:
        parts += differences(cards, verdict.path, noun)
    return parts


def _tested(test: TestScore, noun: str) -> str:
    """The score that no choice rests on, and how far it still can be trusted as such."""
    score = f"{metric_name(test.metric)} {interval_text(test.score)}"
    text = f"On {test.n} test {noun}s that no path learnt or was chosen by: {score}."
    if test.times_read > 1:
        text += (
            f" {test.times_read} systems have been tested on them by now, this one included: "
            f"whoever chooses among these by their test scores wants fresh {noun}s."
        )
    return text


def _reasoning(verdict: Verdict, noun: str) -> list[str]:
    parts = ["### What else was weighed"]
    parts.append(bullets((
        f"Size rule ({verdict.size_class} model): {verdict.rule.text}",
        f"Published evidence: {verdict.evidence.text}",
    )))  # fmt: skip
    if verdict.margins:
        rows = [
            (f"`{m.path}`", f"`{m.over}`", f"{m.gain:+.3f}", number_text(m.low),
             number_text(m.high), "yes" if m.claim else "no")
            for m in verdict.margins
        ]  # fmt: skip
        heads = ("path", "over", "gain", "lower bound", "upper bound", "ahead by enough")
        over = "all claims" if verdict.race is None else "all claims and looks"
        source = "source document" if noun == "question" else "source"
        note = (
            f"Paired gains, one-sided bounds clustered by {source}; enough is a lower bound "
            f"above {verdict.min_gain:g}, with {verdict.confidence:.0%} confidence over {over}."
        )
        parts += ["### Margins", table(heads, rows), note]
    if verdict.vetoes:
        parts += ["### Ruled out", bullets(f"{v.text} ({v.basis})." for v in verdict.vetoes)]
    flips = bullets(flip.text for flip in verdict.flip_when)
    parts += [
        "### What would turn it",
        flips or "No change of one setting, or of a limit that is set, would.",
    ]
    return parts


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


def _said(path: str | None) -> str:
    return f"`{path}`" if path else "does not commit"
