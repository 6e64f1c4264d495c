"""Classification by encoders through each part of a path: head, neighbours' vote, both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import (
    Answer,
    Corpus,
    ExampleSet,
    ModelRef,
    Passage,
    PathName,
    Prompt,
    Question,
    Retrieval,
    SplitCount,
    System,
    Training,
)
from tasks.core.errors import InputError
from tasks.core.labels import votes
from tasks.data.examples import training_corpus
from tasks.data.questions import stored
from tasks.evaluation import evaluate
from tasks.evaluation.answering import generate_answers, reply, retrieve
from tasks.evaluation.evaluate import answer_split, choose_prompt, scorecard
from tasks.models.answerer import load_answerer
from tasks.models.classifier import Classifier, load_classifier
from tasks.models.references import resolve
from tasks.planning.checkup import model_here
from tasks.planning.memory import memory_needs
from tasks.planning.pace import estimate_seconds
from tasks.planning.plan import make_plan
from tasks.prompts import VOTES, candidates, training_prompt
from tasks.retrieval.index import build
from tasks.retrieval.search import retrieval_of
from tasks.run import AnsweringSpec, IndexSpec, ModelSpec, RunFile, TrainingSpec
from tasks.run.reading import parse_run
from tasks.sampling import hold_out
from tasks.store import get_rows, put_rows
from tasks.training.tuning import train_path
from tests.tiny import build_tiny_encoder

pytestmark = pytest.mark.usefixtures("home")

TASK = "classification"
LABELS = ("card", "card lost", "fee")
SPEC = AnsweringSpec()
PARAMS = 2e4
WORDS = {"card": "the pier", "card lost": "keeper Maud", "fee": "two pence"}
TUNING = TrainingSpec(full_learning_rate=3e-3, encoder_epochs=8, batch_size=4)


def example(n: int, split: str) -> Question:
    label = LABELS[n % 3]
    text = f"{WORDS[label]} {split} {n}"
    return Question(id=f"{split}{n:02}", question=text, answers=(label,), kind=label, split=split)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    folder = build_tiny_encoder(tmp_path_factory.mktemp("models") / "tiny")
    return resolve(ModelSpec(ref=f"path:{folder}", params=PARAMS, size_class="small"))


@pytest.fixture
def examples() -> Iterator[ExampleSet]:
    load_classifier.cache_clear()
    rows = [example(n, "train") for n in range(30)]
    yield stored(rows + [example(n, one) for one in ("dev", "test") for n in range(6)], (), LABELS)
    load_classifier.cache_clear()


@pytest.fixture
def retrieval(examples: ExampleSet) -> Retrieval:
    spec = IndexSpec(k=4, mode="vector", chunk_tokens=32)
    return retrieval_of(build(training_corpus(examples), spec, "cards"), spec)


def run_of(ref: str, task: str = TASK, **tables: Any) -> RunFile:
    data = {"examples": "e"} if task == TASK else {"documents": "d", "questions": "q"}
    return parse_run(
        {
            "name": "cards",
            "task": task,
            "data": data,
            "models": [{"ref": ref, "params": PARAMS}],
            **tables,
        }
    )


def chosen(
    encoder: ModelRef, path: PathName, training: Training | None, retrieval: Retrieval | None,
    examples: ExampleSet,
) -> System:  # fmt: skip
    adapter = training.adapter if training else None
    prompt = choose_prompt(
        encoder, path, adapter, retrieval, examples, SPEC, TUNING.validation, "macro_f1", 7, TASK
    )
    return System(model=encoder, prompt=prompt, adapter=adapter, retrieval=retrieval)


def trained(encoder: ModelRef, examples: ExampleSet) -> Training:
    prompt = training_prompt("finetune", SPEC, TASK, LABELS, generates=False)
    return train_path(encoder, "finetune", examples, None, None, prompt, TUNING, 7)


def near(label: str, score: float) -> Passage:
    return Passage(
        document=f"{label} {score}", title="", position=0, text="t", score=score, sha="s",
        tags=(label,),
    )  # fmt: skip


def test_a_vote_counts_the_near_more_and_leaves_no_label_impossible() -> None:
    found = votes(LABELS, [("fee", 0.8), ("card", 0.4), ("card", 0.4)])
    assert found["fee"] > found["card"] > found["card lost"] > 0
    assert sum(found.values()) == pytest.approx(1)
    alike = votes(LABELS, [("fee", 0.8), ("card", 0.8), ("card", 0.8)])
    assert alike["card"] > alike["fee"]


@pytest.mark.parametrize("neighbours", [[], [("fee", 0.0)], [("fee", -0.3), ("fee", -0.1)]])
def test_a_vote_without_near_neighbours_is_still_one(neighbours: list[tuple[str, float]]) -> None:
    found = votes(LABELS, neighbours)
    assert sum(found.values()) == pytest.approx(1)
    assert found["card"] == found["card lost"] == pytest.approx((3 + len(neighbours)) ** -1, abs=1)
    assert (found["fee"] > found["card"]) == bool(neighbours)


def test_rag_of_an_encoder_is_the_neighbours_vote_and_loads_no_model(
    encoder: ModelRef, examples: ExampleSet, retrieval: Retrieval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tasks.models.classifier.with_head", lambda *_: pytest.fail("a model was loaded")
    )
    system = chosen(encoder, "rag", None, retrieval, examples)
    assert system.path == "rag"
    rows = get_rows(answer_split(system, examples, "dev", 8).blob, Answer)
    for row in rows:
        assert len(row.passages) == 4
        found = votes(LABELS, [(one.tags[0], one.score) for one in row.passages])
        assert row.probabilities == pytest.approx(found)
        assert row.answer == max(found, key=found.__getitem__)
        assert (row.tokens_in, row.prompt) == (0, row.question)
    card = scorecard(system, answer_split(system, examples, "dev", 8), "macro_f1", None, None, None,
                     "run")  # fmt: skip
    assert card.metrics["accuracy"].value > 0.5  # the words tell
    answer = reply(system, "keeper Maud lost it")
    assert answer.text in LABELS
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert len(answer.passages) == 4


def test_finetune_answers_by_its_head_and_both_by_a_mix_chosen_on_what_training_held_out(
    encoder: ModelRef, examples: ExampleSet, retrieval: Retrieval, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trained(encoder, examples)
    head = chosen(encoder, "finetune", training, None, examples)
    assert (head.path, head.prompt.vote, head.adapter.with_passages) == ("finetune", 0.0, False)  # type: ignore[union-attr]
    asked: list[tuple[float, str]] = []
    real = generate_answers

    def watched(decoder: Any, prompt: Prompt, questions: Any, *args: Any, **kwargs: Any) -> Any:
        asked.extend((prompt.vote, one.id) for one in questions)
        return real(decoder, prompt, questions, *args, **kwargs)

    monkeypatch.setattr(evaluate, "generate_answers", watched)
    both = chosen(encoder, "finetune+rag", training, retrieval, examples)
    train = [example(n, "train") for n in range(30)]
    _, held = hold_out(train, TUNING.validation, 7)
    assert {name for _, name in asked} == {one.id for one in held}
    assert {vote for vote, _ in asked} == set(VOTES["finetune+rag"])
    assert (both.path, both.prompt.vote in VOTES["finetune+rag"]) == ("finetune+rag", True)
    monkeypatch.undo()
    decoder, question = load_answerer(encoder.ref, training.adapter), [example(0, "dev")]
    (row,) = generate_answers(decoder, head.prompt, question, None)
    found = retrieve(retrieval, question, TASK)
    (mixed,) = generate_answers(decoder, both.prompt, question, found)
    vote = votes(LABELS, [(one.tags[0], one.score) for one in found[0]])
    for label in LABELS:
        wanted = (1 - both.prompt.vote) * row.probabilities[label] + both.prompt.vote * vote[label]
        assert mixed.probabilities[label] == pytest.approx(wanted)
    (alone,) = generate_answers(decoder, both.prompt, question, [()])  # nothing is near enough
    assert alone.probabilities == row.probabilities
    for system in (head, both):
        answer = reply(system, "keeper Maud lost it")
        assert answer.text == max(answer.probabilities, key=answer.probabilities.__getitem__)


def test_the_vote_counts_as_much_as_makes_the_right_labels_likeliest(
    encoder: ModelRef, examples: ExampleSet, retrieval: Retrieval, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trained(encoder, examples)
    real = generate_answers

    def told(decoder: Any, prompt: Prompt, questions: Any, *args: Any, **kwargs: Any) -> Any:
        rows = real(decoder, prompt, questions, *args, **kwargs)
        sure, right = (0.9, 0.0) if prompt.vote == 0.7 else (0.6, 1.0)
        return tuple(
            row.model_copy(update={
                "answer": row.expected[0] if right else "none", "scores": {"accuracy": right},
                "probabilities": {one: sure if one == row.expected[0] else 0.1 for one in LABELS},
            }) for row in rows
        )  # fmt: skip

    monkeypatch.setattr(evaluate, "generate_answers", told)
    assert chosen(encoder, "finetune+rag", training, retrieval, examples).prompt.vote == 0.7


def test_an_encoder_is_shown_the_text_alone(encoder: ModelRef) -> None:
    (prompt,) = candidates("finetune", SPEC, [example(0, "train")], TASK, LABELS, generates=False)
    assert (prompt.instruction, prompt.demonstrations, prompt.labels) == ("", (), LABELS)
    decoder = Classifier(encoder.ref)
    assert decoder.render((("system", "Classify."), ("user", "the pier"))) == "the pier"


def counted(train: int = 40) -> tuple[Corpus, ExampleSet]:
    counts = tuple(SplitCount(split=one, kind="fee", count=train) for one in ("train", "dev"))  # type: ignore[arg-type]
    examples = [example(n, "train") for n in range(3)]
    return (
        Corpus(documents=put_rows([]), count=train),
        ExampleSet(questions=put_rows(examples), counts=counts, labels=LABELS),
    )


def test_prompting_an_encoder_is_vetoed_and_says_why(encoder: ModelRef) -> None:
    (planned,) = make_plan(run_of(encoder.ref), *counted()).models
    assert planned.paths == ("rag", "finetune", "finetune+rag")
    (veto,) = planned.vetoes
    assert (veto.path, veto.limit) == ("prompt", "generates")
    assert "an encoder writes no text" in veto.text
    assert not planned.model.tells_likelihood


def test_an_encoder_asked_to_generate_names_model_task_and_way_out(encoder: ModelRef) -> None:
    run = run_of(encoder.ref, "question-answering")
    with pytest.raises(InputError) as caught:
        make_plan(run, *counted())
    fault = caught.value
    assert (fault.where, fault.value) == ("models.ref", encoder.ref)
    assert "question-answering" in fault.allowed
    assert "task = 'classification'" in fault.remedy
    check = model_here(resolve(run.models[0]), run)
    assert (check.status, check.remedy) == ("fail", fault.remedy)
    answerer = load_answerer(encoder.ref)
    for ask in (lambda: answerer.generate(["?"], 4), lambda: answerer.score(["?"], ["!"])):
        with pytest.raises(InputError, match="this is an encoder"):
            ask()
    with pytest.raises(InputError, match="with a head"):
        answerer.choose(["?"], LABELS)


def test_memory_follows_what_is_tuned_and_needs_no_cache_of_keys() -> None:
    small = ModelRef(ref="path:/m", name="m", size_class="small", params=2.2e7, generates=False)
    large = small.model_copy(update={"params": 3e8})

    def needs(model: ModelRef, method: str) -> tuple[float, float]:
        run = run_of("path:/m", training={"encoder_method": method})
        *_, last = memory_needs(run, model)
        assert last.train_gib is not None
        return last.answer_gib, last.train_gib

    assert needs(small, "auto") == needs(small, "full")
    assert needs(large, "auto") == needs(large, "lora")
    assert needs(large, "full")[1] - needs(large, "lora")[1] > 2.5  # 16 bytes for 4 a parameter
    same = large.model_copy(update={"generates": True})
    assert needs(large, "lora")[0] < needs(same, "lora")[0]


def test_time_is_that_of_texts_and_of_one_head_for_both_tuned_paths(encoder: ModelRef) -> None:
    def seconds(*paths: str, **training: Any) -> dict[str, float]:
        run = run_of(encoder.ref, decision={"paths": paths}, training=training)
        corpus, examples = counted()
        plan = make_plan(run, corpus, examples)
        return dict(estimate_seconds(run, examples, plan.models, rate=1e9))

    found = seconds("rag", "finetune", "finetune+rag")
    assert found["rag"] == 0
    assert found["finetune"] > 2 * found["finetune+rag"] > 0
    assert seconds("finetune+rag")["finetune+rag"] == found["finetune"]
    assert seconds("finetune", encoder_epochs=40)["finetune"] > found["finetune"]
    assert seconds("finetune", encoder_method="lora")["finetune"] < found["finetune"]


def test_an_encoder_folder_needs_no_name_that_is_known(tmp_path: Path) -> None:
    folder = build_tiny_encoder(tmp_path / "llama-7b-chat", "roberta")
    assert not resolve(ModelSpec(ref=f"path:{folder}")).generates
