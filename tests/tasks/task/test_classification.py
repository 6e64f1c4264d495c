"""Classification through each part of a path, on a tiny model: an answer is always a label."""

import math
from collections.abc import Iterator

import pytest

from tasks.artifacts import (
    Answer,
    ExampleSet,
    ModelRef,
    Passage,
    PathName,
    Prompt,
    Question,
    Retrieval,
    Scorecard,
    System,
)
from tasks.core.errors import InputError
from tasks.core.labels import normalised
from tasks.data.examples import training_corpus
from tasks.data.questions import read_questions, stored
from tasks.decision.decide import measured
from tasks.evaluation.answering import generate_answers, levelled, reply, retrieve
from tasks.evaluation.evaluate import answer_split, choose_prompt, scorecard
from tasks.models.loading import load_decoder
from tasks.prompts import candidates, chat, is_tuned, plain, reads_passages, training_prompt
from tasks.retrieval.index import build
from tasks.retrieval.search import retrieval_of
from tasks.run import AnsweringSpec, IndexSpec, TrainingSpec
from tasks.store import get_rows
from tasks.task.classification import demonstrators
from tasks.task.metrics import values
from tasks.training.tuning import train_path

pytestmark = pytest.mark.usefixtures("home")

TASK = "classification"
LABELS = ("card", "card lost", "fee")
SPEC = AnsweringSpec(demonstrations=3, prompt_sample=6)
WORDS = {"card": "apply", "card lost": "vanished", "fee": "charged"}


def example(n: int, split: str) -> Question:
    label = LABELS[n % 3]
    text = f"{WORDS[label]} {split} {n}"
    return Question(id=f"{split}{n:02}", question=text, answers=(label,), kind=label, split=split)  # type: ignore[arg-type]


@pytest.fixture
def examples() -> ExampleSet:
    rows = [example(n, "train") for n in range(12)]
    rows += [example(n, split) for split in ("dev", "test") for n in range(6)]
    return stored(rows, (), LABELS)


@pytest.fixture
def retrieval(examples: ExampleSet) -> Retrieval:
    spec = IndexSpec(k=2, mode="vector", chunk_tokens=32)
    return retrieval_of(build(training_corpus(examples), spec, "cards"), spec)


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    load_decoder.cache_clear()


def passage(text: str, label: str) -> Passage:
    return Passage(
        document=text, title="", position=0, text=text, score=1.0, sha=text, tags=(label,)
    )


def test_demonstrations_take_the_labels_in_turn() -> None:
    pool = [example(n, "train") for n in range(12)]
    shown = demonstrators(pool, 5, 1)
    labels = [one.answers[0] for one in shown]
    assert set(labels[:3]) == set(LABELS)
    assert (len(set(shown)), labels[3:]) == (5, labels[:2])
    assert shown == demonstrators(pool[::-1], 5, 1) != demonstrators(pool, 5, 2)


def test_demonstrations_are_of_different_sources_where_there_are_some() -> None:
    pool = [
        example(n, "train").model_copy(update={"document": f"mail {n // 6}"}) for n in range(12)
    ]
    shown = demonstrators(pool, 2, 1)
    assert len({one.cluster for one in shown}) == 2


def test_there_are_no_more_demonstrations_than_examples_and_none_if_none_are_wanted() -> None:
    pool = [example(n, "train") for n in range(4)]
    assert sorted(one.id for one in demonstrators(pool, 9, 1)) == [one.id for one in pool]
    assert demonstrators(pool, 0, 1) == ()


FOUND = (passage("nearest", "fee"), passage("next", "card"))


def test_fixed_demonstrations_and_labels_stand_in_the_prompts_of_the_prompt_path() -> None:
    shown = [example(0, "train")]
    texts = {
        one.name: plain(one, "hello", None)
        for one in candidates("prompt", SPEC, shown, TASK, LABELS)
        if one.style == "plain"
    }
    turns = "Text: apply train 0\nLabel: card\nText: hello\nLabel:"
    listed = "Classify the text. Reply with one of these labels: card, card lost, fee."
    assert texts == {"labels listed": f"{listed}\n\n{turns}", "plain examples": turns}


