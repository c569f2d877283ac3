# `make help` lists the words. Needs GNU make, and a Python 3.11 or newer.

# HOST is taken from the command line only: some shells export one, with the name of the machine.
HOST = 127.0.0.1
PORT ?= 8000
MINUTES ?= 10

VENV := .venv
TOOLS := .tools
PY := $(VENV)/bin/python
# Settings for development, whatever the environment says, and no file is left behind.
NOWHERE := DEBUG=true SECRET_KEY=for-lint-which-serves-nobody DATABASE_URL=sqlite://:memory: REDIS_URL=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-quick test-fast matrix soak fuzz bench bench-quick lint format lock sbom clean port
.NOTPARALLEL:

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: port $(VENV)/.installed ## start Runwire on http://127.0.0.1:8000 (HOST= and PORT= change it)
	@exec $(PY) -m config.run --host "$(HOST)" --port "$(PORT)"

test: lint ## before you push: lint, and all tests on SQLite, then on PostgreSQL and Redis
	$(call say,tests on SQLite and in memory)
	@$(PY) -m pytest $(AT_ONCE)
	$(call say,tests on PostgreSQL and Redis)
	@$(PY) -m pytest --postgres $(AT_ONCE)

test-quick: lint ## while you work: lint, and the tests that need no transaction, process or socket
	$(call say,quick tests on SQLite)
	@$(PY) -m pytest -m quick $(AT_ONCE)

test-fast: $(VENV)/.installed-dev ## some tests, on SQLite: ARGS="tests/realtime -x" is for pytest; without, all
	@$(PY) -m pytest $(or $(ARGS),$(AT_ONCE))

# Several processes, each with a database of its own; one that has nothing left to do takes from the others.
AT_ONCE := -n auto --dist worksteal

# Each combination has a virtualenv of its own, so this needs none.
matrix: ## the tests on each supported Python and Django that is found; ARGS="--quick", see --help
	@$(FIND_PYTHON); exec "$$python" -m tests.matrix $(ARGS)

soak: $(VENV)/.installed-dev ## random faults under load for MINUTES= (10), then a report; ARGS="--seed 7", see --help
	@$(PY) -m tests.faults.soak --minutes $(MINUTES) $(ARGS)

fuzz: $(VENV)/.installed-dev ## hostile input for every parser for MINUTES= (10), then a report; ARGS="--only http", see --help
	@$(PY) -m tests.fuzz --minutes $(MINUTES) $(ARGS)

lint: $(VENV)/.installed-dev ## style, types, import rules, migrations, settings
	$(call say,ruff)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	$(call say,mypy)
	@$(NOWHERE) $(PY) -m mypy
	$(call say,import rules)
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())' --no-logo
	$(call say,migrations and settings)
	@$(NOWHERE) $(PY) manage.py makemigrations --check --dry-run
	@$(NOWHERE) $(PY) manage.py check --fail-level WARNING

bench: bench/.venv/.installed ## the benchmark, beside its peers; writes docs/benchmark.* (bench-quick: two minutes)
	@bench/.venv/bin/python -m bench $(ARGS)

bench-quick: bench/.venv/.installed ## a short benchmark that writes nothing
	@bench/.venv/bin/python -m bench --quick $(ARGS)

# The peers, in a virtualenv of their own; those in Node only where Node is there.
bench/.venv/.installed: bench/requirements.txt requirements.txt bench/package.json $(PY)
	$(call say,installing the benchmark's peers (it may take a minute))
	@$(PY) -m venv bench/.venv
	@bench/.venv/bin/python -m pip -qq --disable-pip-version-check --no-input install --requirement bench/requirements.txt
	@if command -v npm >/dev/null; then \
		mkdir -p bench/.node && cp bench/package.json bench/.node/ && npm install --silent --prefix bench/.node; \
	else echo 'npm is not installed: the peers in Node are left out.'; fi
	@touch $@

format: $(VENV)/.installed-dev ## let ruff mend style and format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

# One file for every Python from 3.11 on and every system: markers choose. The first part of requirements.txt ends where
# the packages of the tests begin.
LOCK := $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: $(TOOLS)/.installed ## pin all that is installed, with hashes, in *.lock; ARGS="--upgrade" takes newer versions
	@sed '/^# To test it/,$$d' requirements.txt | $(LOCK) - --output-file requirements.lock $(ARGS)
	@$(LOCK) requirements-dev.txt --output-file requirements-dev.lock $(ARGS)
	@$(LOCK) requirements-tools.txt --output-file requirements-tools.lock $(ARGS)

# Of what production installs, and of nothing else: from a virtualenv that has only requirements.lock.
sbom: $(TOOLS)/.installed ## the bill of materials (CycloneDX) and the licences of what production installs, in build/
	@rm -rf build && mkdir build
	@$(PY) -m venv --without-pip build/venv
	@$(PIP) --python build/venv/bin/python install --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.json build/venv/bin/python
	@$(TOOLS)/bin/pip-licenses --python build/venv/bin/python --from mixed --with-urls --format markdown \
		--output-file build/licences.md >/dev/null
	@rm -rf build/venv

clean: ## remove what can be made again: .venv, .matrix, caches, collected files; the database stays
	@rm -rf $(VENV) $(TOOLS) build .matrix .fuzz staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtualenv. A lock file that is newer than its stamp is installed again; nothing else is.

$(VENV)/.installed: requirements.lock $(PY)
	$(call say,installing $< (it may take a minute))
	@$(PIP) install --require-hashes --requirement $<
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock requirements.lock $(PY)
	$(call say,installing $< (it may take some minutes))
	@$(PIP) install --require-hashes --requirement $<
	@touch $@ $(VENV)/.installed

$(TOOLS)/.installed: requirements-tools.lock $(PY)
	$(call say,installing $<)
	@rm -rf $(TOOLS) && $(PY) -m venv --without-pip $(TOOLS)
	@$(PIP) --python $(TOOLS)/bin/python install --require-hashes --requirement $<
	@touch $@

PIP := $(PY) -m pip -qq --disable-pip-version-check --no-input

# Also made again when the Python that it links to has gone.
$(PY):
	@$(FIND_PYTHON); \
	printf '\n== making $(VENV) with %s\n' "$$("$$python" --version)"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)

port:
	@$(FIND_PYTHON); HOST="$(HOST)" PORT="$(PORT)" "$$python" -c "$$PORT_IS_FREE"

# Sets $python in a recipe, or ends it. PYTHON= names one.
define FIND_PYTHON
for python in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	python=; \
done; \
if [ -z "$$python" ]; then \
	echo 'No Python 3.11 or newer with venv was found. Install one (on Debian: python3 python3-venv),' >&2; \
	echo 'or name it: make PYTHON=/path/to/python3.11 ...' >&2; \
	exit 1; \
fi
endef

define PORT_IS_FREE
import errno, os, socket, sys
host, port = os.environ["HOST"], os.environ["PORT"]
if not port.isdecimal() or not 0 < int(port) < 65536:
    sys.exit(f"PORT={port} is not a port: use a number from 1 to 65535.")
try:
    family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
except OSError as error:
    if error.errno == errno.EADDRINUSE:
        sys.exit(f"Port {port} on {host} is in use. Stop what listens there, or choose another with PORT=.")
    sys.exit(f"Cannot listen on {host}, port {port}: {error.strerror}.")
endef
export PORT_IS_FREE

say = @printf '\n== %s\n' "$(1)"
