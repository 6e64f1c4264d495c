from pathlib import Path

import pytest
import torch

from tasks.artifacts import General, GeneralItem, GeneralScore, GeneralText, ModelRef
from tasks.core.stats import Interval
from tasks.evaluation.forgetting import forgotten, general_score
from tasks.models.loading import load_decoder
from tasks.store import put_rows

pytestmark = pytest.mark.usefixtures("home")

ITEMS = tuple(
    GeneralItem(id=f"i{n}", question=f"What is {n}?", choices=choices, answer=n % 2)
    for n, choices in enumerate(
        [("red", "a much longer wrong answer"), ("oak", "elm", "fir"), ("1886", "two")] * 4
    )
)
TEXTS = (
    GeneralText(id="a", question="Say it.", text="The pier was lit.", split="heldout"),
    GeneralText(id="b", question="Say more.", text="A crossing costs two pence.", split="heldout"),
    GeneralText(id="c", question="Replayed.", text="Never looked at here.", split="replay"),
)


@pytest.fixture
def general() -> General:
    return General(items=put_rows(ITEMS), text=put_rows(TEXTS))


def nats(ref: str, prompt: str, continuation: str) -> tuple[float, int]:
    """Log-probability of a continuation from the full logits, and its tokens."""
    decoder = load_decoder(ref)
    head, tail = decoder.encode([prompt, continuation])
    with torch.no_grad():
        ids = torch.tensor([head + tail], device=decoder.device)
        likely = torch.log_softmax(decoder.model(ids).logits[0].float(), -1)
    at = range(len(head) - 1, len(head) + len(tail) - 1)
    return sum(float(likely[i, token]) for i, token in zip(at, tail, strict=True)), len(tail)


def test_a_choice_is_made_by_likelihood_a_token(tiny_model: ModelRef, general: General) -> None:
    found = general_score(tiny_model, None, general, batch_size=5)
    wanted = []
    for item in ITEMS:
        each = [nats(tiny_model.ref, f"Question: {item.question}\nAnswer:", f" {choice}")
                for choice in item.choices]  # fmt: skip
        values = [total / tokens for total, tokens in each]
        wanted.append(int(values.index(max(values)) == item.answer))
    assert found.correct == tuple(wanted)
    assert 0 < sum(wanted) < len(wanted)  # so that a constant would not pass
    assert found.accuracy.value == pytest.approx(sum(wanted) / len(wanted))
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high


def test_loss_is_in_nats_a_token_over_the_held_out_texts(
    tiny_model: ModelRef, general: General
) -> None:
    found = general_score(tiny_model, None, general)
    decoder = load_decoder(tiny_model.ref)
    losses = []
    for text in TEXTS[:2]:
        total, tokens = nats(tiny_model.ref, decoder.render((("user", text.question),)), text.text)
        losses.append(-total / tokens)
    assert found.loss.value == pytest.approx(sum(losses) / 2, rel=0.01)
    assert found.loss.low <= found.loss.value <= found.loss.high


def test_batches_change_nothing(tiny_model: ModelRef, general: General, home: Path) -> None:
    one = general_score(tiny_model, None, general, batch_size=1)
    many = general_score(tiny_model, None, general, batch_size=32)
    assert one.correct == many.correct
    assert one.loss.value == pytest.approx(many.loss.value, rel=0.01)


def kept(*correct: int) -> GeneralScore:
    whole = Interval(0.5, 0.0, 1.0)
    return GeneralScore(accuracy=whole, loss=whole, correct=correct)


def test_forgetting_is_the_paired_drop_in_accuracy() -> None:
    drop = forgotten(kept(1, 1, 1, 0), kept(1, 0, 0, 0))
    assert drop.value == pytest.approx(0.5)
    assert drop.low < 0.5 < drop.high


def test_forgetting_is_negative_where_tuning_helped() -> None:
    assert forgotten(kept(0, 0, 1, 0), kept(1, 0, 1, 1)).value == pytest.approx(-0.5)


def test_nothing_forgotten_is_zero() -> None:
    same = forgotten(kept(0, 1, 1, 0), kept(0, 1, 1, 0))
    assert same.value == 0


def test_forgetting_is_paired_so_that_steady_items_narrow_its_interval() -> None:
    before = kept(*[1, 0] * 50)
    paired = forgotten(before, kept(*[0, 0], *[1, 0] * 49))
    swapped = forgotten(before, kept(*[0, 1] * 49, 0, 0))
    assert paired.value == swapped.value == pytest.approx(0.01)
    assert paired.high - paired.low < (swapped.high - swapped.low) / 5


def test_scores_of_other_items_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        forgotten(kept(1, 0), kept(1))
