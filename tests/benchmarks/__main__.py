"""Run the benchmarks of answering, labels, training and building an index: `make bench`."""

from tests.benchmarks import bench_answering, bench_index_build, bench_labels, bench_training

bench_answering.main()
bench_labels.main()
bench_training.main()
bench_index_build.main([])
