"""How much memory a build takes at 10,000, 50,000 and 100,000 chunks.

Run with `make bench-index PARTS=memory`. Each size in a process of its own: the peak of its
resident memory over what it had after an index of ten documents was built. Here, and only here,
texts are not embedded: cheap vectors stand in, for what is asked is whether documents, chunks
and vectors pass through without piling up; the encoder's own memory does not depend on how much
it is given. LanceDB is part of the process, Weaviate is not: the server's is given apart.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from tasks.data.collect import collect_documents
from tasks.models.references import weights_digest
from tasks.retrieval.encoding import Encoder, Kind, Vectors, encoder_sha
from tasks.retrieval.index import build
from tasks.run import IndexSpec
from tests.benchmarks.index_lab import backends, index_name, own_home, sentences

DIMENSION = 384
CHUNKS_EACH, WORDS_EACH = 5, 46  # chunks of a document, and words of a chunk
MIB = 2**20


def cheap(ref: str) -> Encoder:
    """Vectors drawn from a digest of the text, tokens counted as words."""
    return Encoder(
        ref=ref, weights=weights_digest(ref), sha=encoder_sha(ref), dimension=DIMENSION,
        max_tokens=512, encode=_drawn, count=lambda text: len(text.split()),
    )  # fmt: skip


def _drawn(texts: Sequence[str], kind: Kind) -> Vectors:
    seeds = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    rows = [
        np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(DIMENSION, np.float32)
        for seed in seeds
    ]
    made = np.stack(rows)
    vectors: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    return vectors


def write_rows(path: Path, documents: int) -> None:
    """Documents of about `CHUNKS_EACH` chunks, as JSON lines."""
    import json

    known, random = sentences(), np.random.default_rng(3)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(documents):
            words: list[str] = []
            while len(words) < WORDS_EACH * CHUNKS_EACH:
                words += known[random.integers(len(known))].split()
            text = " ".join(words[: WORDS_EACH * CHUNKS_EACH])
            row = {"id": f"d{number}", "title": f"Document {number}", "text": text}
            stream.write(json.dumps(row) + "\n")


def peak() -> float:
    """The most memory that this process ever had resident, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(backend: str, chunks: int) -> None:
    """Build once in this process and print one line."""
    spec = IndexSpec.model_validate({"backend": backend, "chunk_tokens": 64})
    with own_home(), tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few.jsonl", Path(folder) / "many.jsonl"
        write_rows(few, 10)
        write_rows(many, chunks // CHUNKS_EACH)
        with index_name(backend) as name:
            build(collect_documents(few), spec, name, load=cheap)
        before = peak()
        corpus = collect_documents(many)
        collected = peak()
        with index_name(backend) as name:
            index = build(corpus, spec, name, load=cheap)
            highest = peak()
        print(
            f"  {backend:9} {index.chunks:7} chunks ({many.stat().st_size / MIB:4.0f} MiB of text, "
            f"{index.chunks * DIMENSION * 4 / MIB:4.0f} MiB of vectors): {before:.0f} MiB before, "
            f"+{collected - before:.0f} reading, +{highest - before:.0f} in all, "
            f"{1024 * (highest - before) / index.chunks:.1f} KiB a chunk",
            flush=True,
        )


def servers() -> float:
    """Resident memory of the Weaviate server that this process started, MiB; 0 if it did not."""
    children = psutil.Process().children()
    return sum(each.memory_info().rss for each in children if "weaviate" in each.name()) / MIB


def main() -> None:
    """One process for each size and backend."""
    chosen = _arguments()
    if chosen.one:
        one(*chosen.backends, *chosen.sizes)
        return
    print("index: peak memory of a build, cheap vectors in place of an encoder's", flush=True)
    module = [sys.executable, "-m", "tests.benchmarks.bench_index_memory", "--one"]
    with backends() as present:
        for backend in [each for each in present if each in chosen.backends]:
            for size in chosen.sizes:
                given = ["--backends", backend, "--sizes", str(size)]
                subprocess.run([*module, *given], check=True)
                if backend == "weaviate" and servers():
                    print(f"    the server's memory afterwards: {servers():.0f} MiB", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 50_000, 100_000])
    parser.add_argument("--backends", nargs="+", default=["lancedb", "weaviate"])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
