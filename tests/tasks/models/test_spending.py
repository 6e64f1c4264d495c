"""Budgets: counted before a request is sent, settled by its answer."""

import threading
from pathlib import Path

import pytest

from tasks.models.endpoint import most_tokens
from tasks.models.spending import Account, BudgetError
from tests.peer import Peer, answer, stall
from tests.tasks.models.hosting import FAST, ask, run_of


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
    account = Account(run_of(limits={"hosted_tokens": 1000}).limits)
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
