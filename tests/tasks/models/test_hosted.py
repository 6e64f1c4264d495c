"""A hosted model against a real server on loopback, which misbehaves in every way that counts."""

import json
import logging
import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import ExampleSet, ModelRef, Prompt, Question, System
from tasks.core.errors import InputError
from tasks.evaluate import answer_split, scorecard
from tasks.models.answerer import Answerer, load_answerer
from tasks.models.endpoint import address, most_tokens, retry_after
from tasks.models.hosted import first_token
from tasks.models.spending import Account, BudgetError, spending
from tasks.run import Price, RunFile
from tasks.run_reading import parse_run
from tasks.services import services
from tasks.store import put_rows
from tests.peer import (
    Behaviour,
    Peer,
    answer,
    completion,
    cut,
    document,
    hang_up,
    refuse,
    serving,
    stall,
)

KEY = "sk-secret-4711"
RUN = {
    "name": "x",
    "data": {"documents": "d", "questions": "q"},
    "models": [{"ref": "openai:m"}],
}


@pytest.fixture
def peer(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    with serving(answer()) as started:
        point_at(started.url, monkeypatch)
        yield started


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    services.cache_clear()


def hosted() -> Answerer:
    return load_answerer("openai:m")


def run_of(**tables: Any) -> RunFile:
    return parse_run(RUN | tables)


def ask(*texts: str, new: int = 8, **tables: Any) -> tuple[list[str], Account]:
    """Ask within a run's terms; returns the answers and what was spent."""
    model = hosted()
    with spending(run_of(**tables)) as account:
        made = model.generate([model.plain(text) for text in texts], new)
    return [one.text for one in made], account


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


def test_equal_prompts_are_sent_once_and_a_second_run_sends_nothing(peer: Peer) -> None:
    assert ask("a", "b", "a")[0] == ["A", "B", "A"]
    assert len(peer.bodies) == 2
    texts, account = ask("b", "a")
    assert texts == ["B", "A"]
    assert len(peer.bodies) == 2
    assert (account.sent, account.kept, account.spent.tokens) == (0, 2, 0)


def test_another_question_decoding_model_or_endpoint_is_asked_again(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("a")
    ask("a", new=9)
    other = load_answerer("openai:other")
    other.generate([other.plain("a")], 8)
    assert len(peer.bodies) == 3
    with serving(answer(str.lower)) as second:
        point_at(second.url, monkeypatch)
        assert ask("a")[0] == ["a"]


def test_a_damaged_kept_answer_is_asked_for_again(peer: Peer, home: Path) -> None:
    ask("a")
    (note,) = (home / "hosted").rglob("*.json")
    note.write_text(note.read_text()[:20])
    assert ask("a")[0] == ["A"]
    assert len(peer.bodies) == 2


def test_retry_after_is_honoured_by_every_request(peer: Peer) -> None:
    peer.script = [refuse(429, Retry_After="1")]
    ask("a", hosted={"concurrency": 1})
    assert peer.times[1] - peer.times[0] >= 1.0
    asked = len(peer.times)
    peer.script = [refuse(429, Retry_After="1")]
    ask(*"bcdefgh", hosted={"concurrency": 2})
    first, *others = peer.times[asked:]
    assert len(others) == 7
    # A few may have been under way, or sent before the answer was read.
    assert sum(time - first < 1.0 for time in others) <= 3


def test_a_failure_of_the_server_is_tried_again_and_owes_nothing(peer: Peer) -> None:
    peer.script = [refuse(500), refuse(503)]
    texts, account = ask("a")
    assert texts == ["A"]
    assert (account.sent, account.lost, account.spent.tokens) == (3, 0, 12)


FAST = {"attempts": 2, "timeout_seconds": 0.3}


@pytest.mark.parametrize("behaviour", [cut, hang_up, stall])
def test_half_an_answer_is_asked_for_again_and_may_have_been_billed(
    peer: Peer, behaviour: Behaviour
) -> None:
    peer.script = [behaviour]
    texts, account = ask("a", hosted=FAST)
    assert texts == ["A"]
    assert (account.sent, account.lost) == (2, 1)
    worst = most_tokens(peer.bodies[0]) + 8
    assert account.spent.tokens == worst + 12


FAULTS: list[tuple[Behaviour, int, str, str, str]] = [
    (refuse(404, "no such model"), 1, "models.ref", "openai:m (404: no such", "Correct the name"),
    (refuse(401, f"wrong key {KEY}"), 1, "OPENAI_API_KEY", "wrong key ***", "Correct it"),
    (refuse(400, "stop is not\nsupported"), 1, "openai:m", "400: stop is not supported", "says"),
    (refuse(429, "pay", "insufficient_quota"), 1, "openai:m", "429: pay", "kept"),
    (refuse(429, Retry_After="3600"), 1, "openai:m", "Retry-After: 3600 s", "kept"),
    (refuse(500, "broken"), 2, "openai:m", "500: broken", "kept"),
    (stall, 2, "openai:m", "no answer within 0.3 seconds", "Try again later"),
    (cut, 2, "openai:m", "an answer that is no JSON", "Try again later"),
    (hang_up, 2, "openai:m", "connection failed", "Try again later"),
    (document({"error": "?"}), 2, "openai:m", "without a choice", "Try again later"),
    (document([1]), 2, "openai:m", "without a choice", "Try again later"),
    (document(completion("a") | {"usage": None}), 1, "openai:m", "no usage", "another endpoint"),
    (answer(written=400), 1, "openai:m", "400 tokens, 8 asked for", "another endpoint"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "requests", "where", "found", "remedy"), FAULTS, ids=[f[3] for f in FAULTS]
)
def test_each_fault_of_an_endpoint_gets_one_clear_message(
    peer: Peer, behaviour: Behaviour, requests: int, where: str, found: str, remedy: str
) -> None:
    peer.usual = behaviour
    with pytest.raises(InputError) as caught:
        ask("a", hosted=FAST)
    error = caught.value
    assert error.where == where
    assert found in str(error.value)
    assert remedy in error.remedy
    assert KEY not in str(error)
    assert len(peer.bodies) == requests


def test_an_endpoint_that_is_not_there_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answer()) as gone:
        point_at(gone.url, monkeypatch)
    with pytest.raises(InputError, match="ConnectError") as caught:
        ask("a", hosted={"attempts": 1})
    assert gone.url in str(caught.value)


def test_the_first_failure_ends_the_work_and_what_was_answered_is_kept(peer: Peer) -> None:
    peer.script = [answer(), answer(), answer(), refuse(400)]
    with pytest.raises(InputError, match="400"):
        ask(*"abcdefgh", hosted={"concurrency": 1})
    assert len(peer.bodies) == 4
    texts, account = ask(*"abcdefgh")
    assert texts == list("ABCDEFGH")
    assert (account.kept, account.sent) == (3, 5)


def test_no_more_requests_are_under_way_than_allowed(peer: Peer) -> None:
    peer.usual = answer(delay=0.05)
    ask(*map(str, range(12)), hosted={"concurrency": 3})
    assert peer.most_at_once == 3


def test_a_budget_of_tokens_stops_before_the_limit(peer: Peer) -> None:
    peer.usual = answer(read=60, written=8, delay=0.01)
    texts = [f"question {n}" for n in range(60)]
    limits = {"hosted_tokens": 1500}
    with pytest.raises(BudgetError, match=r"limits\.hosted_tokens") as caught:
        ask(*texts, limits=limits, hosted={"concurrency": 8})
    worst = most_tokens(peer.bodies[0]) + 8
    assert 1500 - worst - 1 <= peer.tokens <= 1500  # not one more request fitted
    assert f"{peer.tokens} taken" in str(caught.value.value)
    paid = len(peer.bodies)
    _, account = ask(*texts, limits={"hosted_tokens": 5000})
    assert (account.kept, account.sent) == (paid, 60 - paid)


def test_a_budget_of_money_counts_the_worst_case_of_the_next_request(peer: Peer) -> None:
    prices = {"m": {"input_per_million": 1e6, "output_per_million": 2e6, "currency": "EUR"}}
    worst = most_tokens({"messages": [{"content": "a"}]}) + 2 * 8
    _, account = ask("a", prices=prices, budget={"money": worst})
    assert account.spent.money == 10 + 2 * 2
    with pytest.raises(BudgetError, match=r"0 EUR spent, up to \d+ with the next") as caught:
        ask("b", prices=prices, budget={"money": worst - 0.5})
    assert caught.value.where == "budget.money"
    assert len(peer.bodies) == 1


def test_an_attempt_that_failed_is_not_repeated_beyond_the_budget(peer: Peer) -> None:
    peer.usual = stall
    worst = most_tokens({"messages": [{"content": "a"}]}) + 8
    with pytest.raises(BudgetError):
        ask("a", limits={"hosted_tokens": 2 * worst}, hosted={**FAST, "attempts": 9})
    assert len(peer.bodies) == 2


def test_the_account_is_exact_under_many_threads(home: Path) -> None:
    account = Account(parse_run(RUN | {"limits": {"hosted_tokens": 1000}}).limits)
    refused = []

    def spend() -> None:
        for _ in range(50):
            worst = account.amount("m", 9, 1)
            try:
                account.reserve(worst)
            except BudgetError:
                refused.append(1)
            else:
                account.settle(worst, account.amount("m", 3, 1))

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.spent.tokens == 4 * account.sent
    assert 990 < account.spent.tokens <= 1000
    assert account.sent + len(refused) == 400


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


def test_the_key_is_in_no_file_log_or_error(
    peer: Peer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ask("a")
        peer.usual = refuse(403, f"{KEY} may not")
        with pytest.raises(InputError) as caught:
            ask("b")
    shown: list[object] = [caplog.text, caught.value, caught.value.__context__, services()]
    shown += [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert all(KEY not in repr(one) for one in shown)
    assert len(shown) > 4


@pytest.mark.parametrize("url", ["http://me:pw@host/v1", "https://host/v1?key=pw"])
def test_an_address_that_holds_a_secret_is_refused_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    point_at(url, monkeypatch)
    with pytest.raises(InputError, match="OPENAI_BASE_URL") as caught:
        address()
    assert "pw" not in str(caught.value)


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    point_at("localhost:8000", monkeypatch)
    with pytest.raises(InputError, match="OPENAI_BASE_URL"):
        address()


def test_a_hosted_model_without_key_is_not_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    services.cache_clear()
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        hosted()


NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 02 Jan 2030 03:04:15 GMT"}, 10),
        ({"retry-after": "Wed, 02 Jan 2030 03:00:00 GMT"}, 0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_no_tokenizer_makes_more_tokens_than_are_counted() -> None:
    body = {"messages": [{"content": "naïve 🙂"}, {"content": ""}]}
    assert most_tokens(body) >= len("naïve 🙂".encode())
    assert json.dumps(body)


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
