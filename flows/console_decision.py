"""What people read of a decision: before it is made, made again, and explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from flows.console import out, print_json
from flows.console_outcome import print_across, print_reasoning, sentence
from tasks.results.markdown import basis_text, short

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.planning.preview import ModelPlan, Preview
    from tasks.results.explain import Explained, Explanation, Shown
    from tasks.results.outcome import Outcome

CELL = 120  # characters of an answer that a line shows


def print_preview(preview: Preview, as_json: bool) -> None:
    """Print what a run would try, skip and cost, and what its questions can show."""
    if as_json:
        return print_json(json.loads(preview.model_dump_json()))
    console = out()
    console.print(Text(f"Plan of {preview.name}: nothing is loaded or trained yet", style="bold"))
    counts = ", ".join(f"{count} {split}" for split, count in preview.questions.items())
    asked = f"{preview.documents} documents; questions: {counts}"
    if preview.documents is None:
        asked = f"Examples: {counts}"
    console.print(f"{asked}. {preview.device}, {preview.memory_gib:.1f} GiB of memory.")
    for model in preview.models:
        _print_model(console, model)
    console.print()
    for line in preview.notes:
        console.print(line)
    return None


def _print_model(console: Console, model: ModelPlan) -> None:
    title = f"\n{model.model} ({model.size_class})"
    console.print(Text(title + ("" if model.reason is None else ": advised only"), style="bold"))
    if model.reason is not None:
        console.print(f"  {model.reason}")
    heads = ("path", "plan", "GiB, estimated", "seconds, estimated", "why")
    rows = [
        (one.path, "measure" if one.tried else "skip", _number(one.memory_gib),
         _number(one.seconds), "; ".join(one.why))
        for one in model.paths
    ]  # fmt: skip
    if console.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*row, style=None if row[1] == "measure" else "dim")
        console.print(table)
    else:
        for row in rows:
            cells = zip(heads, row, strict=True)
            console.print("  " + "  ".join(f"{head} {cell}" for head, cell in cells if cell))
    console.print(f"  size rule: {model.rule}; published evidence: {model.evidence}")
    if model.race:
        console.print(f"  {model.race}")


def _number(value: float | None) -> str:
    return "" if value is None else short(value)


def print_explanation(explanation: Explanation, as_json: bool) -> None:
    """Print which model's winner was chosen, then why each verdict is what it is.

    Of a run that one question is asked about, its answers alone.
    """
    if as_json:
        return print_json(json.loads(explanation.model_dump_json()))
    console = out()
    print_across(console, explanation.across)
    for one in explanation.models:
        basis = basis_text(one.basis, one.undecided)
        console.print(Text(f"\n{one.model}: {one.path or 'no path'} ({basis})", style="bold"))
        if explanation.question is None:
            _print_explained(console, one, explanation.noun)
        for question in one.apart:
            _print_question(console, question, read=explanation.question is not None)
    return None


def _print_explained(console: Console, one: Explained, noun: str) -> None:
    for reason in one.reasons:
        console.print(f"  - {reason}")
    if one.race is not None:
        from tasks.results.race_report import bought

        console.print(f"  {bought(one.race, noun)}")
    console.print("Each path:")
    for fate in one.paths:
        score = "not measured"
        if fate.score is not None:
            low, high = fate.score.low, fate.score.high
            score = f"{one.metric} {fate.score.value:.3f} ({low:.3f} to {high:.3f}), n {fate.n}"
        told = f"{score}: {fate.why}" if fate.why else score
        console.print(f"  {fate.path:13}{'chosen' if fate.chosen else '':8}{told}")
    for flip in one.flip_when:
        console.print(f"Flip when: {flip}")
    if one.apart:
        console.print(f"Where {' and '.join(one.best)} differ:")


def _print_question(console: Console, shown: Shown, *, read: bool) -> None:
    """One question with its answers, and the passages that were `read` for each."""
    console.print(f"  {shown.question_id}: {shown.question}")
    console.print(f"    expected: {' / '.join(shown.expected) or '(no answer)'}")
    for side in shown.sides:
        console.print(f"    {side.path}: {_short(side.answer) or '(nothing)'} ({side.score:.2f})")
        for passage in side.passages if read else ():
            console.print(f"      read: {_short(passage)}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= CELL else line[: CELL - 1] + "…"


def print_decided(
    outcome: Outcome, before: dict[str, str | None], as_json: bool, noun: str = "question"
) -> None:
    """Print the verdicts of a decision made again, beside those before."""
    if as_json:
        return print_json(json.loads(outcome.model_dump_json()))
    console = out()
    for verdict in outcome.verdicts:
        was = before.get(verdict.model)
        same = "as before" if was == verdict.path else f"before: {was or 'none'}"
        basis = basis_text(verdict.basis, verdict.undecided)
        console.print(Text(f"\n{verdict.model}: {basis}, {same}", style="bold"))
        console.print(
            sentence(verdict, noun) if verdict.basis == "measured" else f"Advice: {verdict.path}."
        )
        print_reasoning(console, verdict)
    print_across(console, outcome.across)
    console.print("\nNothing was measured again or registered.")
    return None
