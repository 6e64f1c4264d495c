"""Which questions go to which split, and how many are enough to decide anything."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist

PAIRED_SD = 0.5  # of the difference between two paths' scores on one question, each from 0 to 1
POWER = 0.8


def assign(sizes: Mapping[str, int], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Give each group, whole, to one split, so that the splits' sizes come close to the shares.

    `sizes` holds the number of questions in each group, `shares` each split's part (they sum to
    1). Groups come in an order drawn from the seed, whatever their order in `sizes`, and each
    goes to the split that lacks most questions. A split may stay empty where groups are few.
    """
    total = sum(sizes.values())
    lacking = {split: share * total for split, share in shares.items()}
    chosen: dict[str, str] = {}
    for group in sorted(sizes, key=lambda group: _drawn(group, seed)):
        split = max(lacking, key=lambda split: lacking[split])
        lacking[split] -= sizes[group]
        chosen[group] = split
    return chosen


def _drawn(group: str, seed: int) -> str:
    named = f"{seed}:{group}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(named).hexdigest()


def joined(keys: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The connected groups that pairs make of keys: each key with its group's smallest key."""
    parent = {key: key for key in keys}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return {key: root(key) for key in parent}


def questions_needed(difference: float, confidence: float) -> int:
    """How many questions show a true difference between two paths to be above zero.

    Normal approximation for a paired difference: n = ((z_c + z_p) sd / difference)^2, rounded
    up, with z_c the normal quantile of the one-sided confidence, z_p that of the power (0.8)
    and sd the standard deviation of one question's difference (0.5, about what two paths show
    that disagree on a quarter of the questions). It takes questions as independent; those that
    share a document tell less, so the number is a lower bound.

    Raises:
        ValueError: the difference is not above 0.
    """
    if difference <= 0:
        raise ValueError(f"difference must be above 0, not {difference}")
    quantiles = NormalDist().inv_cdf(confidence) + NormalDist().inv_cdf(POWER)
    return math.ceil((quantiles * PAIRED_SD / difference) ** 2)
