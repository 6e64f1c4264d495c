"""From files to searchable: this project beside LlamaIndex, same encoder, same store.

Run with `make bench`, or alone with `python -m tests.benchmarks.bench_index`. All contestants
read the same Markdown files, cut them into passages of the same size by the encoder's tokens
under the document's title, embed them with the same weights and write a LanceDB table on disk;
ours also indexes the words for keyword search. They run in one process, in turn, after a warm-up.
"""

import os
import re
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.collect import collect_documents
from tasks.encoding import BATCH, load_encoder
from tasks.index import build
from tasks.machine import device_and_dtype, dtype_name
from tasks.references import weights_folder
from tasks.run import IndexSpec
from tasks.services import services

SPEC = IndexSpec(chunk_tokens=96)
SOURCE = Path(__file__).parents[2] / "examples" / "harbour" / "documents"
COPIES = 3
REPETITIONS = 3


def write_corpus(folder: Path, copies: int) -> None:
    """Copies of the example's documents, each with words of its own so that none repeats."""
    for file in sorted(SOURCE.glob("*.md")):
        for copy in range(copies):
            text = re.sub(r"\. (?=[A-Z])", f" ({copy}). ", file.read_text(encoding="utf-8"))
            (folder / f"{file.stem}-{copy}.md").write_text(text, encoding="utf-8")


def ours(folder: Path, target: Path) -> int:
    """Collect and build into an empty home; the number of passages."""
    os.environ["ADAPT_HOME"] = str(target)
    services.cache_clear()
    return build(collect_documents(folder), SPEC, "bench").chunks


def llama_index(batch: int | None, same_dtype: bool) -> Callable[[Path, Path], int]:
    """LlamaIndex's documented way to the same index; None: its own batch size.

    Loading its encoder is not timed, as loading ours is not.
    """
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    device, dtype = device_and_dtype()
    given: dict[str, Any] = {"model_name": str(weights_folder(SPEC.encoder)), "device": device}
    if batch is not None:
        given["embed_batch_size"] = batch
    if same_dtype:
        given["model_kwargs"] = {"dtype": dtype}
    embedding = HuggingFaceEmbedding(**given)
    return lambda folder, target: _llama_index(folder, target, embedding)


def _llama_index(folder: Path, target: Path, embedding: Any) -> int:
    import lancedb
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    tokenizer = load_encoder(SPEC.encoder).count
    splitter = SentenceSplitter(
        chunk_size=SPEC.chunk_tokens, chunk_overlap=0, tokenizer=lambda text: range(tokenizer(text))
    )
    documents = SimpleDirectoryReader(str(folder), file_metadata=_title).load_data()
    store = LanceDBVectorStore(uri=str(target))
    VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=embedding,
        transformations=[splitter],
    )
    return int(lancedb.connect(target).open_table("vectors").count_rows())


def _title(path: str) -> dict[str, str]:
    return {"title": Path(path).read_text(encoding="utf-8").partition("\n")[0].strip("# ")}


def seconds(contestant: Callable[[Path, Path], int], folder: Path) -> tuple[float, int]:
    """Wall-clock seconds and passages of one build into an empty folder."""
    with tempfile.TemporaryDirectory() as target:
        began = time.perf_counter()
        chunks = contestant(folder, Path(target))
        return time.perf_counter() - began, chunks


def spread(values: list[float], digits: int) -> str:
    """Median and range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} .. {high:.{digits}f})"


def main() -> None:
    """Print chunks per second of all three and the ratios, repetition by repetition."""
    warnings.simplefilter("ignore")
    contestants = {
        "ours": ours,
        "LlamaIndex as it comes": llama_index(None, same_dtype=False),
        "LlamaIndex, same dtype and batch": llama_index(BATCH, same_dtype=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as full:
        write_corpus(Path(small), 1)
        write_corpus(Path(full), COPIES)
        counts = {name: seconds(run, Path(small))[1] for name, run in contestants.items()}
        for _ in range(REPETITIONS):
            for name, run in contestants.items():
                took, counts[name] = seconds(run, Path(full))
                rates[name].append(counts[name] / took)
                times[name].append(took)
    print(f"index: from files to searchable, {SPEC.encoder}, {' '.join(_machine())}")
    for name, values in rates.items():
        print(f"  {name:34} {counts[name]:5} chunks  {spread(values, 0)} chunks/s")
    for name in list(contestants)[1:]:
        pairs = zip(rates["ours"], rates[name], strict=True)
        spans = zip(times[name], times["ours"], strict=True)
        print(
            f"  ours : {name:34} {spread([one / other for one, other in pairs], 2)} in chunks/s, "
            f"{spread([one / other for one, other in spans], 2)} in seconds for the same files"
        )


def _machine() -> tuple[str, ...]:
    import torch

    return device_and_dtype()[0], dtype_name(), f"{torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
