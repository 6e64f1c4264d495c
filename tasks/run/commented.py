"""A run file as people are given it: every key with its value and a comment."""

import json
from collections.abc import Collection
from typing import Any

from pydantic_core import PydanticUndefined, to_jsonable_python

from tasks.artifacts import Value
from tasks.run import ChangesData, GeneralData, JudgeSpec, Price, RunFile
from tasks.run.reading import TABLES
from tasks.run.unused import unused
from tasks.task.known import find_task

HEADS = {
    "data": "What is asked and what is known; paths are relative to this file.",
    "general": "What the check on forgetting asks before and after tuning.",
    "changes": "What changes later: who is right on the day after, and at what cost.",
    "models": "Base models: one [[models]] table each; what can't run here is advised on.",
    "index": "How documents are cut, embedded and searched.",
    "training": "How models are tuned.",
    "answering": "How every path answers, the same for all.",
    "decision": "What wins, by how much and with what confidence.",
    "judge": "A model that says yes or no to each answer; without this table none is asked.",
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
    "training.one_adapter": "true: one for finetune and finetune+rag, about half the training",
    "training.batch_size": "examples a step; split where memory runs out, and accumulated",
    "training.max_tokens": "longest prompt with its answer",
    "training.replay": "general examples for each one of the task's, against forgetting",
    "training.validation": "share of the training split kept for early stopping",
    "training.without_source": "share of prompts whose right passage is left out",
    "training.try_learning_rate": "rates to search, on the share kept; empty: as above",
    "training.try_rank": "ranks to search, on the share kept; empty: as above",
    "training.learning_curve": "shares of the examples to measure as well, e.g. 0.25, 0.5",
    "training.paraphrase_with": "model that rewords training questions; a hosted one is sent them",
    "training.paraphrases": "other wordings of each, where such a model is named (1 to 4)",
    "training.encoder_method": "lora, full (all weights), or auto: full for small encoders",
    "training.encoder_epochs": "for encoders' heads; early stopping ends most sooner",
    "training.full_learning_rate": "where all weights are tuned",
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
    "judge.model": "hf:, path:, package: or openai:; best none of those that are measured",
    "judge.question": "what it is asked about each answer",
    "judge.labels": ".jsonl: text, answer, good (true or false), references if there are some",
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


# Tables that a run file may be without: they are then written behind comment signs.
OPTIONAL: dict[str, tuple[str, type[Value]]] = {
    "general": ("[general]", GeneralData),
    "changes": ("[changes]", ChangesData),
    "judge": ("[judge]", JudgeSpec),
    "prices": ('[prices."gpt-4o"]', Price),
}


def render(run: RunFile) -> str:
    """A run file's text: every key that its task can use, with its value and a comment.

    A key of no use is written where it has another value than by default.
    """
    values, idle = run.model_dump(mode="json"), unused(find_task(run.task))
    blocks = ["\n".join(_line(key, values[key], key) for key in values if key not in HEADS)]
    for name in HEADS:
        if values[name]:
            blocks += [_table(name, *table, idle) for table in _tables(name, values[name])]
        elif name not in idle:
            blocks.append(_absent(name))
    return "\n\n".join(blocks) + "\n"


def _tables(name: str, value: Any) -> list[tuple[str, Any]]:
    """The tables that stand for one key of the run file, each under its head."""
    if name == "models":
        return [(f"[[{name}]]", table) for table in value]
    if name == "prices":
        return [(f"[prices.{json.dumps(model)}]", table) for model, table in value.items()]
    return [(f"[{name}]", value)]


def _table(name: str, head: str, values: dict[str, Any], idle: Collection[str]) -> str:
    default = {key: _default(TABLES[name], key) for key in TABLES[name].model_fields}
    lines = [
        _line(key, value, f"{name}.{key}")
        for key, value in (default | values).items()
        if f"{name}.{key}" not in idle or value != default[key]
    ]
    return "\n".join([f"# {HEADS[name]}", head, *lines])


def _absent(name: str) -> str:
    """A table that is not given, with what it could hold."""
    head, model = OPTIONAL[name]
    lines = [_line(key, _default(model, key), f"{name}.{key}") for key in model.model_fields]
    return "\n".join(
        [f"# {HEADS[name]}", f"# {head}", *(f"# {line.lstrip('# ')}" for line in lines)]
    )


def _default(model: type[Value], key: str) -> Any:
    """A key's default as JSON has it, None without one."""
    found = model.model_fields[key].get_default()
    return None if found is PydanticUndefined else to_jsonable_python(found)


def _line(key: str, value: Any, name: str) -> str:
    if value is None:  # TOML has no null: the key waits behind a comment sign
        return f"# {key} = ...  # {COMMENTS[name]}"
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(name)} = {json.dumps(one)}" for name, one in value.items())
        return f"{key} = {{ {pairs} }}  # {COMMENTS[name]}"
    # A TOML string, number, boolean or list of strings is written as in JSON.
    return f"{key} = {json.dumps(value, ensure_ascii=False)}  # {COMMENTS[name]}"
