# `make run` and `make test` need only a Python from 3.10 to 3.12. They create .venv and install the
# versions of constraints.txt into it.

# 3.11 is preferred: medspaCy and spaCy 3.7 cannot be installed together on 3.12.
PYTHON ?= $(shell for python in python3.11 python3.10 python3.12 python3 python; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
	2> /dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run demo-train es en it xx release show test test-slow lint format clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: $(VENV)/run.stamp ## Install the trained pipelines, annotate a note in each language
	python -m spacy project run all
	@$(MAKE) --no-print-directory show

demo-train: $(VENV)/train.stamp ## Train on the sample corpus, from BRAT folders to wheels
	python -m spacy project run demo

# Need MULTICARDIONER_DIR; RAWTEXT_DIR is optional.
es en it xx: $(VENV)/train.stamp ## Train and install the pipeline of a language (xx: of all)
	python -m spacy project run pipeline --vars.lang $@

release: $(VENV)/train.stamp ## Train the pipelines of assets/pipelines
	python -m spacy project run release

show: $(VENV)/run.stamp
	@for note in assets/notes/*/demo_01.txt; do \
		lang=$$(basename "$$(dirname "$$note")"); \
		printf '\n%s\n\n' "== What $${lang}_cardioner found in $$note"; \
		cat "$$note"; echo; \
		awk -F '\t' '$$1 == "demo_01" {found++; printf "  %-10s  %5d  %s\n", $$2, $$3, $$5} \
			END {if (!found) print "  nothing"}' "runs/annotated/$$lang.tsv"; \
	done

# Two processes. The tests of a file run in one of them and share their fixtures.
test: $(VENV)/test.stamp ## Run the tests
	python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(VENV)/test.stamp ## Run the slow tests: trainings
	python -m pytest -m slow

lint: $(VENV)/lint.stamp ## Check style and types
	ruff check
	ruff format --check
	mypy

format: $(VENV)/lint.stamp ## Format the code
	ruff check --fix
	ruff format

clean: ## Remove the environment, builds and caches, but not runs/
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find spacy_cardioner tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/run.stamp: EXTRAS :=
$(VENV)/train.stamp: EXTRAS := [train]
$(VENV)/test.stamp: EXTRAS := [dev,trf,context,train,parquet,omop]
$(VENV)/lint.stamp: EXTRAS := [dev]
$(VENV)/%.stamp: setup.cfg constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --editable '.$(EXTRAS)' --constraint constraints.txt
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "No Python from 3.10 to 3.12 was found. Name one: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
