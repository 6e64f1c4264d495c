"""How well the decision does on live scenarios: `python -m tests.benchmarks.decision`."""
