"""An outcome by hand, of one measured model and one that was advised."""

import json
from pathlib import Path
from typing import Any

from tasks.artifacts import ModelRef, Prompt, Scorecard, System
from tasks.core.decide import FlipWhen, Margin, TestScore, Verdict
from tasks.core.evidence import Evidence
from tasks.core.rule import RuleAdvice
from tasks.core.stats import Interval
from tasks.results.outcome import Champion, Outcome


def verdict(**changes: Any) -> Verdict:
    """A verdict for rag, in which some fields may differ."""
    values: dict[str, Any] = {
        "model": "tiny", "params": 1e8, "size_class": "small", "path": "rag", "basis": "measured",
        "rule": RuleAdvice("finetune", True, "small: finetune"),
        "evidence": Evidence("rag", ("rag",), 1, 1, "rag", ()), "reasons": ("rag leads",),
        "vetoes": (), "margins": (Margin("rag", "prompt", 0.3, 0.21, float("inf"), True),),
        "flip_when": (FlipWhen("min_gain", ">", 0.21, "prompt", "min_gain is above 0.21"),),
        "undecided": False, "questions_to_settle": None,
        "test": TestScore("f1", Interval(0.6, 0.5, 0.7), 124, 1),
        "confidence": 0.95, "min_gain": 0.02,
    }  # fmt: skip
    return Verdict(**values | changes)


def scorecard(path: str, value: float) -> Scorecard:
    """A path's scorecard on ten questions, with an interval of 0.1 to both sides."""
    score = Interval(value, value - 0.1, value + 0.1)
    model = ModelRef(ref="path:/m", name="tiny", size_class="small")
    return Scorecard(
        model="tiny", params=1e8, path=path, split="dev", questions_digest="d", primary="f1", n=10,
        metrics={"f1": score}, by_kind={}, answers={}, cost={"answer_seconds": 5.0}, prompt="brief",
        system=System(model=model, prompt=Prompt(name="brief", instruction="Answer.")),
    )  # fmt: skip


OUTCOME = Outcome(
    champion=Champion(model="tiny", path="rag", name="grove", version="1", alias="champion"),
    verdicts=(
        verdict(),
        verdict(model="gpt-4", basis="advised", reasons=("no key",), margins=(), test=None),
    ),
)
CARDS = (scorecard("rag", 0.55), scorecard("prompt", 0.25))


def finished(output: str) -> Outcome:
    """What the flow leaves behind: its scorecards in the output folder, and the outcome."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    cards = [card.model_dump(mode="json") for card in CARDS]
    (folder / "scorecards.json").write_text(json.dumps({"scorecards": cards}))
    return OUTCOME
