"""Tasks whose answers are texts, through each part of a path, on a tiny model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.artifacts import (
    Answer,
    Constraints,
    ExampleSet,
    ModelRef,
    PathName,
    Question,
    Retrieval,
    System,
)
from tasks.core.errors import InputError
from tasks.data.examples import training_corpus
from tasks.data.questions import read_questions, stored
from tasks.decision.decide import measured
from tasks.evaluation.answering import generate_answers, reply
from tasks.evaluation.evaluate import answer_split, choose_prompt, scorecard
from tasks.models.loading import load_decoder
from tasks.prompts import candidates, chat, plain, reads_passages, stop_of, training_prompt
from tasks.retrieval.index import build
from tasks.retrieval.search import retrieval_of
from tasks.run import AnsweringSpec, IndexSpec, TrainingSpec
from tasks.store import get_rows
from tasks.task.known import find_task
from tasks.training.tuning import train_path
from tests.tiny import build_tiny

pytestmark = pytest.mark.usefixtures("home")

NAMES = ("summarisation", "translation", "generation")
SPEC = AnsweringSpec(demonstrations=2, prompt_sample=3, max_new_tokens=8, max_words=5)
ASKED = Constraints(glossary=(("gate", "Tor"),))


def example(n: int, split: str) -> Question:
    text = f"At {n}:15 gate {n} of {split} was shut.\nThe {'tide' if n % 2 else 'wind'} was high."
    return Question(
        id=f"{split}{n:02}", question=text, answers=(f"Tor {n} zu.\nHohe Flut.", f"Tor {n}"),
        kind="log", split=split,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture
def examples() -> ExampleSet:
    rows = [example(n, "train") for n in range(8)]
    rows += [example(n, split) for split in ("dev", "test") for n in range(4)]
    return stored(rows, ()).model_copy(update={"pairs": True, "constraints": ASKED})


@pytest.fixture
def retrieval(examples: ExampleSet) -> Retrieval:
    spec = IndexSpec(k=2, mode="vector", chunk_tokens=16)  # texts are cut, and shown whole
    return retrieval_of(build(training_corpus(examples), spec, "log"), spec)


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    load_decoder.cache_clear()


def test_a_prompt_tells_what_is_asked_and_shows_pairs_with_their_terms() -> None:
    shown = [example(1, "train")]
    by_name = {one.name: one for one in candidates("prompt", SPEC, shown, "translation", (), ASKED)}
    text, terms = shown[0].question, "\nTerms: gate = Tor\n"
    turns = (
        f"Text: {text}{terms}Translation: Tor 1 zu.\nHohe Flut.\nText: a gate{terms}Translation:"
    )
    told = "Translate the text. Reply with only the translation. Use at most 5 words."
    assert plain(by_name["plain"], "a gate", None) == f"{told}\n\n{turns}"
    assert plain(by_name["plain examples"], "a gate", None) == turns
    system, *_, asked = chat(by_name["chat"], "a gate", None)
    assert (system, asked) == (("system", told), ("user", f"a gate{terms.rstrip()}"))


def test_the_run_files_instruction_stands_in_place_of_the_tasks() -> None:
    spec = SPEC.model_copy(update={"instruction": "Into {labels}, in house style."})
    told = {one.instruction for one in candidates("prompt", spec, (), "summarisation")}
    # What people write is no template.
    assert told == {"Into {labels}, in house style. Use at most 5 words.", ""}


def test_an_adapter_is_trained_with_the_instruction_alone() -> None:
    prompt = training_prompt("finetune", SPEC, "summarisation", (), ASKED)
    assert prompt.instruction == find_task("summarisation").instruction
    assert (prompt.constraints.max_words, prompt.demonstrations) == (5, ())


def test_answers_of_several_lines_end_where_another_example_begins() -> None:
    styles = {one.style: stop_of(one) for one in candidates("prompt", SPEC, (), "generation")}
    assert styles == {"plain": "\nRequest:", "chat": ""}
    assert {stop_of(one) for one in candidates("prompt", SPEC, ())} == {"\n"}


def test_texts_are_cut_only_where_the_run_file_says_so() -> None:
    text = " ".join(map(str, range(600)))
    whole, cut = (
        candidates("prompt", SPEC.model_copy(update={"text_words": words}), (), "summarisation")[1]
        for words in (None, 3)
    )
    assert text in plain(whole, text, None)
    assert plain(cut, text, None).endswith("Text: 0 1 2\nSummary:")


def test_an_example_longer_than_the_context_is_named_with_its_length(
    tmp_path: Path,
) -> None:
    decoder = load_decoder(f"path:{build_tiny(tmp_path / 'm', positions=64)}")
    long = example(1, "dev").model_copy(update={"question": "gate " * 200})
    whole = candidates("prompt", SPEC, (), "summarisation")[1]
    with pytest.raises(InputError) as caught:
        generate_answers(decoder, whole, [example(2, "dev"), long], None)
    assert caught.value.where == "prompt of dev01"
    assert int(str(caught.value.value).split()[0]) > 200
    assert "64 tokens" in caught.value.allowed
    assert "answering.text_words" in caught.value.remedy
    spec = SPEC.model_copy(update={"text_words": 4, "max_new_tokens": 2, "max_words": None})
    cut = candidates("prompt", spec, (), "summarisation")[2]
    assert len(generate_answers(decoder, cut, [long], None)) == 1


METRICS = {
    "summarisation": {"rouge1", "rouge2", "rougeL", "faithfulness"},
    "translation": {"chrf"},
    "generation": {"chrf", "rougeL"},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["prompt", "rag", "finetune", "finetune+rag"])
def test_every_path_of_a_task_is_prompted_trained_answered_and_scored(
    tiny_model: ModelRef, examples: ExampleSet, retrieval: Retrieval, name: str, path: PathName
) -> None:
    found = retrieval if reads_passages(path) else None
    primary = find_task(name).deciding[0]
    adapter = None
    if "finetune" in path:
        prompt = training_prompt(path, SPEC, name, (), examples.constraints)
        spec = TrainingSpec(epochs=4, epochs_with_passages=4, learning_rate=5e-3, batch_size=2)
        training = train_path(tiny_model, path, examples, found, None, prompt, spec, 7)
        losses = [point.value for point in training.curve if point.name == "train_loss"]
        assert losses[-1] < losses[0]
        adapter = training.adapter
    prompt = choose_prompt(tiny_model, path, adapter, found, examples, SPEC, 0.2, primary, 7, name)
    system = System(model=tiny_model, prompt=prompt, adapter=adapter, retrieval=found)
    answers = answer_split(system, examples, "dev", 8)
    card = scorecard(system, answers, primary, None, None, None, "run")
    assert set(card.metrics) - {"seconds_per_question"} == {
        *METRICS[name], "within_length", "terms_kept",
    }  # fmt: skip
    assert [one.name for one in card.corpus] == (
        ["corpus BLEU", "corpus chrF"] if name == "translation" else []
    )
    assert sum(measured(card).scores) / 4 == pytest.approx(card.metrics[primary].value)
    train = {one.id: one for one in read_questions(examples, "train")}
    for row in get_rows(answers.blob, Answer):
        assert len(row.passages) == (2 if found else 0)
        for shown in row.passages:
            source = train[shown.document]  # never a dev example
            assert (shown.text, shown.tags) == (source.question, source.answers[:1])
    assert reply(system, "Which gate?").index_sha == (retrieval.index.sha if found else None)
