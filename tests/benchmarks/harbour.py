"""The harbour example's documents and questions, for benchmarks."""

import json
from pathlib import Path

from tasks.artifacts import Document, Question
from tasks.data.collect import collect_documents, read_documents

HARBOUR = Path(__file__).parents[2] / "examples" / "harbour"


def documents() -> tuple[Document, ...]:
    """All documents."""
    return read_documents(collect_documents(HARBOUR / "documents"))


def questions() -> tuple[Question, ...]:
    """All questions, in the order of the file."""
    lines = (HARBOUR / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Question.model_validate(json.loads(line)) for line in lines)
