"""A hosted model behind the two calls of a local decoder: `generate` and `score`."""

import json
import math
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from typing import Any

from tasks.artifacts import Messages
from tasks.core.errors import InputError
from tasks.models.endpoint import Endpoint
from tasks.models.kept import Response
from tasks.models.outputs import Choice, Generation, Likelihood
from tasks.models.spending import current
from tasks.progress import progress

LISTED = 20  # first tokens that OpenAI's API gives log-probabilities of, at most
FIRST = {"max_completion_tokens": 1, "logprobs": True, "top_logprobs": LISTED}


class Hosted:
    """A model at an endpoint; a prompt is the JSON of the messages that are sent."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def render(self, messages: Messages) -> str:
        """A chat as it is sent; the endpoint has its own template."""
        chat = [
            # A lone surrogate cannot be sent.
            {"role": role, "content": content.encode("utf-8", "replace").decode("utf-8")}
            for role, content in messages
            if content
        ]
        return json.dumps(chat, ensure_ascii=False)

    def plain(self, text: str) -> str:
        """Text to be continued, which a chat model is simply told."""
        return self.render((("user", text),))

    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch_size: int = 1,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
        stop: str = "\n",
    ) -> list[Generation]:
        """Greedy continuations up to `stop`, in the order of the prompts; equal ones are sent once.

        `timings` is given each answer's latency, that of the request which paid for it.
        `batch_size` and `names` are a local model's: here `hosted.concurrency` counts, and the
        endpoint itself knows how long a prompt may be.
        """
        options: dict[str, Any] = {"max_completion_tokens": max_new_tokens}
        if stop:
            options["stop"] = [stop]
        made = self._ask(prompts, options, step or "answering")
        if timings is not None:
            timings += [one.seconds for one in made]
        return [Generation(_before(stop, one.text), one.tokens_in, one.tokens_out) for one in made]

    def score(
        self, prompts: Sequence[str], continuations: Sequence[str], batch_size: int = 1,
        step: str = "",
    ) -> list[Likelihood]:  # fmt: skip
        """Log-probability of the first token of each continuation after its prompt, in order.

        A hosted model tells the likeliest first tokens only: enough to choose among labels that
        begin differently, not for the likelihood of longer text. One that is not among them is
        given the log-probability of the last that is, which it cannot exceed.

        Raises:
            InputError: the endpoint gives no log-probabilities, or the likeliest token begins
                two of a prompt's continuations.
        """
        made = self._ask(prompts, FIRST, step or "scoring")
        choices: dict[str, list[str]] = {}
        for prompt, continuation in zip(prompts, continuations, strict=True):
            choices.setdefault(prompt, []).append(continuation)
        return [
            Likelihood(first_token(self._top(one), continuation, choices[prompt]), 1)
            for prompt, continuation, one in zip(prompts, continuations, made, strict=True)
        ]

    def choose(
        self,
        prompts: Sequence[str],
        options: Sequence[str],
        batch_size: int = 1,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
    ) -> list[Choice]:
        """How likely each option is by the first token of an answer, in the order of the prompts.

        As in `score`, options must begin differently; one request for each different prompt.
        """
        made = self._ask(prompts, FIRST, step or "choosing")
        if timings is not None:
            timings += [one.seconds for one in made]
        return [
            Choice(
                tuple(first_token(self._top(one), option, options) for option in options),
                one.tokens_in, one.tokens_out,
            )
            for one in made
        ]  # fmt: skip

    def _top(self, response: Response) -> tuple[tuple[str, float], ...]:
        if not response.top:
            raise InputError(
                f"openai:{self.endpoint.model}", "no log-probabilities",
                "an endpoint that gives `logprobs`", "Let the model generate the answer.",
            )  # fmt: skip
        return response.top

    def _ask(self, prompts: Sequence[str], options: dict[str, Any], step: str) -> list[Response]:
        """One request for each different prompt, so many at a time as the run allows.

        The first failure ends the work; what was under way is waited for, since it is paid for.
        """
        account, different = current(), list(dict.fromkeys(prompts))
        head = {"model": self.endpoint.model, "temperature": 0, **options}
        pool, stop = ThreadPoolExecutor(max_workers=account.spec.concurrency), threading.Event()

        def one(prompt: str) -> Response:
            try:
                body = {**head, "messages": json.loads(prompt)}
                return self.endpoint.ask(body, account, stop)
            except BaseException:
                stop.set()
                raise

        with progress(step, len(different)) as advance, pool:
            sent = [pool.submit(one, prompt) for prompt in different]
            try:
                for done in as_completed(sent):
                    if isinstance(done.exception(), CancelledError):
                        continue  # because of another's failure, which is told
                    done.result()
                    advance(1)
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        found = {prompt: one.result() for prompt, one in zip(different, sent, strict=True)}
        return [found[prompt] for prompt in prompts]


def _before(stop: str, text: str) -> str:
    """What stands before a stop, which not every endpoint heeds; all of it without one."""
    return (text.split(stop)[0] if stop else text).strip()


def first_token(top: Sequence[tuple[str, float]], continuation: str, among: Sequence[str]) -> float:
    """Log-probability that an answer begins as a continuation does and no other one among them.

    Raises:
        InputError: the likeliest token begins several of them.
    """
    share = 0.0
    for rank, (token, logprob) in enumerate(top):
        begun = [other for other in dict.fromkeys(among) if begins(token, other)]
        if rank == 0 and len(begun) > 1:
            raise InputError(
                "labels", f"{begun[0].strip()!r} and {begun[1].strip()!r} begin with {token!r}",
                "labels whose first tokens differ", "Rename one.",
            )  # fmt: skip
        if begun == [continuation]:
            share += math.exp(logprob)
    return math.log(share) if share > 0 else min(logprob for _, logprob in top)


def begins(token: str, text: str) -> bool:
    """Whether a token that is not blank begins a text, spaces before either aside."""
    return bool(token.strip()) and text.strip().startswith(token.strip())
