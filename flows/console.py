"""What a person or a script reads: outcome, faults and progress, on a terminal or in a log."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.core.errors import InputError
from tasks.services import services

if TYPE_CHECKING:
    from tasks.artifacts import Scorecard
    from tasks.ask import Reply
    from tasks.core.advice import Advice
    from tasks.core.decide import Verdict
    from tasks.core.stats import Interval
    from tasks.doctor import Check
    from tasks.results.outcome import Outcome
    from tasks.scaffold import Written

PATHS = ("prompt", "rag", "finetune", "finetune+rag")


def out() -> Console:
    """A console on standard output; lines are wrapped on terminals only (NO_COLOR is heeded)."""
    return _console(stderr=False)


def err() -> Console:
    """A console on standard error, for faults and progress."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    console.soft_wrap = not console.is_terminal
    return console


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_fault(fault: InputError, console: Console) -> None:
    """Say where a fault stands, what was seen, what is allowed and what to do."""
    console.print(Text.assemble(("error: ", "bold red"), fault.where))
    console.print(f"  found:   {fault.value!r}")
    console.print(f"  allowed: {fault.allowed}")
    console.print(f"  to do:   {fault.remedy}")


def print_outcome(
    outcome: Outcome, scorecards: tuple[Scorecard, ...], output: Path, as_json: bool
) -> None:
    """Print what was decided and why, where it is written and what to type next.

    As JSON it is the content of `verdict.json` with the output folder added.
    """
    if as_json:
        return print_json(json.loads(outcome.model_dump_json()) | {"output": str(output)})
    console = out()
    for verdict in outcome.verdicts:
        cards = [card for card in scorecards if card.model == verdict.model and card.split == "dev"]
        if verdict.basis == "measured":
            _print_measured(console, verdict, cards)
        else:
            _print_advised(console, verdict)
    console.print(f"\nWritten to {output}: report.md, verdict.json, scorecards.json")
    for line in next_commands(outcome):
        console.print(line)
    console.print(f"  {program('adapt')} explain {output}")
    return None


def _print_measured(console: Console, verdict: Verdict, cards: list[Scorecard]) -> None:
    console.print(Text(f"\n{verdict.model}: measured", style="bold"))
    rows = [_row(card, verdict.path) for card in sorted(cards, key=lambda c: PATHS.index(c.path))]
    heads = ("path", cards[0].primary if cards else "metric", "interval", "seconds/question", "")
    if console.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*row, style="bold green" if row[-1] else None)
        console.print(table)
    else:
        for row in rows:
            cells = zip(heads, row, strict=True)
            console.print("  " + "  ".join(f"{head} {cell}".strip() for head, cell in cells))
    console.print(sentence(verdict))
    _print_race(console, verdict)
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


def _row(card: Scorecard, winner: str | None) -> tuple[str, str, str, str, str]:
    score = card.metrics[card.primary]
    seconds = card.cost.get("answer_seconds")
    speed = f"{seconds / card.n:.2f}" if seconds is not None and card.n else "-"
    chosen = "chosen" if card.path == winner else ""
    return card.path, f"{score.value:.3f}", span(score), speed, chosen


def _print_race(console: Console, verdict: Verdict) -> None:
    """What a budget bought, where there was one."""
    if verdict.race is None:
        return
    from tasks.results.race_report import bought

    console.print(f"  {bought(verdict.race)}")


def _print_advised(console: Console, verdict: Verdict) -> None:
    console.print(Text(f"\n{verdict.model}: advised, not measured", style="bold"))
    console.print(f"Advice: {verdict.path}.")
    _print_race(console, verdict)
    for reason in verdict.reasons:
        console.print(f"  - {reason.removeprefix('advised, not measured: ')}")


def span(score: Interval) -> str:
    """An interval's bounds, e.g. `0.412 to 0.533`."""
    return f"{score.low:.3f} to {score.high:.3f}"


def sentence(verdict: Verdict) -> str:
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
        text += f"; about {needed} more questions would settle it" if needed else ""
    else:
        ahead = [m for m in verdict.margins if m.path == verdict.path and m.claim]
        if ahead:
            least = min(ahead, key=lambda margin: margin.low)
            text += f", ahead of {least.over} by {least.gain:.3f} (at least {least.low:.3f})"
    if verdict.test is not None:
        test = verdict.test
        text += f". On {test.n} unseen questions: {test.metric} {test.score.value:.3f}"
        text += f" ({span(test.score)})"
    return text + "."


