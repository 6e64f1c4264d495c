"""What models give: texts, likelihoods, choices, each with the tokens that it took."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Generation:
    """A generated text and the tokens it took."""

    text: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Likelihood:
    """Log-probability of a continuation in nats, and its tokens."""

    log_probability: float
    tokens: int


@dataclass(frozen=True)
class Choice:
    """Log-probability in nats of each option as the whole answer to one prompt.

    `tokens_out` are those of the likeliest one, with its end.
    """

    log_probabilities: tuple[float, ...]
    tokens_in: int
    tokens_out: int
