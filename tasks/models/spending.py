"""What hosted models cost in a run: counted before a request is sent, settled by its answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.artifacts import Value
from tasks.core.errors import InputError
from tasks.run import Budget, HostedSpec, Limits, Price, RunFile


class BudgetError(InputError):
    """The next request to a hosted model could go beyond a limit, so it was not sent."""


class Amount(NamedTuple):
    """Tokens in and out, and their money where there is a price."""

    tokens: int
    money: float

    def plus(self, other: "Amount") -> "Amount":
        """The sum of two amounts."""
        return Amount(self.tokens + other.tokens, self.money + other.money)


NOTHING = Amount(0, 0.0)


class Spent(Value):
    """What one run's requests to hosted models came to.

    `kept` answers were paid for earlier and cost nothing now. `lost` requests brought no answer
    and may have been billed: they count as what they could have cost at most. `money` covers
    models with a price alone.
    """

    sent: int
    kept: int
    lost: int
    tokens: int
    money: float
    currency: str


@dataclass
class Account:
    """The running account of one run, shared by the threads that send its requests."""

    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    spec: HostedSpec = field(default_factory=HostedSpec)
    prices: dict[str, Price] = field(default_factory=dict)
    currency: str = ""
    sent: int = 0
    kept: int = 0
    lost: int = 0
    spent: Amount = NOTHING
    _reserved: Amount = NOTHING
    _open: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def amount(self, model: str, tokens_in: int, tokens_out: int) -> Amount:
        """So many tokens of a model, with their money if its price is known."""
        price = self.prices.get(model)
        money = price.of(tokens_in, tokens_out) if price else 0.0
        return Amount(tokens_in + tokens_out, money)

    def reserve(self, worst: Amount) -> None:
        """Set the worst case of one request aside; waits for open ones where it does not fit.

        Raises:
            BudgetError: it would not fit even if the open requests cost what they did so far.
        """
        with self._changed:
            while (fault := self._over(self.spent.plus(self._reserved).plus(worst))) is not None:
                if self._open == 0:
                    raise fault
                self._changed.wait()
            self._open += 1
            self.sent += 1
            self._reserved = self._reserved.plus(worst)

    def settle(self, worst: Amount, used: Amount, *, lost: bool = False) -> None:
        """Put what a request came to in the place of its worst case."""
        with self._changed:
            self._open -= 1
            rest = Amount(self._reserved.tokens - worst.tokens, self._reserved.money - worst.money)
            self._reserved = rest if self._open else NOTHING  # no dust of rounding is left
            self.spent = self.spent.plus(used)
            self.lost += lost
            self._changed.notify_all()

    def reuse(self) -> None:
        """Note an answer that was paid for earlier."""
        with self._changed:
            self.kept += 1

    def _over(self, total: Amount) -> BudgetError | None:
        left = "What was paid for is kept: raise the limit, and the same command goes on from here."
        limit = self.limits.hosted_tokens
        if limit is not None and total.tokens > limit:
            found = f"{self.spent.tokens} taken, up to {total.tokens} with the next request"
            return BudgetError("limits.hosted_tokens", found, f"at most {limit}", left)
        most = self.budget.money
        if most is not None and total.money > most:
            spent, could = f"{self.spent.money:.4g}", f"{total.money:.4g}"
            found = f"{spent} {self.currency} spent, up to {could} with the next request"
            return BudgetError("budget.money", found, f"at most {most:g} {self.currency}", left)
        return None

    def total(self) -> Spent:
        """What has been spent so far."""
        return Spent(
            sent=self.sent, kept=self.kept, lost=self.lost, tokens=self.spent.tokens,
            money=self.spent.money, currency=self.currency,
        )  # fmt: skip


# Outside a run (`adapt ask`, a served model) there is no limit and nobody reads the account.
account: ContextVar[Account] = ContextVar("account")


def current() -> Account:
    """The account of the run around the caller, else a fresh one without limits."""
    return account.get(None) or Account()


@contextmanager
def spending(run: RunFile) -> Iterator[Account]:
    """Count what hosted models cost inside the block, within the run file's limits."""
    opened = Account(run.limits, run.budget, run.hosted, dict(run.prices), run.currency)
    token = account.set(opened)
    try:
        yield opened
    finally:
        account.reset(token)
