"""How long a search takes at 1,000, 10,000 and 100,000 passages, and what it finds.

Run with `make bench-index PARTS=search`. One question at a time, after a warm-up, vector and
hybrid search in turn, the ten best; the question's vector is at hand, and embedding it is timed
apart. Recall@10 is that of vector search against comparing with every vector. The passages'
vectors are mixtures of real ones (see `index_crowd`); `--real` embeds every passage: about 15
minutes for 100,000 on two cores.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from tasks.artifacts import Index, Passage, Search
from tasks.retrieval.encoding import load_encoder
from tasks.retrieval.index import build
from tasks.retrieval.search import Searcher, open_index
from tasks.run import IndexSpec
from tests.benchmarks.index_crowd import REF, TOKENS, Crowd, make
from tests.benchmarks.index_lab import backends, index_name, machine, own_home, percentiles

K = 10
WARM = 20
MODES = {
    "vector": Search(k=K, mode="vector"),
    "hybrid": Search(k=K, mode="hybrid"),
}
EQUAL = 1e-5  # cosines closer than this are a tie


def timed_searches(
    searcher: Searcher, asked: Sequence[str]
) -> tuple[dict[str, list[float]], list[tuple[Passage, ...]]]:
    """Seconds of each search by mode, and what vector search found."""
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    found = []
    for at, question in enumerate((*asked[:WARM], *asked)):
        for mode, how in MODES.items():
            began = time.perf_counter()
            (passages,) = searcher.search([question], how)
            took = time.perf_counter() - began
            if at >= WARM:
                seconds[mode].append(took)
                if mode == "vector":
                    found.append(passages)
    return seconds, found


def recall(crowd: Crowd, found: Sequence[tuple[Passage, ...]]) -> float:
    """The mean share of the ten nearest that was found; a tie with the tenth counts."""
    _, least = crowd.nearest(K)
    shares = []
    for passages, vector, limit in zip(found, crowd.asked_vectors, least, strict=True):
        rows = [int(passage.document) for passage in passages]
        shares.append(float(np.sum(crowd.vectors[rows] @ vector >= limit - EQUAL)) / K)
    return float(np.mean(shares))


def measure(backend: str, crowd: Crowd) -> None:
    """Build an index of the passages, search it, print one line for each mode."""
    spec = IndexSpec.model_validate({"backend": backend, "chunk_tokens": TOKENS})
    load = crowd.loader()
    with own_home(), index_name(backend) as name:
        began = time.perf_counter()
        index: Index = build(crowd.corpus(), spec, name, load=load)
        took = time.perf_counter() - began
        if index.chunks != len(crowd.texts):
            raise ValueError(f"{index.chunks} passages of {len(crowd.texts)} texts")
        seconds, found = timed_searches(open_index(index, load), crowd.asked)
    for mode, times in seconds.items():
        shown = f", recall@{K} {recall(crowd, found):.4f} (goal 0.98)" if mode == "vector" else ""
        print(f"  {backend:9} {index.chunks:7} passages, {mode}: {percentiles(times)}{shown}")
    print(f"  {backend:9} {index.chunks:7} passages written in {took:.0f} s", flush=True)


def main() -> None:
    """Measure every size on every backend that is here."""
    chosen = _arguments()
    kind = "embedded" if chosen.real else "mixtures of embedded ones with noise, not embedded"
    print(f"index: search, {machine()}; passages' vectors: {kind}", flush=True)
    crowd = make(max(chosen.sizes), chosen.questions, chosen.real)
    encode, times = load_encoder(REF).encode, []
    for question in (*crowd.asked[:WARM], *crowd.asked):
        began = time.perf_counter()
        encode([question], "query")
        times.append(time.perf_counter() - began)
    print(f"  embedding a question: {percentiles(times[WARM:])}", flush=True)
    with backends() as present:
        for size in chosen.sizes:
            for backend in present:
                if backend in chosen.backends:
                    measure(backend, crowd.first(size))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--real", action="store_true", help="embed every passage")
    parser.add_argument("--backends", nargs="+", default=["lancedb", "weaviate"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
