"""The examples' files, read as they are: independent of the code that collects them."""

import json
from pathlib import Path
from typing import Any

from tasks.core.leakage import resembling

EXAMPLES = Path(__file__).parents[2] / "examples"


def rows_of(name: str) -> list[dict[str, Any]]:
    """The rows of `examples/NAME/NAME.jsonl`, one from each line."""
    text = (EXAMPLES / name / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def told_apart(name: str) -> bool:
    """Whether ids are unique and no two texts share three tenths of their word trigrams.

    Far below `data.near_duplicate`, whichever splits are drawn: each text is its own.
    """
    rows = rows_of(name)
    texts = [(row["id"], row["text"]) for row in rows]
    alike = [pair for pair in resembling(texts, 0.3) if pair[0] != pair[1]]
    return len({row["id"] for row in rows}) == len(rows) and not alike
