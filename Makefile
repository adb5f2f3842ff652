# The commands of Schakel; `make help` lists them. Only Python 3.11 or newer and make are presupposed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help install demo test matrix fuzz faults bench bench-long check format lint types layers wheel lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## the environment .venv, from the hash-locked list

$(STAMP): requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q api broker connectors mappings regions schakel
	@touch $@

demo: install ## referrals go from door to door, on this machine, in under half a minute
	$(BIN)/schakel demo

test: install ## every test
	$(BIN)/python -m pytest -n auto --dist worksteal

matrix: install ## the journey and the demo on SQLite and PostgreSQL, without and with RabbitMQ; the table
	$(BIN)/python -m tests.tools.matrix --write docs/reliability.md

fuzz: install ## the long run: mangled bytes at both doors, and at every reader
	FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -n auto -o timeout=1800 tests/property/test_fuzz_doors.py
	$(BIN)/python -m tests.fuzz.run --seconds 60

faults: install ## the long run: a thousand kills, every fault in its long form, the table (CYCLES=100, MINUTES=60, ONLY=kills|tests|new)
	$(BIN)/python -m tests.faults.long $(if $(MINUTES),--minutes $(MINUTES))

bench: install ## the figures, beside their limits and the alternatives (ONLY=micro runs one)
	$(BIN)/python -m benchmarks $(if $(ONLY),ONLY=$(ONLY))

bench-long: install ## the figures that take hours too
	$(BIN)/python -m benchmarks LONG=1

check: install format lint types layers test ## everything that must hold before a commit

format: install ## the code is formatted
	$(BIN)/ruff format --check .

lint: install ## the code is clean
	$(BIN)/ruff check .

types: install ## the types are whole, strictly
	$(BIN)/mypy

layers: install ## imports go one way only
	$(BIN)/lint-imports

lock: ## makes the lock files anew (needs uv)
	.ci/lock

clean: ## removes what the commands made
	rm -rf .venv .venv-rivals benchmarks/rivals/node_red/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
