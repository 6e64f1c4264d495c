"""Run the benchmarks of answering, labels and building an index, one by one: `make bench`."""

from tests.benchmarks import bench_answering, bench_index_build, bench_labels

bench_answering.main()
bench_labels.main()
bench_index_build.main([])
