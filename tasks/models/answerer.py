"""How a model computes, behind one narrow protocol: a decoder, an encoder or an endpoint."""

from collections.abc import Sequence
from typing import Protocol

from tasks.artifacts import Adapter, Messages
from tasks.models.classifier import load_classifier
from tasks.models.endpoint import find_endpoint
from tasks.models.hosted import Hosted
from tasks.models.kinds import generates
from tasks.models.loading import load_decoder
from tasks.models.outputs import Choice, Generation, Likelihood
from tasks.models.references import config_of
from tasks.run import HOSTED


class Answerer(Protocol):
    """What answers prompts: `render` and `plain` make a prompt of a chat and of bare text."""

    def render(self, messages: Messages) -> str:
        """The prompt of a chat, ready to be answered."""

    def plain(self, text: str) -> str:
        """The prompt of text that is to be continued."""

    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch_size: int = 32,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
        stop: str = "\n",
    ) -> list[Generation]:
        """Greedy continuations up to `stop`, or to their end, in the order of the prompts."""

    def choose(
        self,
        prompts: Sequence[str],
        options: Sequence[str],
        batch_size: int = 32,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
    ) -> list[Choice]:
        """How likely each option is as the whole answer to each prompt, in order."""

    def score(
        self, prompts: Sequence[str], continuations: Sequence[str], batch_size: int = 32,
        step: str = "",
    ) -> list[Likelihood]:  # fmt: skip
        """Log-probability of each continuation after its prompt, in order."""


def load_answerer(ref: str, adapter: Adapter | None = None) -> Answerer:
    """What answers for a model reference, with what was tuned if anything was."""
    if ref.startswith(HOSTED):
        assert adapter is None, "a hosted model has no weights to adapt"
        return Hosted(find_endpoint(ref.removeprefix(HOSTED)))
    return (load_decoder if generates(config_of(ref)) else load_classifier)(ref, adapter)
