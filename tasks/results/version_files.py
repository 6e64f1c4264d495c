"""What a registered version holds: its files, its model card, its tags and what it needs."""

import json
import re
import shutil
import string
from pathlib import Path

from pydantic import TypeAdapter

from tasks.artifacts import Blob, Scorecard, System, Value
from tasks.core.decide import Verdict
from tasks.core.stats import Interval
from tasks.results.record import answers_of
from tasks.run import RunFile
from tasks.store import local_folder

SYSTEM_TAG = "system"
CARD = Path(__file__).resolve().parents[2] / "mlflow" / "model_card.md.tmpl"
# What answers need; training and orchestration stay at home.
REQUIREMENTS = (
    "lancedb", "mlflow", "numpy", "peft", "pydantic", "pydantic-settings", "scipy",
    "sentence-transformers", "torch", "transformers",
)  # fmt: skip
HOSTED_REQUIREMENTS = ("openai",)


class Candidate(Value):
    """A winner with what it won by: its verdict and its scorecard on the dev questions.

    `documents` and `questions` are the blobs it was built and measured with.
    """

    run: RunFile
    run_id: str
    system: System
    verdict: Verdict
    scorecard: Scorecard
    documents: Blob
    questions: Blob


def required(system: System) -> tuple[str, ...]:
    """The packages that answering takes, by name."""
    return REQUIREMENTS if system.model.open_weights else REQUIREMENTS + HOSTED_REQUIREMENTS


def write_files(candidate: Candidate, folder: Path) -> dict[str, Path]:
    """What the version holds, by artifact name."""
    card = candidate.scorecard
    data = {
        "documents": candidate.documents.model_dump(),
        "questions": candidate.questions.model_dump(),
        "dev_questions_digest": card.questions_digest,
    }
    texts = {
        "system.json": candidate.system.model_dump_json(indent=2),
        "run.json": candidate.run.model_dump_json(indent=2),
        "verdict.json": TypeAdapter(Verdict).dump_json(candidate.verdict, indent=2).decode(),
        "scorecard.json": card.model_dump_json(indent=2),
        "answers.jsonl": "".join(row.model_dump_json() + "\n" for row in answers_of(card)),
        "data.json": json.dumps(data, indent=2),
        "README.md": model_card(candidate),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    files = {Path(name).stem: folder / name for name in texts}
    if candidate.system.adapter is not None:
        held = local_folder(candidate.system.adapter.blob)
        files["adapter"] = Path(shutil.copytree(held, folder / "adapter"))
    return files


def model_card(candidate: Candidate) -> str:
    """The model card, filled in from the run; its template stands in `mlflow/`."""
    run, system, card = candidate.run, candidate.system, candidate.scorecard
    retrieval = system.retrieval
    test = candidate.verdict.test
    scores = [f"| {name} | {_shown(value)} |" for name, value in card.metrics.items()]
    scores += [
        f"| {card.primary}, {kind} | {_shown(metrics[card.primary])} |"
        for kind, metrics in card.by_kind.items()
        if card.primary in metrics
    ]
    return string.Template(CARD.read_text(encoding="utf-8")).substitute(
        name=run.name,
        path=system.path,
        model=system.model.ref,
        revision=system.model.revision or "none: the reference is exact",
        adapter=system.adapter.kind if system.adapter else "none",
        index=f"{retrieval.index.name}, digest {retrieval.index.sha}" if retrieval else "none",
        search=f"{retrieval.mode}, k = {retrieval.k}" if retrieval else "none",
        prompt=(system.prompt.instruction or "(none)").replace("\n", "\n> "),
        style=system.prompt.style,
        demonstrations=len(system.prompt.demonstrations),
        basis=candidate.verdict.basis,
        reasons="\n".join(f"- {reason}" for reason in candidate.verdict.reasons),
        primary=card.primary,
        n=card.n,
        confidence=f"{candidate.verdict.confidence:.0%}",
        scores="\n".join(scores),
        test=f"{test.metric} {_shown(test.score)} on {test.n} questions" if test else "not scored",
        documents=candidate.documents.sha,
        questions=candidate.questions.sha,
        system=system.digest,
        run_id=candidate.run_id,
        run_digest=run.digest,
    )


def _shown(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def tags(candidate: Candidate) -> dict[str, str]:
    """What versions are told apart by, and found by, without reading their files."""
    card = candidate.scorecard
    return {
        SYSTEM_TAG: candidate.system.digest,
        "model": card.model,
        "path": candidate.system.path,
        "primary": card.primary,
        re.sub(r"[^\w\-. :/]", "_", card.primary): f"{card.metrics[card.primary].value:.4f}",
        "questions_digest": card.questions_digest,
        "basis": candidate.verdict.basis,
        "run_digest": candidate.run.digest,
    }
