"""The scenarios' data, cut from what lies around: documents, questions, labelled examples.

Each function writes into `folder` and returns the run file's [data] for it. Rows are drawn in an
order that follows from their own text alone, so that the same files are written everywhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.rows import (
    CHECKOUT,
    Row,
    apart,
    drawn,
    intents_of,
    read_rows,
    shared,
    taken,
    write_rows,
)

HARBOUR = CHECKOUT / "examples" / "harbour"
TICKETS = CHECKOUT / "examples" / "tickets" / "tickets.jsonl"
QUESTIONS = {"documents": "documents.jsonl", "questions": "questions.jsonl"}
EXAMPLES = {"examples": "examples.jsonl"}
TEST = 30  # nothing here reads the test split, but a run needs one
Table = dict[str, Any]


def facts_seen(folder: Path) -> Table:
    """Facts of an invented town that were trained on, asked in other words."""
    _harbour(folder, _harbour_questions(), {})
    return QUESTIONS | {"share_documents": True}


def facts_changed(folder: Path) -> Table:
    """The same, but every second fact has changed in the documents since the examples were made."""
    questions = _harbour_questions()
    changed: dict[str, tuple[str, str]] = {}  # by document: what stood there, and stands there now
    for row in [row for row in questions if row["split"] != "train"]:
        if row["document"] not in changed and len(changed) < len({*_sources(questions)}) / 2:
            old = row["answers"][0]
            changed[row["document"]] = old, _successor(old, questions)
    for row in questions:
        old, new = changed.get(row["document"], ("", ""))
        if row["split"] != "train" and old in row["answers"]:
            row["answers"] = [new]
    _harbour(folder, questions, changed)
    return QUESTIONS | {"share_documents": True}


def _sources(questions: Iterable[Row]) -> list[str]:
    return [row["document"] for row in questions]


def _harbour_questions() -> list[Row]:
    """Those about facts in the training split; half of the test questions are asked in dev."""
    rows = [row for row in read_rows(HARBOUR / "questions.jsonl") if row["kind"] == "seen"]
    spare = [row for row in drawn(rows) if row["split"] == "test"][TEST - 4 :]
    return [row | {"split": "dev"} if row in spare else row for row in rows]


def _successor(old: str, questions: Sequence[Row]) -> str:
    """Another answer of the same shape: the last digit moved on, or somebody else's answer."""
    if digits := re.findall(r"\d", old):
        at = old.rindex(digits[-1])
        return f"{old[:at]}{(int(digits[-1]) + 4) % 10}{old[at + 1 :]}"
    others = {row["answers"][0] for row in questions} - {old}
    alike = drawn({"answer": one, "of": old} for one in others if _shape(one) == _shape(old))
    return str(alike[0]["answer"])


def _shape(answer: str) -> tuple[bool, ...]:
    return (any(map(str.isdigit, answer)), answer[:1].isupper())


def _harbour(folder: Path, questions: list[Row], changed: Mapping[str, tuple[str, str]]) -> None:
    documents = []
    for path in sorted((HARBOUR / "documents").iterdir()):
        text, (old, new) = path.read_text(encoding="utf-8"), changed.get(path.stem, ("", ""))
        if old:
            text = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new.replace("\\", ""), text)
        documents.append({"id": path.stem, "text": text})
    write_rows(folder / QUESTIONS["documents"], documents)
    write_rows(folder / QUESTIONS["questions"], questions)


def facts_unseen(folder: Path, train: int = 90, dev: int = 180) -> Table:
    """Facts of encyclopaedia articles; dev asks about paragraphs that were not trained on."""
    documents, questions = _articles(train, dev)
    write_rows(folder / QUESTIONS["documents"], documents)
    write_rows(folder / QUESTIONS["questions"], questions)
    return dict(QUESTIONS)


def unanswerable(folder: Path, train: int = 90, dev: int = 180) -> Table:
    """The same, but two in five of the paragraphs that are asked about are not there."""
    documents, questions = _articles(train, dev)
    gone = {name for at, name in enumerate(dict.fromkeys(_sources(questions))) if at % 5 < 2}
    for row in questions:
        if row["document"] in gone and row["split"] != "test":
            row |= {"document": None, "answers": [], "answerable": False, "kind": "unanswerable"}
    asked = {row["document"] for row in questions}
    kept = [row for row in documents if row["id"] not in gone or row["id"] in asked]
    write_rows(folder / QUESTIONS["documents"], kept)
    write_rows(folder / QUESTIONS["questions"], questions)
    return dict(QUESTIONS)


