"""Questions asked from several threads while the index that they go to is rebuilt and swapped.

Every rebuild is of another edition: other chunk size, other collection, and the edition's number
in the title that opens each of its passages. So an answer shows which versions it came from.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tasks.artifacts import Corpus, Index, Search
from tasks.retrieval.index import build
from tasks.retrieval.search import search_latest
from tasks.run import IndexSpec
from tests.corpora import document, stored

PLACES = ("lighthouse", "ferry", "oven", "slip", "museum", "brewery", "chapel", "crane")
HOW = Search(k=5, mode="hybrid", neighbours=1)  # three requests for each answer
FEWEST_TOKENS = 24


@dataclass
class Outcome:
    """What came of it: a fault or a mixed answer is described, the others only counted."""

    asked: int = 0
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    editions: set[int] = field(default_factory=set)  # that answered
    answer_seconds: list[float] = field(default_factory=list)
    swap_seconds: list[float] = field(default_factory=list)  # a build, canaries and pruning


def edition_corpus(edition: int, documents: int) -> Corpus:
    """Documents whose title names the edition."""
    made = []
    for number in range(documents):
        place = PLACES[number % len(PLACES)]
        lines = [
            f"The {place} number {number} opens at {hour}; its keeper rings bell {hour + number}."
            for hour in range(4)
        ]
        text = "\n\n".join(lines)
        made.append(document(f"d{number}", text, title=f"{place} edition {edition}"))
    return stored(made)


def swap_under_load(
    spec: IndexSpec, name: str, *, questions: int, threads: int, swaps: int, documents: int = 16
) -> Outcome:
    """Ask at least so many questions while the index is rebuilt so many times; the last ones after.

    The questions are spread over the swaps: each waits for its share to have been asked.
    """
    known: dict[str, int] = {}

    def swap(edition: int) -> Index:
        sized = spec.model_copy(update={"chunk_tokens": FEWEST_TOKENS + edition})
        index = build(edition_corpus(edition, documents), sized, name)
        known[index.sha] = edition
        return index

    first, outcome, ended = swap(0), Outcome(), threading.Event()
    lock = threading.Lock()

    def ask() -> None:
        while not ended.is_set() or outcome.asked < questions:
            with lock:
                number = outcome.asked
                outcome.asked += 1
            _asked(first, number, outcome, known)

    with ThreadPoolExecutor(threads) as pool:
        asking = [pool.submit(ask) for _ in range(threads)]
        try:
            for edition in range(1, swaps + 1):
                _wait(lambda due=edition * questions // (swaps + 1): outcome.asked >= due)  # type: ignore[misc]
                began = time.perf_counter()
                swap(edition)
                outcome.swap_seconds.append(time.perf_counter() - began)
        finally:
            ended.set()
        for one in asking:
            one.result()
    return outcome


def _asked(index: Index, number: int, outcome: Outcome, known: dict[str, int]) -> None:
    question = f"When does the {PLACES[number % len(PLACES)]} number {number % 16} open?"
    began = time.perf_counter()
    try:
        (passages,), searched = search_latest(index, [question], HOW)
    except Exception as fault:
        outcome.failed.append(f"{type(fault).__name__}: {fault}")
        return
    outcome.answer_seconds.append(time.perf_counter() - began)
    told = {passage.text.partition("\n")[0].rpartition(" edition ")[2] for passage in passages}
    edition = _edition(known, searched.sha)
    outcome.editions.add(edition)
    if told != {str(edition)}:
        outcome.mixed.append(f"digest of edition {edition}, passages of {sorted(told)}")


def _edition(known: dict[str, int], sha: str) -> int:
    """The edition of a digest; answers come a moment before the build that made it returns."""
    _wait(lambda: sha in known)
    return known[sha]


def _wait(until: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the questions or the builds came to a stop")
        time.sleep(0.005)
