"""Collects labelled examples: each row checked, split, and kept from leaking."""

from pathlib import Path

from tasks import store
from tasks.artifacts import Corpus, Document, ExampleSet, Question, Split, Value
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.data.documents import check_id
from tasks.data.questions import read_questions, split_up, stored
from tasks.data.reading import filled, nearest
from tasks.data.rows import Row, as_value, read_rows
from tasks.run import Data

MAX_LABEL = 200  # characters; it stands in every prompt that lists the labels


class _ExampleRow(Value):
    text: str
    label: str
    id: str | None = None
    document: str | None = None
    split: Split | None = None


def collect_examples(source: Path, data: Data, seed: int) -> ExampleSet:
    """Collect labelled texts from a `.jsonl` or `.csv` with text and label, by id.

    Optional are id (else a digest of text and label), split, and document: what a text was taken
    from, which stays whole in splits and statistics. Splits, repetitions and leaks are as for
    questions: see `collect_questions`. The labels are those of the training split.

    Raises:
        InputError: a row is at fault, an example leaks into another split, a split is empty,
            there is one label only, or another split has one that training has not.
    """
    columns = list(_ExampleRow.model_fields)
    rows = read_rows(source, columns, ["text", "label"])
    found = [(row.where, _example(row)) for row in rows]
    _check_labels(source, found)
    examples, dropped = split_up(source, found, data, seed, by_kind=True)
    labels = sorted({one.kind for one in examples if one.split == "train"})
    unseen = next((one for one in examples if one.kind not in labels), None)
    if unseen is not None:
        raise InputError(
            f"{source}: {unseen.split} example {unseen.id}", unseen.kind,
            f"a label of the training split: {', '.join(labels)}",
            nearest(unseen.kind, labels) or "Add training examples of it, or leave it out.",
        )  # fmt: skip
    return stored(examples, dropped, labels)


def _example(row: Row) -> Question:
    """One row's example, checked by itself."""
    read = as_value(_ExampleRow, row)
    filled(row.where, "text", read.text)
    filled(row.where, "label", read.label)
    text, label = read.text.strip(), read.label.strip()
    if len(label) > MAX_LABEL or not label.isprintable():
        raise InputError(
            f"{row.where}: label", label[:80],
            f"at most {MAX_LABEL} characters on one line, none of them a control character",
            "Shorten or mend it.",
        )  # fmt: skip
    # With the split: one text in two splits is two examples, which is then told as a leak.
    name = digest.of_json([text, label, read.split]) if read.id is None else read.id
    filled(row.where, "id", name)
    check_id(f"{row.where}: id", name)
    return Question(
        id=name, question=text, answers=(label,), document=read.document, kind=label,
        split=read.split,
    )  # fmt: skip


def _check_labels(source: Path, found: list[tuple[str, Question]]) -> None:
    labels = {example.kind for _, example in found}
    if len(labels) < 2:
        raise InputError(
            str(source), f"one label only: {', '.join(labels)}", "at least two labels",
            "Add examples of another: with one there is nothing to decide.",
        )  # fmt: skip


def training_corpus(examples: ExampleSet) -> Corpus:
    """The training examples as documents to search among; the first tag of each is its answer.

    Dev and test examples are not among them, so that none is ever shown. A text with references
    is shown whole, however it is cut: it is the second tag.
    """
    documents = [
        Document(
            id=one.id, title="", text=one.question, source=one.document or "",
            sha=digest.of_text(one.question),
            tags=(one.answers[0], one.question) if examples.pairs else one.answers,
        )
        for one in read_questions(examples, "train")
    ]  # fmt: skip
    return Corpus(documents=store.put_rows(documents), count=len(documents))
