# Two commands do everything on a machine with Python 3.11 and make: `make quickstart` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq --constraint constraints.txt
# One computing thread per process: two test workers on two cores, and the same bytes on every run.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
WORKERS ?= 2
# `make quickstart ARGS="env_steps=20_000"` passes settings on; `make test ARGS="-k archive"` too.
ARGS ?=

# The first interpreter of at least Python 3.11 (`make install PYTHON=/path/to/python` chooses another).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; exit; }; done)

.PHONY: help
help: ## Show this list
	@echo "Usage: make TARGET"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "No Python >= 3.11 found on PATH. Install Python 3.11, or name one: make install PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Could not create a virtual environment. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# One stamp per set of packages, so that nothing is installed twice; a larger set stamps the smaller one too.
$(VENV)/.installed-run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the package and the simulator into $(VENV) (once; takes 1 to 4 minutes, mostly torch) ..."
	@$(PIP) --editable '.[mujoco]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the package and the test tools into $(VENV) (once; takes 1 to 4 minutes, mostly torch) ..."
	@$(PIP) --editable '.[mujoco,dev]'
	@touch $(VENV)/.installed-run $@

$(VENV)/.installed-interop: $(VENV)/.installed-dev
	@echo "Installing the libraries that the project is tried with into $(VENV) (once; under a minute) ..."
	@$(PIP) --editable '.[mujoco,dev,interop]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	@echo "Installing the documentation tools into $(VENV) (once; under a minute) ..."
	@$(PIP) --editable '.[mujoco,dev,docs]'
	@touch $@

.PHONY: quickstart
quickstart: $(VENV)/.installed-run ## Train a population on a real task and show its Pareto front (at most 3 minutes on 2 cores)
	@$(BIN)/morl run quickstart $(ARGS)

.PHONY: test
test: $(VENV)/.installed-dev ## Run every test
	@$(TEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: lint
lint: $(VENV)/.installed-dev ## Check style, formatting and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(VENV)/.installed-dev ## Format the code and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: type
type: $(VENV)/.installed-dev ## Check types (mypy --strict)
	@$(BIN)/mypy

.PHONY: docs
docs: $(VENV)/.installed-docs ## Build the documentation and run its tutorials; open docs/_build/html/index.html
	@$(TEST_ENV) $(BIN)/python -m sphinx -n -W --keep-going -q -b html docs docs/_build/html
	@echo "Built docs/_build/html/index.html"

.PHONY: bench
bench: $(VENV)/.installed-dev ## Measure speed, as ratios to a naive version
	@$(TEST_ENV) $(BIN)/python -m pytest -o addopts= -o python_files='*_benchmark.py' tests/benchmarks -q -s $(ARGS)

.PHONY: install
install: $(VENV)/.installed-dev ## Create .venv and install everything needed to develop

.PHONY: interop
interop: $(VENV)/.installed-interop ## Install the libraries that the project is tried with; `make test` then tries them too

.PHONY: clean
clean: ## Remove what was built (keeps .venv and runs/)
	@rm -rf build dist docs/_build docs/auto_tutorials docs/reference/generated docs/sg_execution_times.rst
	@rm -rf .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info MUJOCO_LOG.TXT
	@find morl envs robust tests docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
