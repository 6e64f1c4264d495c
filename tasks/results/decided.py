"""A decision made again, for people: what it says now, and where that differs from before."""

from pathlib import Path

from tasks.core.decide import Verdict
from tasks.results.across_report import render_across
from tasks.results.finished import Finished
from tasks.results.folders import require_writable
from tasks.results.markdown import basis_text, table
from tasks.results.outcome import Outcome


def write_decided(outcome: Outcome, folder: Path) -> Path:
    """Write the `verdict.json` of a decision made again to a folder of its own.

    Raises:
        InputError: the folder cannot be written.
    """
    require_writable("--output", folder.absolute())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "verdict.json"
    path.write_text(outcome.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def render_decided(finished: Finished, outcome: Outcome) -> str:
    """Each model's verdict beside the one before, then reasons, vetoes and what turns it."""
    rows = [
        (one.model, _path(one), _path(finished.verdicts.get(one.model)), f"{one.min_gain:g}",
         f"{one.confidence:g}")
        for one in outcome.verdicts
    ]  # fmt: skip
    heads = ("model", "path", "before", "min_gain", "confidence")
    parts = [f"# Decided again: {finished.run.name}", table(heads, rows)]
    for one in outcome.verdicts:
        lines = [*one.reasons, *(f"ruled out: {veto.text}" for veto in one.vetoes)]
        lines += [f"flip when: {flip.text}" for flip in one.flip_when]
        parts += [f"## {one.model}", "\n".join(f"- {line}" for line in dict.fromkeys(lines))]
    if outcome.across is not None:
        parts += render_across(outcome.across, finished.run.noun)
    parts.append(f"Measured by the run in `{finished.folder}`; nothing was measured again.")
    return "\n\n".join(parts) + "\n"


def _path(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    return f"{verdict.path or 'none'} ({basis_text(verdict.basis, verdict.undecided)})"
