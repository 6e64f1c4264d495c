"""Time, energy and money that a path takes, by formula from facts, and what that rules out.

Estimates: 2 operations a parameter and token to answer, and 4 to train an adapter (forward, and
backward through frozen weights, which need no gradient of their own), at the speed and power
that the user says the machine sustains. Where a number is missing nothing is estimated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.core.veto import ESTIMATE, Veto

ANSWER_OPERATIONS, TRAINING_OPERATIONS = 2.0, 4.0
EPOCHS = 3  # as in the run file's defaults
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Limits:
    """What a path may take; None: no limit. Memory in GiB, money a question, training energy."""

    memory_gib: float | None = None
    seconds_per_question: float | None = None
    cost_per_question: float | None = None
    train_seconds: float | None = None
    energy_kwh: float | None = None
    max_forgetting: float | None = None
    private: bool = False


UNLIMITED = Limits()


@dataclass(frozen=True)
class Means:
    """What the machine sustains, and what a hosted model's tokens cost; None: not known."""

    tflops: float | None = None
    watts: float | None = None
    price_per_million: float | None = None


NO_MEANS = Means()


def effort_vetoes(
    limits: Limits,
    means: Means,
    params: float | None,
    tokens: Mapping[str, int],
    *,
    trained: Sequence[str],
    examples: float | None,
) -> tuple[Veto, ...]:
    """Paths whose estimated time, energy or money is beyond a limit.

    `tokens`: of one question, for each path. `trained`: the paths that train on `examples`.
    """
    found: list[Veto | None] = []
    for path, count in tokens.items():
        seconds = _seconds(ANSWER_OPERATIONS, params, count, means)
        training = None
        if path in trained and examples is not None:
            training = _seconds(TRAINING_OPERATIONS, params, examples * count * EPOCHS, means)
        price = means.price_per_million
        cost = None if price is None else price * count / 1e6
        energy = _energy(training, means)
        found += [
            _beyond(path, "seconds_per_question", seconds, limits.seconds_per_question,
                    "seconds a question"),
            _beyond(path, "cost_per_question", cost, limits.cost_per_question, "a question"),
            _beyond(path, "train_seconds", training, limits.train_seconds, "seconds to train"),
            _beyond(path, "energy_kwh", energy, limits.energy_kwh, "kWh to train"),
        ]  # fmt: skip
    return tuple(veto for veto in found if veto is not None)


def not_judged(limits: Limits, params: float | None, means: Means) -> tuple[str, ...]:
    """For each limit that no fact lets judge: what is missing."""
    speed = "the model's size" if params is None else None
    speed = speed or ("what the machine sustains (--tflops)" if means.tflops is None else None)
    power = speed or ("the machine's power (--watts)" if means.watts is None else None)
    price = "the price of tokens (--price)" if means.price_per_million is None else None
    missing = {
        "memory_gib": "the model's size" if params is None else None,
        "seconds_per_question": speed,
        "train_seconds": speed,
        "energy_kwh": power,
        "cost_per_question": price,
        "max_forgetting": "a measurement: `adapt run` makes it",
    }
    return tuple(
        f"{limit} {getattr(limits, limit):g} not judged: it needs {need}"
        for limit, need in missing.items()
        if need is not None and getattr(limits, limit) is not None
    )


def _seconds(operations: float, params: float | None, tokens: float, means: Means) -> float | None:
    if params is None or means.tflops is None:
        return None
    return operations * params * tokens / (means.tflops * 1e12)


def _energy(seconds: float | None, means: Means) -> float | None:
    if seconds is None or means.watts is None:
        return None
    return seconds * means.watts / SECONDS_PER_HOUR / 1000


def _beyond(
    path: str, limit: str, value: float | None, allowed: float | None, unit: str
) -> Veto | None:
    if value is None or allowed is None or value <= allowed:
        return None
    text = f"{path}: about {value:.3g} {unit} (estimated), {allowed:g} allowed"
    return Veto(path, limit, value, allowed, ESTIMATE, text)
