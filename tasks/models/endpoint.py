"""Requests to an endpoint that speaks OpenAI's API: sent once, paid once, kept by content."""

import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tasks.core import digest
from tasks.core.errors import InputError
from tasks.models.kept import Response, keep, read_kept
from tasks.models.spending import NOTHING, Account
from tasks.services import Services, services

if TYPE_CHECKING:
    import openai

DEFAULT = "https://api.openai.com/v1"
LONGEST_WAIT = 300.0  # seconds; who is told to wait longer comes back later
FIRST_WAIT, WAIT = 0.5, 30.0  # seconds between attempts, doubled up to the second
# Tokens that an endpoint's chat template adds around a chat and around each of its messages:
# SmolLM2's own system prompt takes 20, Llama 3's dates about 30.
TOKENS_AROUND, TOKENS_A_MESSAGE = 64, 8
Body = Mapping[str, Any]


class Failure(NamedTuple):
    """A request that brought no answer: whom to tell what, and whether to try again.

    `wait` is what the endpoint asked for, seconds; `paid`: it may have been billed.
    """

    error: InputError
    again: bool
    wait: float | None = None
    paid: bool = False


def address() -> str:
    """The endpoint's base URL.

    Raises:
        InputError: it is no URL, or holds a secret, which logs would show.
    """
    url = (services().openai_base_url or DEFAULT).rstrip("/")
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise InputError(
            "OPENAI_BASE_URL", f"{parts.scheme}://…@{parts.hostname}", "a URL without secrets",
            "Put the key in OPENAI_API_KEY.",
        )  # fmt: skip
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            "OPENAI_BASE_URL", url, "http(s)://host[:port][/path]", "Correct or unset it."
        )
    return url


