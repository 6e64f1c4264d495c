"""Rows of the public data sets that are not part of the project, and what cutting them takes."""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tasks.core.leakage import resembling

CHECKOUT = Path(__file__).resolve().parents[2]
VARIABLE = "ADAPT_BENCH_DATA"
TOO_NEAR = 0.8  # similarity of trigrams from which the collectors call two texts a leak
Row = dict[str, Any]


def shared() -> Path:
    """The folder of public data sets: beside the checkout, unless the environment names another."""
    return Path(os.environ.get(VARIABLE) or CHECKOUT.parent / "shared" / "data")


def intents_of(name: str) -> list[Row]:
    with (shared() / name).open(encoding="utf-8", newline="") as stream:
        rows = [
            {"text": row["text"].strip(), "label": row["category"].replace("_", " ")}
            for row in csv.DictReader(stream)
        ]
    return drawn(rows)


def taken(rows: Sequence[Row], label: str, split: str, count: int | None = None) -> list[Row]:
    own = [row for row in rows if row["label"] == label]
    return [row | {"split": split} for row in own[:count]]


def apart(rows: Sequence[Row], text: str) -> list[Row]:
    """The rows that resemble none before them: a leak otherwise, where they differ in split."""
    near = resembling([(str(at), row[text]) for at, row in enumerate(rows)], TOO_NEAR)
    later = {max(int(one), int(other)) for one, other in near if one != other}
    return [row for at, row in enumerate(rows) if at not in later]


def drawn(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order drawn from their content."""
    return sorted(rows, key=lambda row: hashlib.sha256(json.dumps(row).encode()).hexdigest())


def read_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
