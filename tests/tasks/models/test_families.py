"""Each family of decoders: template, labels, adapters on all linear layers, saving, serving."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from tasks.artifacts import Adapter, Prompt, Question
from tasks.models.chat_tokenizer import ChatTokenizer
from tasks.models.decoder import Decoder
from tasks.models.loading import load_base, load_decoder, load_tokenizer
from tasks.models.tree import logits_at
from tasks.prompts import chat
from tasks.run import TrainingSpec
from tasks.services import services
from tasks.store import put_folder
from tasks.training.loop import Lesson, Trained, train
from tasks.training.rows import question_row
from tasks.training.trainer import AnswerTrainer
from tests.families import FAMILIES, Family, build_family

PROMPT = Prompt(name="brief", instruction="Be brief.")
KNOWN = {
    "Which colour?": "red", "Who lit it?": "no", "Which wood?": "oak", "How much?": "two",
    "What year?": "1886", "How many?": "nine", "Which cup?": "tea", "Left of it?": "sea",
    "Which way?": "north", "Is it?": "a",
}  # fmt: skip
ASKED = [
    Question(id=question, question=question, answers=(one,)) for question, one in KNOWN.items()
]
SPEC = TrainingSpec(rank=64, learning_rate=4e-3, batch_size=10, max_tokens=200)
COPIES, EPOCHS = 30, 3  # ninety steps
TRAINED = ("mistral", "orca", "falcon", "qwen2", "gemma", "gemma-2")  # one of each architecture


class Learnt(NamedTuple):
    """A family's model after training: what was left, its labels, the model in memory."""

    name: str
    ref: str
    trained: Trained
    labels: set[str]
    decoder: Decoder
    served: Decoder


def learn(environment: pytest.MonkeyPatch, name: str, folder: Path) -> Learnt:
    """Train on ten examples until they are known; labels are noted where the loss is computed."""
    ref = f"path:{build_family(folder / 'model', name)}"
    labels, left = set(), []
    real = AnswerTrainer.compute_loss

    def noted(self: Any, model: Any, given: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        left[:] = [self]
        rows = given["labels"]
        labels.update(self.processing_class.decode(row[row != -100]) for row in rows)
        return real(self, model, given, *args, **kwargs)

    environment.setattr(AnswerTrainer, "compute_loss", noted)
    reader = load_tokenizer(ref)
    rows = [question_row(reader, PROMPT, one, None, 200) for one in ASKED]
    lesson = Lesson("finetune", ref, rows * COPIES, rows, EPOCHS, 7)
    trained = train(lesson, SPEC, folder)
    blob = put_folder(trained.folder, "adapters")
    adapter = Adapter(blob=blob, base=ref, rank=SPEC.rank, with_passages=False)
    model = left[0].accelerator.unwrap_model(left[0].model, keep_fp32_wrapper=False).eval()
    return Learnt(
        name, ref, trained, labels, Decoder(model, reader.tokenizer), load_decoder(ref, adapter)
    )


@pytest.fixture(scope="module", params=TRAINED)
def learnt(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learnt]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ADAPT_HOME", str(folder / "home"))
        services.cache_clear()
        yield learn(environment, request.param, folder)
    services.cache_clear()
    load_decoder.cache_clear()


@pytest.fixture(params=FAMILIES)
def family(request: Any, tmp_path: Path) -> tuple[Family, ChatTokenizer]:
    """Any family, untrained, and how it reads."""
    folder = build_family(tmp_path / "model", request.param)
    return FAMILIES[request.param], load_tokenizer(f"path:{folder}")


def test_a_prompt_follows_the_familys_template(family: tuple[Family, ChatTokenizer]) -> None:
    known, reader = family
    assert reader.render(chat(PROMPT, "What?", None)) == known.asked


def test_text_to_be_continued_begins_as_the_tokenizer_begins_every_text(
    family: tuple[Family, ChatTokenizer],
) -> None:
    _, reader = family
    (ids,) = reader.encode([reader.plain("The ferry")])
    assert ids == reader.tokenizer("The ferry")["input_ids"]


def test_the_mask_is_over_the_answer_and_the_end_of_its_turn(
    family: tuple[Family, ChatTokenizer],
) -> None:
    known, reader = family
    row = question_row(reader, PROMPT, ASKED[0], None, 200)
    marked = [one for one, mask in zip(*row.values(), strict=True) if mask]
    assert reader.tokenizer.decode(marked) == f"red{known.ends}"


def test_loss_is_on_the_answer_and_the_end_of_its_turn_alone(learnt: Learnt) -> None:
    assert learnt.labels == {f"{answer}{FAMILIES[learnt.name].ends}" for answer in KNOWN.values()}


def test_an_adapter_is_on_every_linear_layer_but_the_head(learnt: Learnt) -> None:
    base = load_base(learnt.ref).model
    linear = {name for name, layer in base.named_modules() if isinstance(layer, torch.nn.Linear)}
    linear -= {"lm_head"}
    assert {name.rpartition(".")[2] for name in linear} == FAMILIES[learnt.name].linear
    weights = load_file(learnt.trained.folder / "adapter_model.safetensors")
    adapted = {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in weights}
    assert adapted == linear


def test_ten_examples_are_learnt_to_a_loss_near_zero_and_answered_when_served(
    learnt: Learnt,
) -> None:
    assert learnt.trained.best_loss < 0.15  # from about 8
    prompts = [learnt.served.render(chat(PROMPT, one.question, None)) for one in ASKED]
    told = [one.text for one in learnt.served.generate(prompts, 24)]
    # Merged in bf16, a random model of so few weights may slip by a token here and there.
    assert sum(a == b for a, b in zip(told, KNOWN.values(), strict=True)) >= len(KNOWN) - 2, told


def test_a_reloaded_model_gives_the_logits_of_the_trained_one(learnt: Learnt) -> None:
    ids = torch.tensor([list(range(3, 60))])
    with torch.no_grad():
        trained, served, base = (
            one.model(ids).logits.float()
            for one in (learnt.decoder, learnt.served, load_base(learnt.ref))
        )
    # Merged at load, which rounds to bf16 once more.
    assert (served - trained).abs().mean() < 0.05 * (base - trained).abs().mean()


def test_the_head_at_chosen_places_gives_the_models_own_logits(learnt: Learnt) -> None:
    ids = torch.tensor([list(range(3, 60))])
    places = torch.tensor([[0, 5], [0, 56]])
    with torch.no_grad():
        whole = learnt.served.model(ids).logits[0, [5, 56]]
        chosen = logits_at(learnt.served.model, ids, torch.ones_like(ids), places)
    torch.testing.assert_close(chosen, whole, rtol=0.02, atol=0.02)
