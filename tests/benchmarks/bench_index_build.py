"""From files to searchable, beside LlamaIndex and Haystack: same encoder, same vector store.

Run with `make bench-index PARTS=build`. All read the same Markdown files, cut them into passages
of the same size under the document's title, embed them with the same weights and write them
where they can be searched: a LanceDB table on disk or a collection of one Weaviate server. Ours
also indexes the words for keyword search and verifies what was written. All run in one process,
in turn, in another order each time, after a warm-up.
"""

import argparse
import os
import re
import tempfile
import time
import warnings
from pathlib import Path

from tasks.data.collect import collect_documents
from tasks.retrieval.encoding import BATCH
from tasks.retrieval.index import build
from tasks.run import IndexSpec
from tasks.services import services
from tests.benchmarks.harbour import HARBOUR
from tests.benchmarks.index_lab import backends, machine, own_home, spread
from tests.benchmarks.index_rivals import Contestant, haystack, llama_index

SPEC = IndexSpec(chunk_tokens=96)
GOALS = {"as it comes": 4.0, "same dtype and batch": 1.2}


def write_corpus(folder: Path, copies: int) -> None:
    """Copies of the example's documents, each with words of its own so that none repeats."""
    for file in sorted((HARBOUR / "documents").glob("*.md")):
        for copy in range(copies):
            text = re.sub(r"\. (?=[A-Z])", f" ({copy}). ", file.read_text(encoding="utf-8"))
            (folder / f"{file.stem}-{copy}.md").write_text(text, encoding="utf-8")


def ours(backend: str) -> Contestant:
    """Collect and build into an empty home."""
    spec = SPEC.model_copy(update={"backend": backend})

    def run(folder: Path, target: Path) -> int:
        os.environ["ADAPT_HOME"] = str(target)
        services.cache_clear()
        return build(collect_documents(folder), spec, f"bench-{target.name}").chunks

    return run


def contestants(backend: str) -> dict[str, Contestant]:
    """Who can write into this backend, by name."""
    every = {"ours": ours(backend)}
    for kind, batch in zip(GOALS, (None, BATCH), strict=True):
        every[f"LlamaIndex, {kind}"] = llama_index(SPEC.encoder, SPEC.chunk_tokens, backend, batch)
        if backend == "weaviate":
            every[f"Haystack, {kind}"] = haystack(SPEC.encoder, SPEC.chunk_tokens, batch)
    return every


def seconds(contestant: Contestant, folder: Path) -> tuple[float, int]:
    """Wall-clock seconds and passages of one build into an empty folder."""
    with tempfile.TemporaryDirectory() as target:
        began = time.perf_counter()
        chunks = contestant(folder, Path(target))
        return time.perf_counter() - began, chunks


def measure(backend: str, copies: int, repetitions: int) -> None:
    """Print chunks per second of all on one backend and our ratios, repetition by repetition."""
    every = contestants(backend)
    rates: dict[str, list[float]] = {name: [] for name in every}
    times: dict[str, list[float]] = {name: [] for name in every}
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as full:
        write_corpus(Path(small), 1)
        write_corpus(Path(full), copies)
        counts = {name: seconds(run, Path(small))[1] for name, run in every.items()}
        for repetition in range(repetitions):
            turn = list(every) if repetition % 2 == 0 else list(reversed(every))
            for name in turn:
                took, counts[name] = seconds(every[name], Path(full))
                rates[name].append(counts[name] / took)
                times[name].append(took)
    for name, values in rates.items():
        print(f"  {backend:9} {name:32} {counts[name]:5} chunks  {spread(values, 0)} chunks/s")
    for name in list(every)[1:]:
        pairs = zip(rates["ours"], rates[name], strict=True)
        spans = zip(times[name], times["ours"], strict=True)
        print(
            f"  {backend:9} ours : {name:32} {spread([one / other for one, other in pairs], 2)} "
            f"in chunks/s (goal {GOALS[name.partition(', ')[2]]}), "
            f"{spread([one / other for one, other in spans], 2)} in seconds for the same files",
            flush=True,
        )


def main(given: list[str] | None = None) -> None:
    """Measure every backend that is here."""
    chosen = _arguments(given)
    warnings.simplefilter("ignore")
    print(f"index: from files to searchable, {SPEC.encoder}, {machine()}", flush=True)
    with own_home(), backends() as present:
        for backend in present:
            if backend in chosen.backends:
                measure(backend, chosen.copies, chosen.repetitions)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=3, help="of the example's documents")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--backends", nargs="+", default=["lancedb", "weaviate"])
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
