"""What a finished run says on a terminal or in a log: verdicts, why, and what to type next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.console import out, print_json, program
from tasks.services import services

if TYPE_CHECKING:
    from tasks.artifacts import Scorecard
    from tasks.core.across import ModelChoice
    from tasks.core.decide import Verdict
    from tasks.core.stats import Interval
    from tasks.results.outcome import Outcome

PATHS = ("prompt", "rag", "finetune", "finetune+rag")


def print_outcome(
    outcome: Outcome,
    scorecards: tuple[Scorecard, ...],
    output: Path,
    as_json: bool,
    noun: str = "question",
) -> None:
    """Print what was decided and why, where it is written and what to type next.

    `noun` is what the task calls one of its questions. As JSON it is the content of `verdict.json`
    with the output folder added.
    """
    if as_json:
        return print_json(json.loads(outcome.model_dump_json()) | {"output": str(output)})
    console = out()
    for verdict in outcome.verdicts:
        cards = [card for card in scorecards if card.model == verdict.model and card.split == "dev"]
        if verdict.basis == "measured":
            _print_measured(console, verdict, cards, noun)
        else:
            _print_advised(console, verdict, noun)
    print_across(console, outcome.across)
    console.print(f"\nWritten to {output}: report.md, verdict.json, scorecards.json")
    for line in next_commands(outcome, noun):
        console.print(line)
    console.print(f"  {program('adapt')} explain {output}")
    return None


def _print_measured(console: Console, verdict: Verdict, cards: list[Scorecard], noun: str) -> None:
    console.print(Text(f"\n{verdict.model}: measured", style="bold"))
    rows = [_row(card, verdict.path) for card in sorted(cards, key=lambda c: PATHS.index(c.path))]
    heads = ("path", cards[0].primary if cards else "metric", "interval", f"seconds/{noun}", "")
    if console.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*row, style="bold green" if row[-1] else None)
        console.print(table)
    else:
        for row in rows:
            cells = zip(heads, row, strict=True)
            console.print("  " + "  ".join(f"{head} {cell}".strip() for head, cell in cells))
    console.print(sentence(verdict, noun))
    _print_race(console, verdict, noun)
    print_reasoning(console, verdict)


def print_reasoning(console: Console, verdict: Verdict) -> None:
    """Print why: reasons, what was ruled out, and what would turn the verdict."""
    for reason in verdict.reasons:
        console.print(f"  - {reason}")
    for veto in verdict.vetoes:
        if veto.text not in verdict.reasons:
            console.print(f"  vetoed: {veto.text}")
    for flip in verdict.flip_when:
        console.print(f"  flip when: {flip.text}")


def print_across(console: Console, across: ModelChoice | None) -> None:
    """Print the last step over models, where there was one."""
    if across is None:
        return
    from tasks.results.across_report import across_sentence

    console.print(Text(f"\n{across_sentence(across)}", style="bold"))
    for reason in across.reasons:
        console.print(f"  - {reason}")
    for flip in across.flip_when:
        console.print(f"  flip when: {flip.text}")


def _row(card: Scorecard, winner: str | None) -> tuple[str, str, str, str, str]:
    score = card.metrics[card.primary]
    seconds = card.cost.get("answer_seconds")
    speed = f"{seconds / card.n:.2f}" if seconds is not None and card.n else "-"
    chosen = "chosen" if card.path == winner else ""
    return card.path, f"{score.value:.3f}", span(score), speed, chosen


def _print_race(console: Console, verdict: Verdict, noun: str) -> None:
    """What a budget bought, where there was one."""
    if verdict.race is None:
        return
    from tasks.results.race_report import bought

    console.print(f"  {bought(verdict.race, noun)}")


def _print_advised(console: Console, verdict: Verdict, noun: str) -> None:
    console.print(Text(f"\n{verdict.model}: advised, not measured", style="bold"))
    console.print(f"Advice: {verdict.path}.")
    _print_race(console, verdict, noun)
    for reason in verdict.reasons:
        console.print(f"  - {reason.removeprefix('advised, not measured: ')}")


def span(score: Interval) -> str:
    """An interval's bounds, e.g. `0.412 to 0.533`."""
    return f"{score.low:.3f} to {score.high:.3f}"


def sentence(verdict: Verdict, noun: str = "question") -> str:
    """The verdict on a measured model, in one or two sentences."""
    if verdict.path is None:
        return "Verdict: none. No path stays within the limits, so nothing is recommended."
    text = f"Verdict: {verdict.path}"
    if verdict.undecided:
        needed = verdict.questions_to_settle
        if verdict.race is not None:
            text += ", undecided: not enough evidence for another"
        else:
            text += ", undecided: no path is ahead by enough"
        text += f"; about {needed} more {noun}s would settle it" if needed else ""
    else:
        ahead = [m for m in verdict.margins if m.path == verdict.path and m.claim]
        if ahead:
            least = min(ahead, key=lambda margin: margin.low)
            text += f", ahead of {least.over} by {least.gain:.3f} (at least {least.low:.3f})"
    if verdict.test is not None:
        test = verdict.test
        text += f". On {test.n} unseen {noun}s: {test.metric} {test.score.value:.3f}"
        text += f" ({span(test.score)})"
    return text + "."


def next_commands(outcome: Outcome, noun: str = "question") -> list[str]:
    """What to type next: ask the champion, look at the runs."""
    lines = ["Next:"]
    champion = outcome.champion
    if champion is not None and champion.version is not None:
        asked = "your question" if noun == "question" else "your text"
        alias = f" --alias {champion.alias}" if champion.alias not in (None, "champion") else ""
        lines.append(f'  {program("adapt")} ask {champion.name} "{asked}"{alias}')
    tracking = services().tracking_uri
    if services().embedded_tracking:
        lines.append(f"  {program('mlflow')} ui --backend-store-uri {_short(tracking)}")
    else:
        lines.append(f"  the runs are at {tracking}")
    return lines


def _short(uri: str) -> str:
    path = Path(uri.removeprefix("sqlite:///"))
    return f"sqlite:///{path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else uri
