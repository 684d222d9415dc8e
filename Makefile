# `make run` and `make test` need only a Python from 3.10 to 3.13. They create .venv and install what
# requirements/ lists into it: exact versions, with checksums.

# The first of these versions of Python that is on the PATH or among those of pyenv.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions
candidates = $(foreach version,$(1),python$(version) $(wildcard $(PYENV)/$(version).*/bin/python3))
find_python = $(shell for python in $(call candidates,$(1)) $(2); do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	2> /dev/null && echo $$python && break; done)

# 3.12 is preferred: it has spaCy 3.8, and wheels of every dependency. On 3.13, two are compiled. On
# 3.10 and 3.11, the lists have spaCy 3.7, because medspaCy needs it there.
PYTHON ?= $(call find_python,3.12 3.13 3.11 3.10,python3 python)
# The Python with the other spaCy, for `make test-other`.
OTHER ?= $(call find_python,3.11 3.10)
VENV ?= .venv
BIN := $(VENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
# No result depends on the names that a user added to installed pipelines.
export CARDIONER_DATA :=

.DEFAULT_GOAL := help
.PHONY: help run run-trf demo-train es en it xx release show test test-slow test-fast test-other torture trf lint format \
	licences lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: $(VENV)/run.stamp ## Install the trained pipelines, annotate a note in each language
	python -m spacy project run all
	@$(MAKE) --no-print-directory show

run-trf: $(VENV)/trf.stamp ## The same with the transformer, whose packages it adds to .venv
	python -m pip install --quiet --force-reinstall --no-deps --requirement assets/pipelines/trf/requirements.txt
	@for lang in es en it; do \
		python -m spacy_cardioner annotate --model xx_cardioner_trf "assets/notes/$$lang" --overwrite \
			-o "runs/annotated-trf/$$lang.tsv" || exit 1; \
	done
	@$(MAKE) --no-print-directory show ANNOTATED=runs/annotated-trf

demo-train: $(VENV)/run.stamp ## Train on the sample corpus, from BRAT folders to wheels
	python -m spacy project run demo

# Need MULTICARDIONER_DIR; LAYERS_DIR and RAWTEXT_DIR are optional.
es en it xx: $(VENV)/run.stamp ## Train and install the pipeline of a language (xx: of all)
	python -m spacy project run pipeline --vars.lang $@

release: $(VENV)/run.stamp ## Train the pipelines of assets/pipelines
	python -m spacy project run release

ANNOTATED := runs/annotated

show: $(VENV)/run.stamp
	@for note in assets/notes/*/demo_01.txt; do \
		lang=$$(basename "$$(dirname "$$note")"); \
		printf '\n%s\n\n' "== Found in $$note"; \
		cat "$$note"; echo; \
		awk -F '\t' '$$1 == "demo_01" {found++; printf "  %-10s  %5d  %s\n", $$2, $$3, $$5} \
			END {if (!found) print "  nothing"}' "$(ANNOTATED)/$$lang.tsv"; \
	done

# Two processes. The tests of a file run in one of them and share their fixtures.
test: $(VENV)/test.stamp ## Run the tests
	python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(VENV)/test.stamp ## Run the slow tests: trainings
	python -m pytest -m slow

test-fast: $(VENV)/test.stamp
	python -m pytest --numprocesses 2 --dist loadfile tests/unit tests/regression \
		tests/integration/test_package.py tests/integration/test_shipped.py tests/integration/test_trf.py

torture: $(VENV)/test.stamp ## Run the kill, fuzz, thread and memory trials (20 minutes), print their table
	python -m tests.torture

# An environment of its own, .venv-other.
test-other: ## Run the fast tests, and those of transformers, on Python 3.10 or 3.11 with spaCy 3.7
	@if test -n "$(OTHER)"; then \
		$(MAKE) trf test-fast PYTHON=$(OTHER) VENV=.venv-other; \
	else \
		echo "NOT TESTED with spaCy 3.7: neither Python 3.11 nor 3.10 was found. Name one: make OTHER=..."; \
	fi

trf: $(VENV)/trf.stamp ## Add the transformer family and torch to .venv

lint: $(VENV)/test.stamp ## Check style and types
	ruff check
	ruff format --check
	mypy

format: $(VENV)/test.stamp ## Format the code
	ruff check --fix
	ruff format

licences: $(VENV)/trf.stamp ## List the licences of all packages in docs/reference/licences.md
	python requirements/licences.py

lock: ## Bring the lists of requirements/ up to date (needs uv)
	requirements/lock.sh

clean: ## Remove the environments, builds and caches, but not runs/
	rm -rf .venv .venv-other build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find spacy_cardioner tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The lists name every package that is needed, so pip looks for no others.
INSTALL := $(BIN)/python -m pip install --no-deps --no-build-isolation
HASHED := $(INSTALL) --require-hashes

$(VENV)/%.stamp: requirements/%.txt requirements/build.txt setup.cfg | $(BIN)/python
	$(HASHED) --requirement requirements/build.txt
	$(HASHED) --requirement $<
	$(INSTALL) --editable .
	@touch $@

# torch without CUDA, if pip finds it. The last step installs the CUDA libraries that the other build
# asks for: torch names their versions, but there are no checksums of them here.
$(VENV)/trf.stamp: requirements/trf.txt requirements/torch.txt requirements/torch-cpu.txt $(VENV)/test.stamp
	$(HASHED) --requirement requirements/trf.txt
	$(HASHED) --requirement requirements/torch-cpu.txt 2> /dev/null || \
		$(HASHED) --requirement requirements/torch.txt
	$(BIN)/python -m pip install "$$(grep -o '^torch==[^ ]*' requirements/torch.txt)"
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "No Python from 3.10 to 3.13 was found. Name one: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
