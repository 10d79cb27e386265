# Commonweave. `make` alone says what there is. Only make and Python 3.11 or newer are assumed; the rest goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
UV_VERSION := 0.13.9
COMPILE = build/uv/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --quiet -p 3.11 $(if $(UPGRADE),--upgrade)
JOBS ?= 2
CACHES := .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
yes = $(filter-out 0 no false,$(1))

.DEFAULT_GOAL := help
.PHONY: help install demo test check format words bench simulate fuzz soak lock clean

help: ## Say what there is
	@echo 'make TARGET'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "  %-9s %s\n", $$1, $$2 }'
	@echo
	@echo '  demo: CORPUS=FILE brings more documents (JSON Lines, also .gz); EXIT=1 ends instead of waiting for Ctrl-C'
	@echo '  test: JOBS=N processes; ARGS="-k words" goes to pytest'
	@echo '  lock: UPGRADE=1 takes newer releases'
	@echo '  Another Python: make TARGET PYTHON=python3.12'

install: $(VENV)/.with-node ## Put the node and its command into .venv (.venv/bin/commonweave)

demo: $(VENV)/.with-node ## Three nodes meet, share, find and take back, on 127.0.0.1:8081-8083
	@$(BIN)/python -m node.demo $(if $(CORPUS),--corpus "$(CORPUS)") $(if $(call yes,$(EXIT)),--exit)

test: $(VENV)/.with-tools ## Run every test
	@sh scripts/test-system
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -rs $(ARGS)

check: $(VENV)/.with-tools ## Look at format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.with-tools ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

words: $(VENV)/.with-tools ## Bring the catalogues in node/locale up to date with the texts in the code; says what is untranslated
	@$(BIN)/python -m tests.words

bench: $(VENV)/.with-tools ## Measure the rates of sync and search
	@$(BIN)/python -m tests.bench $(ARGS)

simulate: $(VENV)/.with-tools ## Try N=10000 random schedules of ten nodes and their faults; FIRST=SEED begins elsewhere
	@$(BIN)/python -m tests.simulator $(or $(FIRST),1) $(or $(N),10000)

fuzz: $(VENV)/.with-tools ## Bend inputs for SECONDS=120 until a reader breaks; SEED=N tries others, TARGET=NAME one reader
	@$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(or $(SECONDS),120) --seed $(or $(SEED),1)

soak: $(VENV)/.with-tools ## Three nodes at work for MINUTES=10: nothing may grow without need
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

# setuptools builds the node itself, so it is locked with the rest and no build step fetches anything unchecked.
lock: build/uv/.done ## Write both lock files anew from pyproject.toml
	@echo 'setuptools>=80' | $(COMPILE) pyproject.toml - -o requirements.lock
	@$(COMPILE) pyproject.toml --extra dev -o requirements-dev.lock

clean: ## Remove what was made here: .venv, caches, demo-data (no node's data)
	rm -rf $(VENV) build dist demo-data *.egg-info $(CACHES) tests/interop/sd_jwt_js/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.with-node: requirements.lock pyproject.toml scripts/new-venv
	@PYTHON="$(PYTHON)" sh scripts/new-venv $(VENV)
	@echo 'Installing the node into $(VENV)...'
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.with-tools: requirements-dev.lock $(VENV)/.with-node
	@echo 'Installing the tools for tests and checks into $(VENV)...'
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

build/uv/.done: Makefile
	@PYTHON="$(PYTHON)" sh scripts/new-venv build/uv
	@build/uv/bin/python -m pip install -qq --disable-pip-version-check --no-input uv==$(UV_VERSION)
	@touch $@
