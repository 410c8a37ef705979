# Every verb sets up what it needs in .venv; a fresh machine has Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
.DEFAULT_GOAL := help

help:  ## what there is to do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml uv.lock tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py $(VENV)
	@touch $@

setup: $(STAMP)  ## install everything, hash-locked, into .venv

run: $(STAMP)  ## serve on 127.0.0.1:8080 (data) and 127.0.0.1:8081 (admin)
	$(BIN)/crossfade serve

test: $(STAMP)  ## the test suite
	$(BIN)/python -m pytest

fmt: $(STAMP)  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(STAMP)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/check_tests.py

check: lint test  ## all that CI runs

.PHONY: help setup run test fmt lint check