def noisy_retrieval(folder: Path, train: int = 90, dev: int = 180) -> Table:
    """The same, but beside each paragraph lies its copy without the sentences that answer."""
    documents, questions = _articles(train, dev)
    answers: dict[str, list[str]] = {}
    for row in read_rows(shared() / "xquad_en.questions.jsonl"):
        answers.setdefault(row["document"], []).extend(row["answers"])
    copies = [
        {"id": f"{row['id']}-copy", "text": text}
        for row in documents
        if (text := _without(row["text"], answers.get(row["id"], ())))
    ]
    write_rows(folder / QUESTIONS["documents"], documents + copies)
    write_rows(folder / QUESTIONS["questions"], questions)
    return dict(QUESTIONS)


def _without(text: str, answers: Iterable[str]) -> str:
    told = [answer.casefold() for answer in answers]
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return " ".join(one for one in sentences if not any(a in one.casefold() for a in told))


def _articles(train: int, dev: int) -> tuple[list[Row], list[Row]]:
    """All paragraphs, and questions about some: whole paragraphs in each split."""
    documents = read_rows(shared() / "xquad_en.documents.jsonl")
    by_source: dict[str, list[Row]] = {}
    for row in apart(read_rows(shared() / "xquad_en.questions.jsonl"), "question"):
        by_source.setdefault(row["document"], []).append(row)
    waiting, questions = drawn(documents), []
    for split, count, each in (("dev", dev, 3), ("test", TEST, 2), ("train", train, 6)):
        taken: list[Row] = []
        while len(taken) < count:
            own = by_source.get(waiting.pop()["id"], [])
            taken += [row | {"split": split} for row in own[:each]]
        questions += taken[:count]
    return documents, questions


def few_labels(folder: Path) -> Table:
    """Six intents of a bank's customers, ten examples each."""
    return _intents(folder, train=[10] * 6, dev=30)


def many_labels(folder: Path) -> Table:
    """Thirty intents, three examples each."""
    return _intents(folder, train=[3] * 30, dev=6)


def long_tail(folder: Path) -> Table:
    """Sixteen intents, from 24 examples down to 2; dev asks about each as often."""
    return _intents(folder, train=[24, 14, 9, 7, 6, 5, 4, 3, *[2] * 8], dev=12)


def _intents(folder: Path, train: Sequence[int], dev: int) -> Table:
    learnt, asked = (intents_of(f"banking77.{name}.csv") for name in ("train", "test"))
    labels = [row["label"] for row in drawn({"label": one} for one in {r["label"] for r in asked})]
    rest = -(-TEST // len(train))
    rows: list[Row] = []
    for label, count in zip(labels, train, strict=False):
        rows += taken(asked, label, "dev", dev) + taken(asked[::-1], label, "test", rest)
        rows += taken(learnt, label, "train", 3 * count)
    kept = apart(rows, "text")
    for label, count in zip(labels, train, strict=False):
        for row in taken([row for row in kept if row["split"] == "train"], label, "train")[count:]:
            kept.remove(row)
    write_rows(folder / EXAMPLES["examples"], kept)
    return dict(EXAMPLES)


def sentiment(folder: Path) -> Table:
    """Short public messages: negative, neutral or positive."""
    files = (shared() / f"tweet_sentiment.{name}.jsonl" for name in ("train", "test"))
    learnt, asked = (drawn(read_rows(path)) for path in files)
    rows: list[Row] = []
    for label in ("negative", "neutral", "positive"):
        rows += taken(asked, label, "dev", 60) + taken(asked[::-1], label, "test", TEST // 3)
        rows += taken(learnt, label, "train", 30)
    write_rows(folder / EXAMPLES["examples"], apart(rows, "text"))
    return dict(EXAMPLES)


def tickets(folder: Path) -> Table:
    """Eight intents of an invented product's support tickets."""
    by_label: dict[str, list[Row]] = {}
    for row in drawn(read_rows(TICKETS)):
        by_label.setdefault(row["label"], []).append(row)
    rows: list[Row] = []
    for label, own in by_label.items():
        rows += taken(own, label, "dev", 22) + taken(own[22:], label, "test", 4)
        rows += taken(own[26:], label, "train", 11)
    write_rows(folder / EXAMPLES["examples"], apart(rows, "text"))
    return dict(EXAMPLES)


def translation(folder: Path) -> Table:
    """Captions of pictures, from English to German."""
    learnt, asked = (
        read_rows(shared() / f"multi30k_en_de.{name}.jsonl") for name in ("train", "val")
    )
    first = drawn(asked)
    parts = {"dev": first[:128], "test": first[128 : 128 + TEST], "train": drawn(learnt)[:100]}
    rows = [
        {"text": row["source"], "references": [row["target"]], "split": split}
        for split, some in parts.items()
        for row in some
    ]
    write_rows(folder / EXAMPLES["examples"], apart(rows, "text"))
    return dict(EXAMPLES)
