"""Heads over tiny random encoders: ten examples are learnt by heart, kept and loaded again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tasks.artifacts import ModelRef, Question, Training
from tasks.models import classifier
from tasks.models.answerer import load_answerer
from tasks.models.classifier import Classifier, load_classifier, token_ids
from tasks.models.references import resolve
from tasks.run import ModelSpec, TrainingSpec
from tasks.training import head
from tests.tiny import build_tiny_encoder

FAMILIES = ("bert", "bert-masked", "roberta")
LABELS = ("ferry", "light", "light, lit")
TEXTS = ("crosses every hour", "on the mole", "lit by keeper Maud Quill")
SPEC = TrainingSpec(
    rank=8, learning_rate=1e-2, full_learning_rate=3e-3, encoder_epochs=14, batch_size=4
)


def question(n: int) -> Question:
    at = n % 3
    return Question(id=f"q{n}", question=f"{TEXTS[at]} {n}", answers=(LABELS[at],))


TEN = [question(n) for n in range(10)]
# What is held out was learnt as well: else nothing would be left of ten to learn by heart.
OFTEN = [one.model_copy(update={"id": f"{one.id}-{n}"}) for n in range(4) for one in TEN]


@pytest.fixture(autouse=True)
def exactly(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In fp32, so that what is loaded again can be compared to the last digits."""
    for module in (head, classifier):
        monkeypatch.setattr(module, "device_and_dtype", lambda: ("cpu", torch.float32))
    load_classifier.cache_clear()
    yield
    load_classifier.cache_clear()


@pytest.fixture(scope="module", params=FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    folder = build_tiny_encoder(tmp_path_factory.mktemp("models") / request.param, request.param)
    return resolve(ModelSpec(ref=f"path:{folder}"))


def trained(encoder: ModelRef, method: str, spec: TrainingSpec = SPEC) -> Training:
    chosen = spec.model_copy(update={"encoder_method": method})
    return head.train_head(encoder, OFTEN, "classification", LABELS, chosen, 7)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_ten_examples_are_learnt_by_heart_and_a_loaded_head_gives_the_same_logits(
    encoder: ModelRef, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    real = head._saved
    monkeypatch.setattr(head, "_saved", lambda made, base: (kept.append(made), real(made, base))[1])
    made = trained(encoder, method)
    losses = {point.name: point.value for point in made.curve}
    assert losses["train_loss"] < 0.02  # from about 1.1
    assert losses["validation_loss"] < 0.02
    assert made.adapter.rank == (8 if method == "lora" else None)
    texts = [one.question for one in TEN]
    loaded = load_answerer(encoder.ref, made.adapter)
    assert isinstance(loaded, Classifier)
    rows = token_ids(loaded.model, loaded.tokenizer, texts)
    before = Classifier(encoder.ref, kept[0].model.eval(), loaded.tokenizer)
    with torch.no_grad():
        torch.testing.assert_close(loaded._logits(rows), before._logits(rows), atol=1e-4, rtol=1e-4)
    chosen = loaded.choose(texts, LABELS, batch_size=3)
    best = [LABELS[row.log_probabilities.index(max(row.log_probabilities))] for row in chosen]
    assert best == [one.answers[0] for one in TEN]
    for row in chosen:
        assert sum(torch.tensor(row.log_probabilities).exp()) == pytest.approx(1, abs=1e-5)
    backwards = loaded.choose(texts, LABELS[::-1], batch_size=10)
    for row, other in zip(chosen, backwards, strict=True):
        assert row.log_probabilities[::-1] == pytest.approx(other.log_probabilities, abs=1e-4)
