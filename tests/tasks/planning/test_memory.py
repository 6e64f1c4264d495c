"""Memory is planned for the prompts that the data make."""

import json
from pathlib import Path

import pytest
import torch

from tasks import machine
from tasks.artifacts import ExampleSet, ModelRef, Question, SplitCount
from tasks.planning.memory import memory_needs
from tasks.planning.tokens import longest_prompt
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tasks.store import put_rows


def run_of(task: str, **tables: object) -> RunFile:
    data = {"documents": "d", "questions": "q"} if task == "question-answering" else None
    models = [{"ref": "path:/m"}]
    data = data or {"examples": "e"}
    base = {"name": "m", "task": task, "data": data, "models": models}
    return parse_run(base | {"answering": {"demonstrations": 2}} | tables)


def examples(length: int, count: int = 20) -> ExampleSet:
    rows = [
        Question(
            id=f"q{at}",
            question="x" * (length if at else 20_000),
            answers=("a" * 20,),
            split="train",
        )
        for at in range(count)
    ]
    counts = (SplitCount(split="train", kind="all", count=count),)
    return ExampleSet(questions=put_rows(rows), counts=counts)


def test_examples_that_a_prompt_shows_count_with_their_length(home: object) -> None:
    run = run_of("classification", index={"k": 4})
    more = run_of("classification", index={"try_k": [4, 8]})
    # a text and those shown, each a quarter of its letters and of its label's, and 12 around it
    for one, path, shown, begin in (
        (run, "rag", 4, 0), (run, "finetune+rag", 4, 0), (more, "rag", 8, 0),
        (run, "prompt", 0, 2), (run, "finetune", 0, 0),
    ):  # fmt: skip
        own, shared = longest_prompt(one, examples(380), path)
        assert own == pytest.approx(60 + (1 + shown) * (12 + 100), abs=1)
        assert shared == begin * (12 + 100)


def test_passages_of_documents_count_as_chunks_and_so_does_what_is_not_known(home: object) -> None:
    asked = run_of("question-answering", index={"k": 3, "chunk_tokens": 100})
    for known in (None, examples(380)):
        assert longest_prompt(asked, known, "rag") == (300 + 112, 0)
        assert longest_prompt(asked, known, "finetune") == (112, 0)
    labels = run_of("classification", index={"k": 3, "chunk_tokens": 100})
    assert longest_prompt(labels, None, "rag") == (412, 0)
    assert longest_prompt(labels, examples(9, count=0), "rag") == (412, 0)


def test_long_examples_take_memory_to_answer_and_to_train(home: object) -> None:
    run = run_of("classification", training={"max_tokens": 8000})
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=1.35e8)
    short, long = memory_needs(run, model, examples(60)), memory_needs(run, model, examples(600))
    assert [one.path for one in short] == list(run.decision.order)
    for few, more in zip(short, long, strict=True):
        assert few.answer_gib < more.answer_gib
        assert (few.train_gib or 0) <= (more.train_gib or 0)


def test_a_path_that_reads_no_passages_needs_less(home: object) -> None:
    run = run_of("question-answering")
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=1.35e8)
    prompt, rag, alone, both = memory_needs(run, model)
    assert prompt.answer_gib == alone.answer_gib < rag.answer_gib == both.answer_gib
    assert (prompt.train_gib, rag.train_gib) == (None, None)
    assert alone.train_gib is not None
    assert both.train_gib is not None
    assert alone.answer_gib < alone.train_gib < both.train_gib


def test_heads_that_share_keys_and_values_are_cached_once(home: object, tmp_path: Path) -> None:
    needs = []
    for own in (9, 3):
        config = {"num_attention_heads": 9, "num_key_value_heads": own}
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        ref = f"path:{tmp_path}"
        model = ModelRef(ref=ref, name="m", size_class="small", params=1.35e8)
        needs.append(memory_needs(run_of("question-answering"), model)[0])
    assert needs[0].answer_gib > needs[1].answer_gib


def test_a_batch_that_does_not_fit_a_gpu_counts_as_it_will_be_split(
    home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelRef(ref="path:/m", name="m", size_class="mid", params=7e9)

    def needed(table: str, size: int, there: float, device: str = "cuda") -> float:
        monkeypatch.setattr(machine, "device_and_dtype", lambda: (device, torch.bfloat16))
        monkeypatch.setattr(machine, "memory_gib", lambda: there)
        run = run_of("question-answering", **{table: {"batch_size": size}})
        both = memory_needs(run, model)[-1]
        return both.answer_gib if table == "answering" else both.train_gib or 0

    for table in ("answering", "training"):
        whole, one = needed(table, 8, 10_000), needed(table, 1, 10_000)
        assert needed(table, 8, whole + 0.1) == whole
        assert needed(table, 8, whole - 0.1) == needed(table, 4, 10_000) < whole
        assert needed(table, 8, 1) == one
        assert needed(table, 8, 1, "cpu") > one  # where nothing splits it