def test_retrieved_examples_are_demonstrations_the_nearest_one_beside_the_question() -> None:
    prompts = candidates("rag", SPEC, [example(0, "train")], TASK, LABELS)
    by_name = {one.name: one for one in prompts}
    assert plain(by_name["plain examples"], "hello", FOUND) == (
        "Text: next\nLabel: card\nText: nearest\nLabel: fee\nText: hello\nLabel:"
    )
    turns = chat(by_name["chat"], "hello", FOUND)
    assert turns[1:] == (
        ("user", "next"), ("assistant", "card"), ("user", "nearest"), ("assistant", "fee"),
        ("user", "hello"),
    )  # fmt: skip


@pytest.mark.parametrize("path", ["prompt", "rag", "finetune", "finetune+rag"])
def test_every_path_chooses_among_three_prompts_that_answer_by_label(path: PathName) -> None:
    made = candidates(path, SPEC, [example(0, "train")], TASK, LABELS)
    assert len({one.name for one in made}) == 3
    assert {one.labels for one in made} == {LABELS}
    if is_tuned(path):
        assert training_prompt(path, SPEC, TASK, LABELS).style == "chat"
    if reads_passages(path):
        assert not any(one.demonstrations for one in made)


@pytest.mark.parametrize("style", ["plain", "chat"])
def test_an_answer_is_a_label_with_the_probabilities_of_all(
    tiny_model: ModelRef, style: str
) -> None:
    prompt = Prompt(name="p", style=style, instruction="", task=TASK, labels=LABELS)  # type: ignore[arg-type]
    asked = [example(n, "dev") for n in range(6)]
    timings: list[float] = []
    decoder = load_decoder(tiny_model.ref)
    rows = generate_answers(decoder, prompt, asked, None, timings=timings, batch_size=4)
    assert len(timings) == 2
    for question, row in zip(asked, rows, strict=True):
        assert tuple(row.probabilities) == LABELS
        assert sum(row.probabilities.values()) == pytest.approx(1)
        assert row.answer == max(row.probabilities, key=row.probabilities.__getitem__)
        assert row.scores == {"accuracy": float(row.answer == question.answers[0])}
    # A label stands after the prompt as an answer does: behind a space in plain text.
    space = " " if style == "plain" else ""
    (alone,) = decoder.choose([rows[0].prompt], [space + label for label in LABELS])
    chances = normalised(alone.log_probabilities)
    assert list(rows[0].probabilities.values()) == pytest.approx(chances, abs=0.02)


def test_an_example_longer_than_the_context_is_named_with_its_length(tiny_model: ModelRef) -> None:
    prompt = Prompt(name="p", style="plain", instruction="", task=TASK, labels=LABELS)
    long = example(0, "dev").model_copy(update={"question": "word " * 600, "id": "ticket 9"})
    with pytest.raises(InputError) as caught:
        generate_answers(load_decoder(tiny_model.ref), prompt, [long, example(1, "dev")], None)
    assert caught.value.where == "prompt of ticket 9"
    assert int(str(caught.value.value).split()[0]) > 512
    assert "512" in caught.value.allowed


def test_retrieval_finds_training_examples_and_never_the_one_that_asks(
    examples: ExampleSet, retrieval: Retrieval
) -> None:
    train = {one.id for one in read_questions(examples, "train")}
    for split in ("train", "dev", "test"):
        asked = read_questions(examples, split)
        for one, found in zip(asked, retrieve(retrieval, asked, TASK), strict=True):
            assert len(found) == 2
            assert one.id not in {passage.document for passage in found} <= train


