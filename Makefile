# Every target sets itself up: it needs Python 3.11 or later, make, and a way to the package registry, nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Stamps: the environment is made anew when a lock changes; the project is installed again when its metadata changes.
READY := $(VENV)/.ready
INSTALLED := $(VENV)/.installed
# Extra arguments for pytest: make test PYTEST_ARGS="-k ledger"
PYTEST_ARGS ?=
# What to simulate: make simulate SEEDS=100000, make simulate SEED=42
SEEDS ?= 2000
SEED ?=
FIRST ?=
# A chaos run: make chaos MINUTES=10 FAULTS=60, make chaos SEED=42, make chaos REPORT=report.md
MINUTES ?= 3
FAULTS ?= 20
REPORT ?=
CHAOS = $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT))
# In how many processes the tests run, each with servers of its own; most of them wait.
PROCESSES ?= 2
# Arguments for the bench: make bench BENCH_ARGS=--help
BENCH_ARGS ?=
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(LOCK_ARGS)

.PHONY: help demo test bench bench-full bench-stages simulate chaos chaos-long check static format docs lock hooks clean
.DELETE_ON_ERROR:

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(INSTALLED) ## Run the whole pipeline on this repository's history, with its own broker and database
	$(BIN)/plaudit demo

test: static ## Check everything: style, types, imports, all tests
	$(BIN)/pytest --numprocesses=$(PROCESSES) --dist=loadfile $(PYTEST_ARGS)

check: static ## Check in under a minute: style, types, imports, the tests that need no server
	$(BIN)/pytest --hypothesis-profile=quick tests/unit tests/properties tests/architecture $(PYTEST_ARGS)

bench: $(INSTALLED) ## Measure against idiomatic Faust and a plain loop, on Apache Kafka and PostgreSQL, in two minutes
	$(BIN)/python -m bench quick $(BENCH_ARGS)

bench-full: $(INSTALLED) ## Measure against all peers, with growth and flame graphs, for docs/performance.md: BENCH_ARGS=--help
	$(BIN)/python -m bench full $(BENCH_ARGS)

bench-stages: $(INSTALLED) ## Measure each stage alone: BENCH_ARGS="--events 400000 --against ../other-checkout" or "--economy game"
	$(BIN)/python -m bench stages $(BENCH_ARGS)

simulate: $(INSTALLED) ## Kill and confuse simulated deployments, SEEDS of them from FIRST on, or SEED alone with its trace
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) $(if $(FIRST),--first $(FIRST)))

chaos: $(INSTALLED) ## Kill, stop, empty, add and remove real servers and workers under load: MINUTES, FAULTS, SEED, REPORT
	$(CHAOS) --minutes $(MINUTES) --faults $(FAULTS)

chaos-long: $(INSTALLED) ## The same for 30 minutes with 200 faults, as for docs/reliability.md
	$(CHAOS) --minutes 30 --faults 200

static: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code and mend what can be mended without thought
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(INSTALLED) ## Renew the generated parts of the documentation
	$(BIN)/python docs/generate.py

lock: $(READY) ## Choose the versions anew: LOCK_ARGS=--upgrade for all, --upgrade-package=NAME for one
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	printf "hatchling\nuv\n" | $(LOCK) - -c requirements-dev.lock -o requirements-build.lock
	cd bench/peers && for peer in */requirements.in; do \
		$(LOCK:$(BIN)%=$(CURDIR)/$(BIN)%) $$peer -o $${peer%.in}.txt || exit 1; done

hooks: ## Let git run `make check` before each push
	git config core.hooksPath .githooks

clean: ## Remove what the targets made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist

# uv installs in a fifth of pip's time, but does not read pip's configuration: where only pip knows the way to a registry,
# pip does it.
$(READY): requirements-dev.lock requirements-build.lock
	rm -rf $(VENV)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Plaudit needs Python 3.11 or later: make PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-build.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

# Editable: the folders of the repository are the packages, under one name only.
$(INSTALLED): $(READY) pyproject.toml pipeline/version.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	touch $@
