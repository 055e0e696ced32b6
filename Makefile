# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JS := src/audiolab/widgets/js
VIEWS := src/audiolab/widgets/static/audiolab.js
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help install demo lab mlflow test test-full views-test lint campaign experiment clean

help:
	@echo "make demo        set up .venv, render the demo song, process it, write kit and report"
	@echo "make test        set up what is needed and run the tests (under 15 minutes on 2 cores)"
	@echo "make test-full   the slow rest: faults, servers, notebooks"
	@echo "make lab         open JupyterLab on notebooks/"
	@echo "make mlflow      open the MLflow page on mlruns/"
	@echo "make lint        ruff, mypy, import-linter"
	@echo "make campaign NAME=...    a long run by hand (benchmarks/campaign_NAME.py)"
	@echo "make experiment NAME=...  re-make the tables of experiments/NAME"

install: $(STAMP) $(VIEWS)

# Torch comes first and pinned: unpinned it may bring gigabytes of CUDA packages.
$(STAMP): pyproject.toml constraints.txt requirements-nodeps.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 to 3.13, or say make PYTHON=python3"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[all]"
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-nodeps.txt
	touch $(STAMP)

# Installing builds the views, too; this is for a checkout whose sources have changed. Without Node.js it only warns.
$(VIEWS): $(shell find $(JS)/src -type f) $(JS)/build.mjs $(JS)/package-lock.json | $(STAMP)
	-$(BIN)/python hatch_build.py
	@mkdir -p $(dir $(VIEWS)) && test ! -f $(VIEWS) || touch $(VIEWS)

demo: install
	$(BIN)/audiolab demo

lab: install
	$(BIN)/audiolab lab

mlflow: install
	$(BIN)/mlflow server --backend-store-uri sqlite:///mlruns/mlflow.db --artifacts-destination mlruns/artifacts --host 127.0.0.1 --port 5000

lint: install
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports

# Unit tests of the page's code, where npm is.
views-test: install
	@if command -v npm >/dev/null; then cd $(JS) && { test -d node_modules || npm ci --silent; } && npm run --silent check && npm test --silent; \
	else echo "npm not found: the views' unit tests are left out"; fi

test: install lint views-test
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not browser"

test-full: install
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "slow or browser"
	AUDIOLAB_HOME=$$(mktemp -d) $(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout=600 -p no:cacheprovider notebooks/*.ipynb

campaign: install
	$(BIN)/python benchmarks/campaign_$(NAME).py

experiment: install
	@test -f "experiments/$(NAME)/run.py" || { echo "say make experiment NAME=..., one of: $$(ls experiments/*/run.py | cut -d/ -f2 | tr '\n' ' ')"; exit 2; }
	$(BIN)/python experiments/$(NAME)/run.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