class Endpoint:
    """One hosted model; its client, and the pause that the endpoint asked everybody to make."""

    def __init__(self, model: str) -> None:
        import openai

        self.model, self.url = model, address()
        key = services().openai_api_key
        if not key:
            raise InputError(
                "OPENAI_API_KEY", None, "the endpoint's key",
                "Set it; where an endpoint wants none, any word will do.",
            )  # fmt: skip
        self.key = key.get_secret_value()
        # Retries are this module's alone: each attempt may cost, and is counted.
        self.client = openai.OpenAI(base_url=self.url, api_key=self.key, max_retries=0)
        self.resume = 0.0  # monotonic seconds

    def ask(self, body: Body, account: Account, stop: threading.Event) -> Response:
        """The answer to a chat completion's body, a kept one if there is one.

        `stop` ends it between attempts.

        Raises:
            BudgetError: it could cost more than is left.
            InputError: the endpoint refuses it, or has not answered after all attempts.
            CancelledError: it was stopped.
        """
        name = digest.of_json([self.url, body])
        if (kept := read_kept(name)) is not None:
            account.reuse()
            return kept
        for attempt in range(account.spec.attempts):
            if stop.is_set():
                raise CancelledError
            self._pause(attempt, stop)
            result = self._attempt(body, account)
            if isinstance(result, Response):
                keep(name, result)
                return result
            fault = result
            if not fault.again:
                break
            if fault.wait is not None:
                self.resume = max(self.resume, time.monotonic() + fault.wait)
        raise fault.error

    def _pause(self, attempt: int, stop: threading.Event) -> None:
        """Wait before an attempt: as long as the endpoint asked, else ever longer."""
        seconds = self.resume - time.monotonic()
        if seconds <= 0 and attempt:
            seconds = min(FIRST_WAIT * 2 ** (attempt - 1), WAIT) * random.uniform(0.75, 1.0)
        if seconds > 0 and stop.wait(seconds):
            raise CancelledError

    def _attempt(self, body: Body, account: Account) -> Response | Failure:
        worst = account.amount(self.model, most_tokens(body), int(body["max_completion_tokens"]))
        account.reserve(worst)
        used, lost = worst, True  # unless it turns out otherwise
        try:
            result = self._send(body, account.spec.timeout_seconds)
            if isinstance(result, Response):
                used, lost = account.amount(self.model, result.tokens_in, result.tokens_out), False
            elif not result.paid:
                used, lost = NOTHING, False
        finally:
            account.settle(worst, used, lost=lost)
        return result

    def _send(self, body: Body, timeout: float) -> Response | Failure:
        import openai

        began = time.perf_counter()
        try:
            made = self.client.chat.completions.create(**body, timeout=timeout)
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.APITimeoutError:
            return self._silent(f"no answer within {timeout:g} seconds")
        except openai.APIConnectionError as error:
            cause = error.__cause__
            paid = type(cause).__name__ != "ConnectError"
            return self._silent(f"connection failed ({type(cause).__name__})", paid=paid)
        except (openai.OpenAIError, ValueError) as error:  # JSON cut short, or another document
            return self._silent(f"an answer that is no JSON ({type(error).__name__})")
        return self._response(made, int(body["max_completion_tokens"]), began)

    def _response(self, made: Any, most: int, began: float) -> Response | Failure:
        seconds = time.perf_counter() - began
        try:
            choice = made.choices[0]
            text = choice.message.content or ""
        except (AttributeError, IndexError, TypeError):
            return self._silent("an answer without a choice")
        try:
            read, written = int(made.usage.prompt_tokens), int(made.usage.completion_tokens)
        except (AttributeError, TypeError):
            return self._fatal("no usage", "an endpoint that reports the tokens it used")
        if written > most + 1:  # some count the end of the text, too
            found = f"{written} tokens, {most} asked for"
            return self._fatal(found, "an endpoint that keeps to max_completion_tokens")
        return Response(
            text=text, tokens_in=read, tokens_out=written, seconds=seconds, top=_top(choice)
        )

    def _fatal(self, found: str, allowed: str) -> Failure:
        remedy = f"OPENAI_BASE_URL is {self.url}: name another endpoint."
        return Failure(InputError(self._name, found, allowed, remedy), again=False, paid=True)

    def _silent(self, found: str, *, paid: bool = True) -> Failure:
        error = InputError(
            self._name, f"{found}, from {self.url}", "an endpoint that answers",
            "Try again later: what was answered is kept. `hosted` sets timeout and attempts.",
        )  # fmt: skip
        return Failure(error, again=True, paid=paid)

    def _refused(self, error: "openai.APIStatusError") -> Failure:
        """What a status of 400 and above means; nothing was computed, so nothing is owed."""
        status, told = error.status_code, self._told(error)
        wait = retry_after(error.response.headers, datetime.now(UTC))
        if wait:
            told += f" (Retry-After: {wait:.0f} s)"
        if status in (401, 403):
            fault = InputError("OPENAI_API_KEY", told, f"a key for {self.url}", "Correct it.")
            return Failure(fault, again=False)
        if status == 404:
            fault = InputError("models.ref", f"{self._name} ({told})", f"a model at {self.url}",
                               "Correct the name, or OPENAI_BASE_URL.")  # fmt: skip
            return Failure(fault, again=False)
        fault = InputError(self._name, told, f"a request that {self.url} takes",
                           "See what it says; what was answered so far is kept.")  # fmt: skip
        passing = status in (408, 409, 429) or status >= 500
        again = passing and error.code != "insufficient_quota" and (wait or 0) <= LONGEST_WAIT
        return Failure(fault, again=again, wait=wait)

    @property
    def _name(self) -> str:
        return f"openai:{self.model}"

    def _told(self, error: "openai.APIStatusError") -> str:
        """The endpoint's own words, in one line and without the key that it may repeat."""
        said = error.message.removeprefix(f"Error code: {error.status_code} - ")
        words = " ".join(said.replace(self.key, "***").split())
        return f"{error.status_code}: {words[:300]}"


def most_tokens(body: Body) -> int:
    """The most tokens that a body's messages can come to: one for each byte, and the template's."""
    messages = body["messages"]
    read = sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in messages)
    return read + TOKENS_AROUND + TOKENS_A_MESSAGE * len(messages)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by `Retry-After`, in seconds or as a date; None where it says nothing.

    OpenAI's `retry-after-ms` is the more exact.
    """
    with suppress(KeyError, ValueError):
        return max(float(headers["retry-after-ms"]) / 1000, 0.0)
    told = headers.get("retry-after", "")
    with suppress(ValueError):
        return max(float(told), 0.0)
    with suppress(ValueError, TypeError):
        date = parsedate_to_datetime(told)
        return max((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds(), 0.0)
    return None


def _top(choice: Any) -> tuple[tuple[str, float], ...] | None:
    content = getattr(getattr(choice, "logprobs", None), "content", None)
    if not content:
        return None
    return tuple((one.token, float(one.logprob)) for one in content[0].top_logprobs or ())


def find_endpoint(model: str) -> Endpoint:
    """The endpoint of a model; the same one for a whole process, so that a pause holds for all."""
    return _endpoint(model, services())


@lru_cache(maxsize=4)
def _endpoint(model: str, where: Services) -> Endpoint:
    return Endpoint(model)
