"""Run the benchmarks of answering and of building an index, one after the other: `make bench`."""

from tests.benchmarks import bench_answering, bench_index_build

bench_answering.main()
bench_index_build.main([])
