"""What a person or a script reads: faults, advice, answers, on a terminal or in a log."""

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
from rich.text import Text

from tasks.core.errors import InputError

if TYPE_CHECKING:
    from tasks.advise_table import Answered
    from tasks.ask import Reply
    from tasks.core.advice import Advice
    from tasks.planning.checkup import Check
    from tasks.scaffold import Written


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
    said = advice.rule.path or "does not commit"
    console.print(f"Size rule ({advice.size_class}): {said}. {advice.rule.text}")
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


def print_table(answered: Answered, as_json: bool) -> None:
    """Print a table as CSV, or its rows as JSON; what is amiss with rows goes to standard error."""
    if as_json:
        print_json({"rows": list(csv.DictReader(io.StringIO(answered.text)))})
    else:
        sys.stdout.write(answered.text)
    console = err()
    for note in answered.notes:
        console.print(Text.assemble(("warning: ", "bold yellow"), note))
    for fault in answered.faults:
        print_fault(fault, console)


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
    elif not written.documents:
        console.print(f"Read examples for {written.task}: {counts}.")
    else:
        console.print(f"Read {written.documents} documents; questions: {counts}.")
    for dropped in written.dropped:
        console.print(f"Left out {dropped.count}: {dropped.reason} ({', '.join(dropped.examples)})")
    if written.share_documents:
        console.print("The questions' splits share documents: share_documents = true is set.")
    console.print(f"Written: {written.path}")
    console.print(f"Next:\n  {program('adapt')} doctor {written.path}")
    console.print(f"  {program('adapt')} run {written.path} --plan")
    console.print(f"  {program('adapt')} run {written.path}")
