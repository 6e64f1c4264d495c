"""What the index benchmarks share: a home and a server of their own, real sentences, spreads."""

import os
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from infra.weaviate.install import ServerError
from infra.weaviate.server import running
from tasks.machine import device_and_dtype, dtype_name
from tasks.retrieval.backend import BACKENDS, prefix
from tasks.retrieval.weaviate_client import connect_weaviate, disconnect_weaviate
from tasks.services import services
from tests.benchmarks.harbour import HARBOUR

SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")


@contextmanager
def own_home() -> Iterator[Path]:
    """An empty ADAPT_HOME, so that nothing measured here was there before."""
    with tempfile.TemporaryDirectory() as folder:
        _point({"ADAPT_HOME": folder})
        yield Path(folder)


@contextmanager
def backends() -> Iterator[tuple[str, ...]]:
    """The backends that are here: Weaviate is the one of WEAVIATE_URL, or else started here."""
    if os.environ.get("WEAVIATE_URL"):
        yield "lancedb", "weaviate"
        return
    with tempfile.TemporaryDirectory() as folder:
        server = running(Path(folder))
        try:
            started = server.__enter__()
        except ServerError as fault:
            print(f"Weaviate is left out: {fault}", file=sys.stderr)
            yield ("lancedb",)
            return
        try:
            _point(started.environment)
            yield "lancedb", "weaviate"
        finally:
            disconnect_weaviate()
            for name in started.environment:
                del os.environ[name]
            services.cache_clear()
            server.__exit__(None, None, None)


@contextmanager
def index_name(backend: str) -> Iterator[str]:
    """A name that no index has; what is built under it is removed."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    try:
        yield name
    finally:
        store = BACKENDS[backend](name)
        if backend == "weaviate":
            connect_weaviate().alias.delete(alias_name=prefix(name))
        for address in (*store.records(name), *store.collections(name)):
            store.drop(address)


def _point(environment: dict[str, str]) -> None:
    os.environ |= environment
    services.cache_clear()


@lru_cache(maxsize=1)
def sentences() -> tuple[str, ...]:
    """Real prose: the example's documents, and the language reference that ships with Python."""
    from pydoc_data.topics import topics

    example = (file.read_text("utf-8") for file in sorted((HARBOUR / "documents").glob("*.md")))
    paragraphs = (
        " ".join(paragraph.split())
        for text in (*example, *topics.values())
        for paragraph in re.split(r"\n\s*\n", text)
    )
    every = (one for paragraph in paragraphs for one in SENTENCE_END.split(paragraph))
    return tuple(dict.fromkeys(one for one in every if _is_prose(one)))


def _is_prose(text: str) -> bool:
    letters = sum(one.isalpha() or one == " " for one in text)
    return 8 <= len(text.split()) <= 40 and letters > 0.85 * len(text)


def write_documents(folder: Path, numbers: Sequence[int], edition: int, length: int = 12) -> None:
    """Markdown files of `length` real sentences each; another edition has other sentences."""
    known = sentences()
    for number in numbers:
        drawn = np.random.default_rng([number, edition]).integers(len(known), size=length)
        body = " ".join(known[at] for at in drawn)
        text = f"# Document {number}\n\nEdition {edition} of number {number}. {body}\n"
        (folder / f"{number:06}.md").write_text(text, encoding="utf-8")


def timed(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(values: Sequence[float], digits: int) -> str:
    """Median and range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} .. {high:.{digits}f})"


def percentiles(seconds: Sequence[float]) -> str:
    """The 50th and 95th percentile, in milliseconds."""
    middle, high = np.percentile(seconds, (50, 95))
    return f"p50 {1000 * middle:.1f} ms, p95 {1000 * high:.1f} ms"


def machine() -> str:
    """Device, dtype, threads, and how busy the machine is with other work."""
    import torch

    load = os.getloadavg()[0]
    cores = f"{torch.get_num_threads()} threads, load {load:.1f} before"
    return f"{device_and_dtype()[0]}, {dtype_name()}, {cores}"
