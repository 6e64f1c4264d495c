"""A swap under load: eight threads ask while the index is rebuilt, swapped and pruned.

Run with `make bench-index PARTS=swap`. Each answer takes three requests (vector, words, the
neighbours of the hits) and opens the index by its name; every rebuild is of another edition, in
another collection, and all but the newest two are removed. An answer whose passages are not all
of the edition whose digest it reports is mixed.
"""

import argparse
import time

from tasks.run import IndexSpec
from tests.benchmarks.index_lab import backends, index_name, machine, own_home, percentiles, spread
from tests.swapping import swap_under_load


def main() -> None:
    """Print what failed, what was mixed, and how long answers took, for each backend."""
    chosen = _arguments()
    print(f"index: {chosen.swaps} swaps under {chosen.threads} threads, {machine()}", flush=True)
    with own_home(), backends() as present:
        for backend in present:
            began = time.perf_counter()
            spec = IndexSpec.model_validate({"backend": backend, "keep": 2})
            with index_name(backend) as name:
                outcome = swap_under_load(
                    spec, name, questions=chosen.questions, threads=chosen.threads,
                    swaps=chosen.swaps,
                )  # fmt: skip
            took = time.perf_counter() - began
            print(
                f"  {backend:9} {outcome.asked:6} questions, {len(outcome.failed)} failed, "
                f"{len(outcome.mixed)} mixed, answered by {len(outcome.editions)} versions, "
                f"{outcome.asked / took:.0f} questions/s, "
                f"an answer {percentiles(outcome.answer_seconds)}, "
                f"a rebuild {spread(outcome.swap_seconds, 1)} s",
                flush=True,
            )
            for fault in (outcome.failed + outcome.mixed)[:5]:
                print(f"    {fault}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--swaps", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
