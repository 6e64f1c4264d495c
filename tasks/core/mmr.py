"""Maximal marginal relevance: near to what is asked, and unlike what was already chosen."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def mmr(relevance: Floats, similarity: Floats, count: int, weight: float) -> list[int]:
    """Positions of at most `count` items, in the order in which they are chosen.

    Each step takes the item with the greatest `weight` x relevance - (1 - `weight`) x its greatest
    similarity to one already chosen (Carbonell and Goldstein 1998, doi:10.1145/290941.291025); of
    equal ones the first. `relevance` is (n,), `similarity` (n, n), both cosines; with a weight of 1
    it is the order of relevance.
    """
    chosen: list[int] = []
    nearest = np.zeros(len(relevance))
    for _ in range(min(count, len(relevance))):
        gain = weight * relevance - (1 - weight) * nearest
        gain[chosen] = -np.inf
        best = int(np.argmax(gain))
        chosen.append(best)
        nearest = np.maximum(nearest, similarity[best]) if chosen[1:] else similarity[best].copy()
    return chosen
