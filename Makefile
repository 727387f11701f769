# One environment in .venv serves every target. A stamp says what is installed in it, so that a second
# call is quick; a changed pyproject.toml or constraints.txt installs anew.

PYTHON ?= python3
VENV   ?= .venv
PYTEST ?= -n auto

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --constraint constraints.txt

DATA  := examples/data/digits.csv
MODEL := examples/out/model.pt
PROV  := examples/out/digits.provn

.PHONY: help demo test test-python lint docs bench fuzz clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   record a real training run and ask where its model came from"
	@echo "make test   lint, build the documentation, run all tests (what CI does)"
	@echo "make test-python PYTHON=python3.13"
	@echo "            what depends on the version of Python, by that one, without frameworks"
	@echo "make lint   ruff and mypy alone"
	@echo "make docs   the site, in docs/_build/html"
	@echo "make bench  measure speed and overhead"
	@echo "make fuzz   look for input that a reader fails on; FORMAT=provn SECONDS=60"
	@echo "make clean  remove the environment and what was built; recorded runs stay"

# ---------------------------------------------------------------------------------------------- environment

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$($(PYTHON) --version 2>/dev/null | head -n 1); \
	  echo "Trilha needs Python 3.11 or newer; $(PYTHON) is $${found:-no Python}." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its venv module is missing." >&2; \
	  echo "On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Trilha and PyTorch into $(VENV) (once; some 300 MB, a few minutes on a slow line)"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt packages/dfa/pyproject.toml | $(BIN)/python
	@echo "Installing Trilha with all that its tests need into $(VENV) (once; some 1.5 GB)"
	@$(PIP) --no-compile --editable '.[dev]' --editable packages/dfa
	@touch $(VENV)/.demo $@

# What pip would do with one core for a minute and a half goes on beside what checks the sources. Some packages hold
# templates that are no Python.
$(VENV)/.compiled: $(VENV)/.dev
	@$(BIN)/python -m compileall -q -q -j 2 $(VENV)/lib > /dev/null || true
	@touch $@

# ----------------------------------------------------------------------------------------------------- demo

$(DATA): examples/prepare_digits.py | $(VENV)/.demo
	@$(BIN)/python examples/prepare_digits.py

demo: $(VENV)/.demo $(DATA)
	@examples/demo.sh $(BIN) $(MODEL) $(PROV)

# ---------------------------------------------------------------------------------------------------- tests

# A worker of pytest has one thread: two cores that each run two of PyTorch's wait for each other.
# Thousands of processes import Trilha, few of which may keep what Python compiled for them.
test: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs 3 lint docs $(VENV)/.compiled
	$(BIN)/python -m compileall -q src packages/dfa/src
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST)

# Another version of Python: what depends on its syntax, its bytecode and its C interface. PyTorch and what is built
# on it would be gigabytes for each version; tests that need them are left out, or skipped.
VERSION_TESTS := tests/trace tests/capture/script tests/capture/notebook tests/capture/journal tests/capture/test_compiled.py
VERSION_NEEDS := hypothesis pytest pytest-xdist ipykernel ipython jsonschema lxml networkx pandas prov rdflib sybil

test-python:
	@$(MAKE) --no-print-directory .test-python \
	  VENV=.venv-$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: .test-python
.test-python: $(VENV)/.version
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) $(VERSION_TESTS)

$(VENV)/.version: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Trilha and what tests of the language need into $(VENV) (once; some 400 MB)"
	@$(PIP) --editable '.[dask,joblib,parsl,rdf,sklearn]' $(VERSION_NEEDS)
	@touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -q -n -W --keep-going -b html docs docs/_build/html
	@echo "The site is in docs/_build/html/index.html"

bench: $(VENV)/.dev
	@set -e; for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each"; done

FORMAT  ?= provn
SECONDS ?= 60

fuzz: $(VENV)/.dev
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) atheris
	$(BIN)/python fuzz/readers.py $(FORMAT) --seconds $(SECONDS)

clean:
	rm -rf $(VENV) .venv-3.* build dist docs/_build examples/data examples/out .hypothesis .mypy_cache .pytest_cache .ruff_cache
