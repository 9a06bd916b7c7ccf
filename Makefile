# make run: set up and start the service with the simulated subject.   make test: set up and run the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
PAGE := web_ui/dist/index.html
PAGE_SOURCES := $(shell find web_ui/src web_ui/index.html web_ui/package-lock.json web_ui/vite.config.ts 2>/dev/null)
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1

.PHONY: run test test-again test-full setup check fix docs clean

run: setup
	$(BIN)/rlhb up

setup: $(STAMP) $(PAGE)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 13) else "Python 3.11 or 3.12 is needed; name one with PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,interop]"
	touch $(STAMP)

web_ui/node_modules/.package-lock.json: web_ui/package-lock.json
	@command -v npm >/dev/null || { echo "Node.js 20.19 or newer is needed for the page: install it and run make again."; exit 1; }
	cd web_ui && npm ci --no-audit --no-fund --loglevel=error

$(PAGE): web_ui/node_modules/.package-lock.json $(PAGE_SOURCES)
	cd web_ui && npm run --silent build
	touch $(PAGE)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd web_ui && npm run --silent check

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup
	cd web_ui && npm test --silent
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-again: setup
	cd web_ui && npm test --silent
	$(BIN)/python -m pytest -q --last-failed

test-full: setup
	cd web_ui && npm test --silent
	RLHB_TEST_STRICT=1 HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest -q -n 2 --dist loadfile

docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:
	rm -rf $(VENV) web_ui/node_modules web_ui/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