def next_commands(outcome: Outcome) -> list[str]:
    """What to type next: ask the champion, look at the runs."""
    lines = ["Next:"]
    champion = outcome.champion
    if champion is not None and champion.version is not None:
        alias = f" --alias {champion.alias}" if champion.alias not in (None, "champion") else ""
        lines.append(f'  {program("adapt")} ask {champion.name} "your question"{alias}')
    tracking = services().tracking_uri
    if services().embedded_tracking:
        lines.append(f"  {program('mlflow')} ui --backend-store-uri {_short(tracking)}")
    else:
        lines.append(f"  the runs are at {tracking}")
    return lines


def _short(uri: str) -> str:
    path = Path(uri.removeprefix("sqlite:///"))
    return f"sqlite:///{path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else uri


def program(name: str) -> str:
    """How to call a command that is installed beside this one, from this folder."""
    if shutil.which(name):
        return name
    beside = Path(sys.executable).parent / name
    if beside.is_relative_to(Path.cwd()):
        return str(beside.relative_to(Path.cwd()))
    return str(beside)


def print_advice(advice: Advice, as_json: bool) -> None:
    """Print a ranking from facts alone: gains, rule, evidence, cases, vetoes and what turns it."""
    if as_json:
        return print_json(asdict(advice))
    console = out()
    console.print(Text(f"Advice: {advice.path}", style="bold"), "(from facts alone, not measured)")
    console.print("Expected gain over prompt, points of 100 (80% interval):")
    for number, one in enumerate(advice.ranking, start=1):
        gain = f"{one.gain.value:+6.1f}  ({one.gain.low:+.1f} to {one.gain.high:+.1f})"
        ruled = "  vetoed" if one.vetoes else ""
        console.print(f"  {number}. {one.path:13}{'' if one.path == 'prompt' else gain}{ruled}")
    console.print(f"Size rule ({advice.size_class}): {advice.rule.path or '-'}. {advice.rule.text}")
    console.print(f"Evidence: {advice.evidence.path}. {advice.evidence.text}")
    console.print("Nearest published results:")
    for case in advice.evidence.cases:
        console.print(f"  - {case}")
    for veto in advice.vetoes:
        console.print(f"Vetoed: {veto.text}")
    for flip in advice.flip_when:
        console.print(f"Flip when: {flip.text}")
    if advice.unknown:
        console.print(f"Not known, and counted as such: {', '.join(advice.unknown)}")
    for note in advice.notes:
        console.print(f"Note: {note}")
    return None


def print_table(table: str, faults: tuple[InputError, ...], as_json: bool) -> None:
    """Print a table as CSV, or its rows as JSON; faults of single rows go to standard error."""
    if as_json:
        print_json({"rows": list(csv.DictReader(io.StringIO(table)))})
    else:
        sys.stdout.write(table)
    for fault in faults:
        print_fault(fault, err())


def print_reply(reply: Reply) -> None:
    """Print an answer, then the sources it was given with."""
    console = out()
    console.print(reply.answer)
    if reply.passages:
        console.print(Text("\nSources:", style="bold"))
    for number, passage in enumerate(reply.passages, start=1):
        shown = passage.title or f"{', '.join(passage.tags)}: {shorten(passage.text, 60)}"
        console.print(f"  {number}. {shown} ({passage.document})")


def print_checks(checks: tuple[Check, ...]) -> None:
    """Print a line for each check, and below it how to mend what is not well."""
    console = out()
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for check in checks:
        status = (f"{check.status:4}", styles[check.status])
        console.print(Text.assemble(status, f"  {check.name}: {check.found}"))
        if check.remedy:
            console.print(f"      {check.remedy}")


def print_written(written: Written) -> None:
    """Print what was read, where the run file is and what to type next."""
    console = out()
    counts = ", ".join(f"{count} {split}" for split, count in written.questions.items())
    if written.labels:
        console.print(f"Read examples of {len(written.labels)} labels: {counts}.")
    else:
        console.print(f"Read {written.documents} documents; questions: {counts}.")
    for dropped in written.dropped:
        console.print(f"Left out {dropped.count}: {dropped.reason} ({', '.join(dropped.examples)})")
    if written.share_documents:
        console.print("The questions' splits share documents: share_documents = true is set.")
    console.print(f"Written: {written.path}")
    console.print(f"Next:\n  {program('adapt')} doctor {written.path}")
    console.print(f"  {program('adapt')} run {written.path}")
