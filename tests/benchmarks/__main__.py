"""Run every benchmark, one after the other: `make bench`."""

from tests.benchmarks import bench_answering, bench_index

bench_answering.main()
bench_index.main()
