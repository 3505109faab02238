# Holdfast: the same commands for people and for CI. `make help` lists them.
#
#   PYTHON=python3.13 VENV=.venv-3.13 make test-python      another interpreter, its own folder
#   make test-python PYTEST_ARGS="tests/objects -k fork"    a part of the tests

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
PYTEST_ARGS ?=
SEED ?= 20240601
KILLS ?= 10000
PROGRAMS ?= 3000

BORDER := $(wildcard $(foreach end,pyx pxd pxi,src/holdfast/*.$(end) src/holdfast/sanitizer/*.$(end)))
CORE := $(wildcard src/holdfast/_core/*.c src/holdfast/_core/*.h)
C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h' | sort -u)

.PHONY: help venv demo test check core model test-python compat compat-quick \
        compat-sanitized compat-sanitized-quick stress stress-quick bench package house \
        lint lint-python lint-cython lint-c types mypy pyright format clean

help:  ## this list
	@echo "Holdfast. Targets:"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1|/' \
	  | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

# ---- the environment -----------------------------------------------------------------------------

venv: $(VENV)/.native  ## the virtual environment with the package built in place

$(VENV)/.tools: $(wildcard requirements/*.txt) scripts/make-venv scripts/apt-need pyproject.toml
	@PYTHON="$(PYTHON)" scripts/make-venv tools "$(VENV)"

$(VENV)/.native: $(VENV)/.tools setup.py $(BORDER) $(CORE)
	@scripts/make-venv native "$(VENV)"

# ---- what a visitor runs -------------------------------------------------------------------------

demo: venv  ## the two programs, plain and under the guard, side by side
	@$(RUN) examples/demo.py

test:  ## everything that CI runs, on this interpreter
	@scripts/stages "make test" check core model test-python package compat-quick \
	  compat-sanitized-quick stress-quick

# ---- the parts of `make test` --------------------------------------------------------------------

check: lint types house  ## linters, formatters, type checkers, house tests

lint: lint-python lint-cython lint-c

lint-python: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-cython: venv
	PATH="$(abspath $(BIN)):$$PATH" cython-lint src

lint-c: venv
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)

types: mypy pyright

mypy: venv
	$(BIN)/mypy

pyright: venv
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(RUN)

house: venv
	$(RUN) -m pytest -q tests/house

format: venv  ## rewrite Python and C files in the house's format
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

core:  ## the C core without Python: unit tests, ASan+UBSan, TSan, fuzzing
	@scripts/apt-need cc:gcc
	$(MAKE) -C tests/core

model:  ## the model of the rules, and the mutants that must fail in it
	@scripts/apt-need cc:gcc spin:spin
	models/run

test-python: venv  ## the Python tests
	@[ -n "$${HOLDFAST_BROWSER:-}" ] || scripts/apt-need chromium:chromium
	@if [ -z "$(PYTEST_ARGS)" ]; then scripts/test-groups $(RUN); \
	else HOLDFAST_TEST_RUN=$$$$ $(RUN) -m pytest $(PYTEST_ARGS); fi

package: venv  ## sdist and wheel, built, installed in a clean venv and tried there
	@scripts/try-package $(RUN)

compat: venv  ## CPython's own multiprocessing tests, with and without the guard
	$(RUN) tests/compat/run.py

compat-quick: venv
	$(RUN) tests/compat/run.py --quick

compat-sanitized: venv  ## others' test suites under the sanitizer: same results, no false finding
	$(RUN) -m tests.compat.sanitized

compat-sanitized-quick: venv
	$(RUN) -m tests.compat.sanitized --quick

stress: venv  ## kill campaigns, and the checker's verdict on generated programs; KILLS= PROGRAMS= SEED=
	@scripts/apt-need cc:gcc
	$(MAKE) -C tests/core campaign KILLS=$(KILLS) SEED=$(SEED)
	$(RUN) -m tests.stress.run --kills $(KILLS) --seed $(SEED)
	$(RUN) -m tests.lint.generator.run --programs $(PROGRAMS) --seed $(SEED)

stress-quick: venv
	$(RUN) -m tests.stress.run --kills 150 --seed $(SEED)

# ---- speed ---------------------------------------------------------------------------------------

bench: venv  ## the benchmarks: table, JSON and SVG
	$(BIN)/pip install -q --disable-pip-version-check -r requirements/bench.txt
	$(RUN) -m benchmarks

clean:  ## remove everything that was built (not git's business: environments, objects, caches)
	rm -rf .venv .venv-* build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
	rm -f src/holdfast/*.so src/holdfast/sanitizer/*.so
	@if [ -f tests/core/Makefile ]; then $(MAKE) -C tests/core clean; fi
