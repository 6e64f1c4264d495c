"""Requests to a real server on loopback, which misbehaves in every way that counts."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.models.answerer import load_answerer
from tasks.models.endpoint import address, most_tokens, retry_after
from tasks.services import services
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
from tests.tasks.models.hosting import FAST, KEY, ask, point_at


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
