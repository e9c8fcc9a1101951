# The only words anyone needs: hooks, CI and people call these and nothing else.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
TRITON_VENV := .venv-triton
BIN := $(VENV)/bin
# DEMO arguments: `make demo CORPUS=nemo DATA=path/to/nemo KEEP=1`
CORPUS ?= world
DATA ?=
KEEP ?=
# `make test-all ONLY=slow` runs those alone.
ONLY ?=
# Two workers, a file of tests each: most of a service test is waiting for a server. In the order of tests/conftest.py: by
# itself xdist gives the files with the fewest tests last, which are the longest.
PARALLEL ?= -n 2 --dist loadfile --no-loadscope-reorder
# The slow tests start whole platforms: with a third worker beside them two cores answered no health check in time.
PARALLEL_SLOW ?= -n 2 --dist loadfile --no-loadscope-reorder
# Where Python may write no bytecode (a container's usual setting), every one of the thousands of processes that the tests and
# the demo start compiles what it imports again: `import lightning` 24 s of the processor in place of 5.
export PYTHONDONTWRITEBYTECODE :=
# Workers share the cores: what computes in a test computes in one thread, and waits for no other (15 % less time).
test test-all soak: export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all soak check format compile bench docs clean debian

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# uv reads neither pip's variables nor its configuration: where pip is told of wheels and of a certificate, uv is told the same.
PIP_SAYS = $(shell $(BIN)/python -m pip config get global.$(1) 2>/dev/null)
$(VENV)/.ready $(TRITON_VENV)/.ready: export UV_FIND_LINKS ?= $(or $(PIP_FIND_LINKS),$(call PIP_SAYS,find-links))
$(VENV)/.ready $(TRITON_VENV)/.ready: export SSL_CERT_FILE ?= $(or $(PIP_CERT),$(call PIP_SAYS,cert),$(wildcard /etc/ssl/certs/ca-certificates.crt))

setup: $(VENV)/.ready $(TRITON_VENV)/.ready ## Make both environments (voxloop's, and Triton's own)

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q src
	touch $@

$(TRITON_VENV)/.ready: constraints-triton.txt $(VENV)/.ready
	$(PYTHON) -m venv $(TRITON_VENV)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(TRITON_VENV)/bin/python --requirement constraints-triton.txt
	touch $@

debian: ## As root: the Debian packages of tests that are skipped without them (PostgreSQL, Chromium)
	@missing=; \
	compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=' postgresql'; \
	command -v chromium >/dev/null || missing+=' chromium'; \
	command -v chromedriver >/dev/null || missing+=' chromium-driver'; \
	if [ -z "$$missing" ]; then echo 'PostgreSQL and Chromium are here'; \
	elif [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then echo "not root on Debian: tests that want$$missing will be skipped"; \
	else apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing; fi

demo: setup ## Two nights of the whole loop: train, gate, approve, serve (CORPUS=nemo DATA=path, KEEP=1)
	$(BIN)/voxloop demo --corpus $(CORPUS) $(if $(DATA),--path '$(DATA)') $(if $(KEEP),--keep)

test: setup ## Everything but the slow tests, in under 15 minutes on two cores
	$(BIN)/pytest $(PARALLEL) -m 'not slow'

test-all: setup ## The slow tests too, counting checks at a tenth of their figure (ONLY=slow: those alone)
	VOXLOOP_TRIALS=0.1 $(BIN)/pytest $(PARALLEL_SLOW) $(if $(ONLY),-m '$(ONLY)')

soak: setup ## Everything, counting checks at their whole figure
	VOXLOOP_TRIALS=1 $(BIN)/pytest --timeout 7200

check: setup ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify notebooks/*.ipynb

format: setup ## Format the code and strip the notebooks
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/nbstripout notebooks/*.ipynb

compile: setup ## Write the pipelines as Kubeflow IR YAML into build/pipelines/
	$(BIN)/voxloop compile

bench: setup ## Measure against the named peers and print one table
	@$(BIN)/python -m benchmarks

docs: setup ## Build the documentation into build/docs/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean: ## Stop the platform and remove all that was built, installed, trained and registered here
	-for home in .voxloop .voxloop/demo-*; do [ -d $$home ] && VOXLOOP_HOME=$$home $(BIN)/voxloop down; done
	-chmod -R u+w .voxloop 2>/dev/null
	rm -rf build $(VENV) $(TRITON_VENV) .voxloop .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
