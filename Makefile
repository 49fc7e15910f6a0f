# make owls   sets up and runs the main experiment        make test   sets up and runs the tests
# make check  types and style                             make bench  compares with TRL on this machine, in minutes
# make statistics   makes docs/statistics.md by simulation, in a minute
# Plain pip takes torch's CUDA build (gigabytes) on most Linux machines; name the CPU index to avoid that:
#   make owls PIP_INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
PIP_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: owls test check statistics bench
owls: $(VENV)/.ready
	$(BIN)/undertone run owls

test: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

check: $(VENV)/.ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

statistics: $(VENV)/.ready
	$(BIN)/python -m benchmarks.coverage.coverage > docs/statistics.md.part
	mv docs/statistics.md.part docs/statistics.md

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
