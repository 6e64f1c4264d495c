"""Scores and vetoes made by hand, for the decision's tests."""

import numpy as np

from tasks.core.decide import Measured
from tasks.core.veto import Veto


def table(means: dict[str, float], n: int = 200, spread: float = 0.2, seed: int = 0):
    """Paths with exactly these means; the noise of each is its own."""
    rng = np.random.default_rng(seed)
    found = []
    for path, mean in means.items():
        noise = rng.uniform(-spread, spread, n)
        scores = tuple(float(s) for s in mean + noise - noise.mean())
        found.append(Measured(path, scores, tuple(f"d{i // 2}" for i in range(n))))
    return found


def veto(path: str, value: float = 2.0, allowed: float = 1.0) -> Veto:
    return Veto(path, "train_seconds", value, allowed, "measured", f"{path}: {value} > {allowed}")
