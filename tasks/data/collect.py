"""Collects documents, questions and general knowledge: read, checked, counted and stored."""

from pathlib import Path
from typing import Literal, TypeVar

from tasks import store
from tasks.artifacts import ExampleSet, General, GeneralItem, GeneralText
from tasks.core.errors import InputError
from tasks.data.constraints import read_constraints
from tasks.data.documents import collect_documents, read_documents
from tasks.data.examples import collect_examples, training_corpus
from tasks.data.pairs import collect_pairs
from tasks.data.questions import check_enough, collect_questions, read_questions
from tasks.data.reading import tree_digest, unique
from tasks.data.rows import as_value, read_rows
from tasks.run import Data
from tasks.task.known import find_task

__all__ = [
    "check_enough",
    "collect_documents",
    "collect_examples",
    "collect_for_task",
    "collect_general",
    "collect_pairs",
    "collect_questions",
    "read_documents",
    "read_general_items",
    "read_general_text",
    "read_questions",
    "training_corpus",
    "tree_digest",
]

Model = TypeVar("Model", GeneralItem, GeneralText)


def collect_for_task(task: str, root: Path, data: Data, seed: int) -> ExampleSet:
    """Collect a task's examples, with labels or with references; `root` is the run file's folder.

    Raises:
        InputError: see `collect_examples`, `collect_pairs` and `read_constraints`.
    """
    source = data.at(root, "examples")
    if find_task(task).labels:
        return collect_examples(source, data, seed)
    return collect_pairs(source, data, seed, read_constraints(data, root))


def collect_general(items: Path, text: Path) -> General:
    """Collect what general knowledge is checked with, from two `.jsonl` files.

    Raises:
        InputError: a row is at fault, or no text is marked `replay` or none `heldout`.
    """
    checked = _general(items, GeneralItem)
    for where, item in checked:
        if len(item.choices) < 2 or not 0 <= item.answer < len(item.choices):
            raise InputError(
                f"{where}: answer", item.answer, "the position, from 0, of one of two or more "
                "choices", "Mend choices or answer.",
            )  # fmt: skip
    texts = _general(text, GeneralText)
    for split in ("replay", "heldout"):
        if all(one.split != split for _, one in texts):
            raise InputError(
                f"{text}: split", f"no row is {split}", "rows of both replay and heldout",
                f"Mark some rows with {split!r}.",
            )  # fmt: skip
    return General(
        items=store.put_rows(item for _, item in checked),
        text=store.put_rows(one for _, one in texts),
    )


def _general(path: Path, model: type[Model]) -> list[tuple[str, Model]]:
    rows = read_rows(path, suffixes=(".jsonl",))
    found = [(row.where, as_value(model, row)) for row in rows]
    unique(found, list(model.model_fields))
    return found


def read_general_items(general: General) -> tuple[GeneralItem, ...]:
    """The multiple-choice items, in the order in which they were given."""
    return store.get_rows(general.items, GeneralItem)


def read_general_text(
    general: General, split: Literal["replay", "heldout"] | None = None
) -> tuple[GeneralText, ...]:
    """The texts of one split or of all, in the order in which they were given."""
    texts = store.get_rows(general.text, GeneralText)
    return tuple(one for one in texts if split is None or one.split == split)
