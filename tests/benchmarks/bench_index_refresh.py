"""What a refresh costs against a full build, after 0, 1, 10 and 100% of the documents changed.

Run with `make bench-index PARTS=refresh`. A changed document is another text throughout. Both
times go from files to searchable: reading the folder, then building. Starting the process and
loading the encoder are not timed. Each repetition fills an index of its own and changes other
documents; `--documents 10000` is the size that the goal is about.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.data.collect import collect_documents
from tasks.retrieval.encoding import load_encoder
from tasks.retrieval.index import build, index_report
from tasks.run import IndexSpec
from tests.benchmarks.index_lab import (
    backends,
    index_name,
    machine,
    own_home,
    spread,
    timed,
    write_documents,
)

SHARES = (0.0, 0.01, 0.1, 1.0)
TOKENS = 96


class Run(NamedTuple):
    """Seconds of reading the folder and of building, and how many chunks were embedded."""

    read: float
    build: float
    embedded: int

    @property
    def seconds(self) -> float:
        """From files to searchable."""
        return self.read + self.build


def refreshed(folder: Path, spec: IndexSpec, name: str) -> Run:
    """Bring an index in step with a folder."""
    found = []
    read = timed(lambda: found.append(collect_documents(folder)))
    made = []
    took = timed(lambda: made.append(build(found[0], spec, name)))
    report = index_report(made[0])
    # Nothing to do leaves the report of the last build, which took longer than this one.
    return Run(read, took, report.embedded if report.seconds <= took else 0)


def measured(
    folder: Path, spec: IndexSpec, name: str, count: int, first: int, shares: Sequence[float]
) -> dict[str, Run]:
    """One full build and a refresh for each share; documents from `first` on are changed."""
    write_documents(folder, range(count), edition=0)
    runs = {"full": refreshed(folder, spec, name)}
    for edition, share in enumerate(shares, start=1):
        changed = [(first + at) % count for at in range(round(share * count))]
        write_documents(folder, changed, edition)
        runs[f"{share:.0%}"] = refreshed(folder, spec, name)
    return runs


def report(backend: str, every: Sequence[dict[str, Run]]) -> None:
    """Print medians with their range, and the share of the same repetition's full build."""
    for step in every[0]:
        runs = [one[step] for one in every]
        shares = [100 * one[step].seconds / one["full"].seconds for one in every]
        print(
            f"  {backend:9} {step:>5} {runs[0].embedded:6} embedded "
            f"{spread([run.seconds for run in runs], 2):26} s, of these reading "
            f"{spread([run.read for run in runs], 2):26}  {spread(shares, 2)}% of full",
            flush=True,
        )


def main() -> None:
    """Measure every backend that is here."""
    chosen = _arguments()
    print(f"index: refresh of {chosen.documents} documents, {machine()}", flush=True)
    load_encoder(IndexSpec().encoder).encode(["Warm up."] * 64, "document")
    with backends() as present:
        for backend in present:
            if backend in chosen.backends:
                spec = IndexSpec.model_validate({"backend": backend, "chunk_tokens": TOKENS})
                report(
                    backend,
                    [_repetition(spec, chosen, n) for n in range(chosen.repetitions)],
                )


def _repetition(spec: IndexSpec, chosen: argparse.Namespace, number: int) -> dict[str, Run]:
    count = chosen.documents
    with own_home(), tempfile.TemporaryDirectory() as folder:
        if number == 0:  # connections, tables and schemas are met once before anything is timed
            write_documents(Path(folder), range(20), edition=9)
            with index_name(spec.backend) as name:
                refreshed(Path(folder), spec, name)
        with index_name(spec.backend) as name:
            first = number * count // 7
            return measured(Path(folder), spec, name, count, first, chosen.shares)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of documents")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--backends", nargs="+", default=["lancedb", "weaviate"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
