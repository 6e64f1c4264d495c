"""Collects questions with their answers: each row checked, split, and kept from leaking."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from tasks import store
from tasks.artifacts import Document, Dropped, ExampleSet, Question, Split, SplitCount
from tasks.core.errors import InputError
from tasks.core.leakage import crossing, resembling
from tasks.core.splits import assign, joined, questions_needed
from tasks.data.reading import SHOWN, filled, left_out, nearest, unique
from tasks.data.rows import Row, as_value, read_rows
from tasks.run import Data

SPLITS: tuple[Split, ...] = get_args(Split)
MIN_QUESTIONS = 25  # fewer: a 95% interval reaches 0.2 to each side, beyond any usual gain
MIN_CLUSTERS = 10  # fewer: the clustered standard error has under 9 degrees of freedom
PLANNED_GAIN = 0.05  # the difference to plan for where min_gain is 0


def collect_questions(
    source: Path,
    documents: Sequence[Document],
    data: Data,
    seed: int,
    same_text: Mapping[str, str] | None = None,
) -> ExampleSet:
    """Collect questions from a `.jsonl` or `.csv` with the fields of `Question`, by id.

    CSV parts answers at `|`. Exact repetitions of a row are left out and counted. Rows that say
    their split keep it. Where none does, splits are drawn from the seed: whole documents, unless
    `data.share_documents`, and near-duplicates of a question together with it. `same_text` gives
    for a document that was left out the id of the one kept with its text: questions about the
    former are about the latter.

    Raises:
        InputError: a row is at fault, a question or a document leaks from one split into
            another, or a split is empty.
    """
    rows = read_rows(source, list(Question.model_fields), ["id", "question"], {"answers": "|"})
    known = {**(same_text or {}), **{document.id: document.id for document in documents}}
    found = [(row.where, question_of(row, known)) for row in rows]
    return stored(*split_up(source, found, data, seed))


def split_up(
    source: Path,
    found: Sequence[tuple[str, Question]],
    data: Data,
    seed: int,
    *,
    by_kind: bool = False,
) -> tuple[list[Question], tuple[Dropped, ...]]:
    """Questions, each with the place of its row, every one in a split and none of them leaking.

    With `by_kind`, splits that are drawn have every kind in its proportion.

    Raises:
        InputError: see `collect_questions`.
    """
    by_id, repeated = unique(found, list(Question.model_fields))
    questions = [by_id[name] for name in sorted(by_id)]
    unsplit = [where for where, question in found if question.split is None]
    if not unsplit:
        _check_leaks(source, questions, data)
    elif len(unsplit) == len(found):
        questions = _assigned(questions, data, seed, by_kind)
    else:
        raise InputError(
            f"{unsplit[0]}: split", None, f"{', '.join(SPLITS)}, as other rows have one",
            "Give every row a split, or none.",
        )  # fmt: skip
    for split in SPLITS:
        if not any(question.split == split for question in questions):
            raise InputError(
                str(source), f"no {split} questions", "questions in train, dev and test",
                "Add questions, or mend their splits (data.train and data.dev in the run file).",
            )  # fmt: skip
    return questions, left_out({"the same row as another": repeated})


def stored(
    questions: Sequence[Question], dropped: tuple[Dropped, ...], labels: Sequence[str] = ()
) -> ExampleSet:
    """Questions with their splits, in the store."""
    counts = Counter((question.split, question.kind) for question in questions)
    return ExampleSet(
        questions=store.put_rows(questions),
        counts=tuple(
            SplitCount(split=split, kind=kind, count=counts[split, kind])
            for split in SPLITS
            for kind in sorted({question.kind for question in questions})
            if counts[split, kind]
        ),
        dropped=dropped,
        labels=tuple(labels),
    )


def question_of(row: Row, known: Mapping[str, str]) -> Question:
    """One row's question, checked by itself and against the documents.

    Raises:
        InputError: it has no text or answers, or its document is not among `known`.
    """
    read = as_value(Question, Row(row.where, {"answers": (), **row.fields}))
    filled(row.where, "id", read.id)
    filled(row.where, "question", read.question)
    answers = tuple(answer.strip() for answer in read.answers if answer.strip())
    if read.answerable and not answers:
        raise InputError(
            f"{row.where}: answers", read.answers, "at least one answer",
            'Add one, or mark the row with "answerable": false.',
        )  # fmt: skip
    if answers and not read.answerable:
        raise InputError(
            f"{row.where}: answers", answers, "no answers where answerable is false",
            "Remove the answers, or answerable.",
        )  # fmt: skip
    if read.document is not None and read.document not in known:
        raise InputError(
            f"{row.where}: document", read.document, "the id of a document that was kept",
            nearest(read.document, known) or "Add the document, or mend its id.",
        )  # fmt: skip
    document = None if read.document is None else known[read.document]
    asked = read.question.strip()
    return read.model_copy(update={"question": asked, "answers": answers, "document": document})


def _assigned(
    questions: Sequence[Question], data: Data, seed: int, by_kind: bool
) -> list[Question]:
    if data.train + data.dev >= 1:
        raise InputError(
            "run file: data.train + data.dev", data.train + data.dev, "less than 1",
            "Leave a share for the test split.",
        )  # fmt: skip
    texts = [(question.id, question.question) for question in questions]
    group = {
        question.id: f"question {question.id}"
        if data.share_documents or question.document is None
        else f"document {question.document}"
        for question in questions
    }
    near = [(group[one], group[other]) for one, other in resembling(texts, data.near_duplicate)]
    whole = joined(group.values(), near)
    sizes = Counter(whole[name] for name in group.values())
    shares = {"train": data.train, "dev": data.dev, "test": 1 - data.train - data.dev}
    strata: dict[str, dict[str, int]] = {}  # groups, by the kind of their first question
    placed = {whole[group[one.id]]: one.kind if by_kind else "" for one in reversed(questions)}
    for name, kind in placed.items():
        strata.setdefault(kind, {})[name] = sizes[name]
    split = {
        name: at for some in strata.values() for name, at in assign(some, shares, seed).items()
    }
    return [
        question.model_copy(update={"split": split[whole[group[question.id]]]})
        for question in questions
    ]


def _check_leaks(source: Path, questions: Sequence[Question], data: Data) -> None:
    """Refuse questions, and documents unless these may be shared, that stand in two splits."""
    texts = [(question.id, question.question, str(question.split)) for question in questions]
    if leaks := crossing(texts, data.near_duplicate):
        pairs = [
            f"{leak.id} ({leak.split}) {leak.text!r} ~ "
            f"{leak.other_id} ({leak.other_split}) {leak.other_text!r}"
            for leak in leaks
        ]
        raise InputError(
            str(source), _first(pairs), "no question or near-duplicate of one in two splits",
            f"Move each pair to one split, or rephrase one (data.near_duplicate is "
            f"{data.near_duplicate:g}).",
        )  # fmt: skip
    splits: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        if question.document is not None:
            splits[question.document].add(str(question.split))
    shared = [f"{name} ({', '.join(sorted(splits[name]))})" for name in sorted(splits)
              if len(splits[name]) > 1]  # fmt: skip
    if shared and not data.share_documents:
        raise InputError(
            str(source), _first(shared), "each document in one split",
            "Move its questions to one split, or set share_documents = true under [data].",
        )  # fmt: skip


def _first(found: Sequence[str]) -> tuple[str, ...]:
    more = (f"and {len(found) - SHOWN} more",) if len(found) > SHOWN else ()
    return (*found[:SHOWN], *more)


def read_questions(examples: ExampleSet, split: Split | None = None) -> tuple[Question, ...]:
    """The questions of one split or of all, by id."""
    questions = store.get_rows(examples.questions, Question)
    return tuple(one for one in questions if split is None or one.split == split)


def known_sources(examples: ExampleSet) -> tuple[Question, ...]:
    """The dev questions that have an answer in a document that they name."""
    if examples.searched:  # an example names what it was taken from, not where to look
        return ()
    dev = read_questions(examples, "dev")
    return tuple(one for one in dev if one.document and one.answerable)


def check_enough(examples: ExampleSet, min_gain: float, confidence: float) -> None:
    """Refuse a dev or test split that is too small to decide anything.

    Raises:
        InputError: fewer than `MIN_QUESTIONS` questions with an answer or `MIN_CLUSTERS` source
            documents; it says how many `questions_needed` the wanted difference takes.
    """
    wanted = min_gain or PLANNED_GAIN
    for split in ("dev", "test"):
        answerable = [one for one in read_questions(examples, split) if one.answerable]
        clusters = len({question.cluster for question in answerable})
        if len(answerable) < MIN_QUESTIONS or clusters < MIN_CLUSTERS:
            raise InputError(
                f"questions of the {split} split",
                f"{len(answerable)} with an answer, about {clusters} documents",
                f"at least {MIN_QUESTIONS} about {MIN_CLUSTERS}",
                f"Add some: to show a difference of {wanted:g} takes about "
                f"{questions_needed(wanted, confidence)} (one-sided confidence {confidence:g}, "
                "power 0.8, standard deviation of a paired difference 0.5).",
            )
