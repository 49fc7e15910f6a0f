# make owls        sets up and runs the main experiment: about 5 minutes on two cores
# make test        sets up and runs the tests: about 12 minutes on two cores
# make quick       the tests that are not marked slow: under 2 minutes
# make test-long   the tests in their long forms: thirty kills, long fuzzing
# make fuzz        10,000 mutated inputs of every kind: an hour or more
# make check       style, types, floors
# make statistics  makes docs/statistics.md by simulation, in two minutes
# make results     writes the tables of README.md and docs/results.md from the kept reports
# make bench       compares with TRL on this machine, in minutes
# Plain pip takes torch's CUDA build (gigabytes) on most Linux machines; name the CPU index to avoid that:
#   make owls PIP_INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
PIP_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: owls test quick test-long fuzz check statistics results bench
owls: $(VENV)/.ready
	$(BIN)/undertone run owls

test: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

quick: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m "not slow"

test-long: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 UNDERTONE_LONG=1 $(BIN)/python -m pytest

fuzz: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.fuzz 10000 0

check: $(VENV)/.ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

statistics: $(VENV)/.ready
	$(BIN)/python -m benchmarks.coverage.coverage > docs/statistics.md.part
	mv docs/statistics.md.part docs/statistics.md

results: $(VENV)/.ready
	$(BIN)/python -m results

bench: $(VENV)/.ready-bench
	$(BIN)/python -m benchmarks

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e .
	touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.ready

$(VENV)/.ready-bench: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e ".[bench]"
	touch $@ $(VENV)/.ready
