"""The report's last part: where the time went, and what went in."""

from tasks.artifacts import Constraints
from tasks.data.questions import SPLITS
from tasks.models.spending import Spent
from tasks.results.markdown import bullets, table
from tasks.results.record import RunRecord


def times(record: RunRecord) -> list[str]:
    """Seconds of each stage, and what training had to give."""
    rows = [
        (stage.name, f"{stage.seconds:.1f}", "reused" if stage.reused else "done")
        for stage in record.stages
    ]
    total = sum(stage.seconds for stage in record.stages)
    notes = [note for training in record.trainings for note in training.notes]
    rows.append(("all", f"{total:.1f}", ""))
    return [table(("stage", "seconds", ""), rows), bullets(notes)]


def inputs(record: RunRecord) -> str:
    """How much data of which kind, what was left out, what was spent, and the run itself."""
    lines = _counts(record)
    lines += [
        f"left out, {dropped.reason}: {dropped.count} ({', '.join(dropped.examples)})"
        for dropped in (*record.corpus.dropped, *record.examples.dropped)
    ]
    lines += [
        f"{one.model.ref} brings no chat template: chats are written as lines of plain text, "
        "the answer after `Answer:`"
        for one in record.plan.models
        if one.plain_template
    ]
    if record.spent is not None:
        lines.append(_spent(record.spent))
    lines.append(f"run `{record.run_id}`, run file digest `{record.run.digest}`")
    return bullets(lines)


def _counts(record: RunRecord) -> list[str]:
    examples = record.examples
    if examples.labels:
        each = ", ".join(f"{examples.count(split)} {split}" for split in SPLITS)
        return [f"examples of {len(examples.labels)} labels: {each}"]
    if examples.pairs:
        kinds = [f"{c.count} {c.split} examples of kind {c.kind}" for c in examples.counts]
        return [*kinds, *_asked(examples.constraints)]
    kinds = [f"{c.count} {c.split} questions of kind {c.kind}" for c in examples.counts]
    return [f"{record.corpus.count} documents", *kinds]


def _asked(constraints: Constraints) -> list[str]:
    lines = [f"a glossary of {len(constraints.glossary)} terms"] if constraints.glossary else []
    return lines + (["a JSON schema"] if constraints.json_schema else [])


def _spent(spent: Spent) -> str:
    """What hosted models cost in this run."""
    text = f"hosted models: {spent.sent} requests sent, {spent.tokens} tokens"
    if spent.money:
        text += f", {spent.money:.4f} {spent.currency}"
    text += f"; {spent.kept} answers kept from earlier requests, which cost nothing"
    if spent.lost:
        text += f"; {spent.lost} requests brought no answer and count as the most they could cost"
    return text
