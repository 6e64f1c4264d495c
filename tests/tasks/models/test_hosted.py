"""A hosted model against a real server on loopback: texts, labels, and what a run makes of them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import ExampleSet, ModelRef, Prompt, Question, System
from tasks.core.errors import InputError
from tasks.evaluation.evaluate import answer_split, scorecard
from tasks.models.answerer import Answerer
from tasks.models.hosted import first_token
from tasks.models.spending import spending
from tasks.run import Price
from tasks.services import services
from tasks.store import put_rows
from tests.peer import Peer, answer, completion, document
from tests.tasks.models.hosting import hosted, run_of


def test_answers_come_in_the_order_of_the_prompts_with_the_tokens_that_were_used(
    peer: Peer,
) -> None:
    peer.usual = answer(lambda text: f" {text}!\nmore", read=7, written=3)
    model, timings = hosted(), []
    made = model.generate([model.plain(str(n)) for n in range(9)], 8, timings=timings)
    assert [one.text for one in made] == [f"{n}!" for n in range(9)]
    assert {(one.tokens_in, one.tokens_out) for one in made} == {(7, 3)}
    assert len(timings) == 9
    assert min(timings) > 0


def test_a_chat_is_sent_as_it_is_with_greedy_decoding_of_one_line(peer: Peer) -> None:
    model = hosted()
    model.generate([model.render((("system", "Brief."), ("user", "Où ?"), ("assistant", "")))], 5)
    (body,) = peer.bodies
    assert body["messages"] == [
        {"role": "system", "content": "Brief."}, {"role": "user", "content": "Où ?"},
    ]  # fmt: skip
    assert (body["model"], body["temperature"], body["stop"]) == ("m", 0, ["\n"])
    assert body["max_completion_tokens"] == 5


def test_answers_of_several_lines_are_asked_for_without_a_stop_or_with_their_own(
    peer: Peer,
) -> None:
    model = hosted()
    (whole,) = model.generate([model.plain("a\nB: c")], 5, stop="")
    (cut_off,) = model.generate([model.plain("a\nB: c")], 5, stop="\nB:")
    assert ["stop" in body for body in peer.bodies] == [False, True]
    assert peer.bodies[1]["stop"] == ["\nB:"]
    # This peer heeds no stop.
    assert (whole.text, cut_off.text) == ("A\nB: C", "A")


def listed(*tokens: tuple[str, float]) -> dict[str, Any]:
    top = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in tokens]
    content = [{"token": "x", "logprob": -0.1, "bytes": None, "top_logprobs": top}]
    return {"logprobs": {"content": content, "refusal": None}}


def test_labels_are_scored_by_the_first_tokens_that_the_endpoint_tells(peer: Peer) -> None:
    peer.usual = answer(**listed(("pos", 0.5), (" Pos", 0.1), (" neg", 0.3), ("The", 0.04)))
    model, labels = hosted(), ["pos", "neg", "neutral", "Positive"]
    found = model.score([model.plain("Well?")] * 4, [f" {label}" for label in labels])
    assert len(peer.bodies) == 1
    assert peer.bodies[0]["top_logprobs"] == 20
    assert [round(math.exp(one.log_probability), 3) for one in found] == [0.5, 0.3, 0.04, 0.1]
    assert {one.tokens for one in found} == {1}


def test_a_label_is_chosen_with_one_request_for_each_text(peer: Peer) -> None:
    peer.usual = answer(**listed(("pos", 0.6), (" neg", 0.3), ("The", 0.1)))
    model, timings = hosted(), []
    texts = [model.plain("Well?"), model.plain("And?"), model.plain("Well?")]
    found = model.choose(texts, [" pos", " neg"], timings=timings)
    assert len(peer.bodies) == 2
    assert len(timings) == 3
    for one in found:
        assert [round(math.exp(value), 3) for value in one.log_probabilities] == [0.6, 0.3]
        assert one.tokens_in > 0


def test_a_token_that_begins_two_labels_chooses_neither() -> None:
    top = [("ne", math.log(0.6)), ("pos", math.log(0.3))]
    with pytest.raises(InputError, match="begin with 'ne'"):
        first_token(top, "neutral", ["neutral", "negative", "positive"])
    assert first_token(top[::-1], "positive", ["neutral", "negative", "positive"]) == top[1][1]


@pytest.mark.parametrize("given", [{}, {"logprobs": None}, listed()])
def test_an_endpoint_without_log_probabilities_says_so(peer: Peer, given: dict[str, Any]) -> None:
    peer.usual = answer(**given)
    model = hosted()
    with pytest.raises(InputError, match="no log-probabilities"):
        model.score([model.plain("Well?")], [" yes"])


def test_a_hosted_model_without_key_is_not_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    services.cache_clear()
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        hosted()


@pytest.mark.parametrize("make", [lambda model: model.plain("\ud800"), lambda m: m.render(())])
def test_odd_text_can_be_sent(peer: Peer, make: Callable[[Answerer], str]) -> None:
    peer.usual = document(completion("fine"))
    model = hosted()
    assert model.generate([make(model)], 8)[0].text == "fine"


SYSTEM = System(
    model=ModelRef(ref="openai:m", name="m", size_class="large", open_weights=False),
    prompt=Prompt(name="brief", instruction="Be brief.", max_new_tokens=8),
)


def test_answers_of_a_hosted_model_are_a_scorecard_with_its_tokens_and_money(peer: Peer) -> None:
    asked = [Question(id=str(n), question=f"q{n}", answers=(f"Q{n}",), split="dev")
             for n in range(6)]  # fmt: skip
    examples = ExampleSet(questions=put_rows(asked), counts=())
    price = Price(input_per_million=2, output_per_million=8, currency="EUR")
    cards = []
    for _ in range(2):
        with spending(run_of()):
            made = answer_split(SYSTEM, examples, "dev", 32)
        cards.append(scorecard(SYSTEM, made, "f1", None, None, None, made.cost.run, price))
    card, repeated = cards
    assert card.metrics["f1"].value == 1
    cost = card.cost
    assert (cost["tokens_in"], cost["tokens_out"], cost["answer_tokens"]) == (60, 12, 72)
    assert (cost["money"], cost["currency"]) == (6 * 36 / 1e6, "EUR")
    assert (cost["device"], cost["energy_kwh"], cost["energy_method"]) == ("hosted", None, None)
    assert len(peer.bodies) == 6
    assert repeated.cost["answer_seconds"] == pytest.approx(cost["answer_seconds"], abs=1e-3)
    later = scorecard(SYSTEM, made, "f1", None, None, None, "now")
    assert later.cost["reused_from"] == "earlier, answers kept"
    assert (later.cost["money"], later.cost["currency"]) == (None, None)
