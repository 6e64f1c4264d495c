"""Memory is planned for the prompts that the data make."""

import pytest

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
    # a text and four shown, each a quarter of its letters and of its label's, and 12 around it
    assert longest_prompt(run, examples(380)) == pytest.approx(60 + 5 * (12 + 100), abs=1)
    more = run_of("classification", index={"try_k": [4, 8]})
    assert longest_prompt(more, examples(380)) == pytest.approx(60 + 9 * (12 + 100), abs=1)


def test_passages_of_documents_count_as_chunks_and_so_does_what_is_not_known(home: object) -> None:
    asked = run_of("question-answering", index={"k": 3, "chunk_tokens": 100})
    assert longest_prompt(asked, examples(380)) == longest_prompt(asked, None) == 300 + 256
    labels = run_of("classification", index={"k": 3, "chunk_tokens": 100})
    assert longest_prompt(labels, None) == longest_prompt(labels, examples(9, count=0)) == 556


def test_long_examples_take_memory_to_answer_and_to_train(home: object) -> None:
    run = run_of("classification", training={"max_tokens": 8000})
    model = ModelRef(ref="path:/m", name="m", size_class="small", params=1.35e8)
    short, long = memory_needs(run, model, examples(60)), memory_needs(run, model, examples(600))
    for few, more in zip(short, long, strict=True):
        assert few is not None
        assert more is not None
        assert few < more