def test_the_prompt_of_rag_is_chosen_without_showing_an_example_to_itself(
    tiny_model: ModelRef, examples: ExampleSet, retrieval: Retrieval,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from tasks.evaluation import evaluate

    seen: list[Answer] = []
    real = evaluate.generate_answers

    def noted(*given: object, **named: object) -> tuple[Answer, ...]:
        rows = real(*given, **named)  # type: ignore[arg-type]
        seen.extend(rows)
        return rows

    monkeypatch.setattr(evaluate, "generate_answers", noted)
    prompt = choose_prompt(
        tiny_model, "rag", None, retrieval, examples, SPEC, 0.1, "macro_f1", 7, TASK
    )
    assert prompt.labels == LABELS
    assert len(seen) == 3 * 6
    for row in seen:
        assert row.question_id not in {passage.document for passage in row.passages}


def test_a_prompt_that_favours_one_label_answers_by_what_is_left(tiny_model: ModelRef) -> None:
    """Always `card`, but the likelier the other label, the more so: only the bias hides it."""
    prompt = Prompt(name="p", style="plain", instruction="", task=TASK, labels=("card", "fee"))
    asked = [("card", 0.98), ("card", 0.96), ("fee", 0.80), ("fee", 0.70)]
    rows = [
        Answer(
            question_id=f"q{n}", cluster=f"q{n}", kind=label, question="?", expected=(label,),
            prompt="p", passages=(), answer="card", scores={"accuracy": float(label == "card")},
            tokens_in=1, tokens_out=1, probabilities={"card": chance, "fee": 1 - chance},
        )
        for n, (label, chance) in enumerate(asked)
    ]  # fmt: skip
    fair, again = levelled(prompt, rows)
    assert [row.answer for row in again] == ["card", "card", "fee", "fee"]
    assert [row.scores["accuracy"] for row in again] == [1, 1, 1, 1]
    assert fair.name == "p, levelled"
    # The same comes of asking the model with that prompt.
    decoder, question = load_decoder(tiny_model.ref), [example(0, "dev")]
    (plain_row,) = generate_answers(decoder, prompt, question, None)
    (row,) = generate_answers(decoder, fair, question, None)
    odds = [one.probabilities["card"] / one.probabilities["fee"] for one in (plain_row, row)]
    assert odds[1] / odds[0] == pytest.approx(math.exp(fair.prior[1] - fair.prior[0]))


@pytest.mark.parametrize("path", ["finetune", "finetune+rag"])
def test_a_tuned_path_learns_from_labels_is_measured_and_answers(
    tiny_model: ModelRef, examples: ExampleSet, retrieval: Retrieval, path: PathName
) -> None:
    found = retrieval if reads_passages(path) else None
    prompt = training_prompt(path, SPEC, TASK, LABELS)
    spec = TrainingSpec(epochs=6, epochs_with_passages=6, learning_rate=5e-3, batch_size=4)
    training = train_path(tiny_model, path, examples, found, None, prompt, spec, 7)
    assert training.adapter.with_passages == reads_passages(path)
    system = System(model=tiny_model, prompt=prompt, adapter=training.adapter, retrieval=found)
    losses = [point.value for point in training.curve if point.name == "train_loss"]
    assert losses[-1] < losses[0] / 2
    assert judged(system, examples).path == path
    answer = reply(system, "vanished train 99")
    assert answer.text in LABELS
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert (len(answer.passages), answer.index_sha is None) == ((2, False) if found else (0, True))


def judged(system: System, examples: ExampleSet) -> Scorecard:
    answers = answer_split(system, examples, "dev", 8)
    return scorecard(system, answers, "macro_f1", None, None, None, "run")


def test_a_scorecard_has_macro_f1_accuracy_and_calibration_error_and_recall_by_label(
    tiny_model: ModelRef, examples: ExampleSet
) -> None:
    prompt = training_prompt("prompt", SPEC, TASK, LABELS)
    system = System(model=tiny_model, prompt=prompt)
    card = judged(system, examples)
    assert {"macro_f1", "accuracy", "calibration_error"} <= set(card.metrics)
    assert "f1" not in card.metrics
    assert set(card.by_kind) == set(LABELS)
    assert set(card.by_kind["fee"]) == {"accuracy"}
    answers = get_rows(answer_split(system, examples, "dev", 8).blob, Answer)
    decided = measured(card)
    assert decided.scores == pytest.approx(values(answers, "macro_f1"))
    assert sum(decided.scores) / 6 == pytest.approx(card.metrics["macro_f1"].value)
    assert decided.clusters == tuple(one.id for one in read_questions(examples, "dev"))
