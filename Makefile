# `make` alone lists the targets. Everything happens in .venv; nothing is installed outside it but Maven's own cache.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Images set it often; without bytecode every worker that a test starts would compile torch again, ten seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint unit integration long fuzz audit chromium faults bench bench-gpu up down

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv

# The stamp is newer than what it was made from: a second `make setup` costs nothing.
$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Installing into $(VENV) (torch brings its CUDA libraries: about 6 GB on disk) ..."
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --constraint constraints.txt --editable '.[model,plots]' --group dev
	@touch $@

setup: $(VENV)/.ready ## prepare .venv with everything the product and its tests need

demo: setup ## the first minute: real shop events through the whole path, in this process
	$(BIN)/interestream demo

test: setup lint unit integration ## everything: lint, types, import contracts, unit, contract, real servers

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -m 'not servers and not browser and not long'

integration: setup chromium
	$(BIN)/pytest -m '(servers or browser) and not long'

long: setup ## the tests on real servers that take minutes each: bad input by the thousand, outages, orders, injections
	$(BIN)/pytest -m long --durations=0

SECONDS ?= 3600
fuzz: setup ## search for bytes that break the decoders, guided by coverage: SECONDS=3600 for all of them together
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --constraint constraints.txt --group fuzz
	nice -n 19 $(BIN)/python -m tests.fuzz --seconds $(SECONDS)

PART ?= all
SHARD ?= 1/1
SEED ?= 1
CYCLE ?=
faults: setup ## kill storms on real servers, resumable: PART=kills SHARD=1/8 SEED=1 (see docs/reliability.md)
	$(BIN)/python -m tests.faults --part $(PART) --shard $(SHARD) --seed $(SEED) --cycle '$(CYCLE)'

ARGS ?=
bench: setup ## events/s at full backlog and event-to-list at rest, on real servers of its own; prints JSON
	$(BIN)/python -m tests.bench.bench_stream $(ARGS)

bench-gpu: setup ## users/s and titles/s on a GPU, into docs/performance.md; without a GPU it says so and runs nothing (exit 3)
	$(BIN)/python -m tests.bench.bench_gpu $(ARGS)

audit: setup ## ask pip-audit whether a pinned dependency has a known hole (needs the internet)
	$(BIN)/uv tool run pip-audit==2.10.1 --requirement constraints.txt --no-deps --disable-pip --strict

# Asks nobody: it installs where it may (Debian and its kin, as root or with a sudo that wants no password). In CI it
# first ends an installation that was broken off there, after which nothing else can be installed.
chromium: ## the web browser that looks at Neo4j Browser in the tests
	@command -v chromium chromium-browser google-chrome >/dev/null && exit 0; \
	become=$$([ "$$(id -u)" = 0 ] || echo sudo -n); \
	if command -v apt-get >/dev/null && $$become true 2>/dev/null; then \
		echo "Installing Chromium for the browser tests ..."; \
		{ [ -z "$$CI" ] || $$become dpkg --configure -a </dev/null; } && $$become apt-get update -qq && \
		$$become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium </dev/null && exit 0; \
	fi; \
	echo "CHROMIUM IS MISSING AND CANNOT BE INSTALLED HERE: the browser tests will be skipped." >&2; \
	[ -z "$$CI" ]

up: setup ## start a real Kafka and a real Neo4j on loopback, data in ./interestream-data
	$(BIN)/interestream up

down: setup ## stop them
	$(BIN)/interestream down

constraints: $(BIN)/uv ## pin every dependency again
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group fuzz --no-header --no-annotate --no-emit-index-url --python-version 3.11 --upgrade -o constraints.txt
