# Two commands matter: `make run` and `make test`. Both set up everything they need first.
#   make run                         the whole line on practice drives, then the service stays open (Ctrl-C ends it)
#   make run ONCE=1 HOME_DIR=DIR     the same, leaves everything under DIR, ends; exit 0 only if every step held
#   make test                        every test; what this machine cannot start is listed at the end
#   make lint                        ruff, mypy and the import contracts only
#   make lab                         drives that lie, fail and lose power, in a virtual machine; about half an hour
#   make soak                        the same, hundreds of times; about two hours
#   make bench                       the figures of benchmarks/ (needs root for a loop device)
#   make lock                        pin newer versions of what setup.py asks for
#   make clean                       forget the environment and everything built; your data is not here

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test lint lab lab-slice soak bench lock wheel clean

ONCE ?=
HOME_DIR ?=
PYTEST_ARGS ?=
ONLY ?=
WORKERS ?= 2

help:
	@sed -n 's/^#  //p' Makefile

run:
	@bash tools/setup.sh run
	@.venv/bin/python -m tools.line $(if $(ONCE),--once) $(if $(HOME_DIR),--home '$(HOME_DIR)')

test:
	@bash tools/setup.sh test
	@.venv/bin/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

lint:
	@bash tools/setup.sh test
	@.venv/bin/python -m pytest -q tests/test_linters.py tests/test_architecture.py

lab:
	@bash tools/setup.sh test
	@.venv/bin/python -m tests.lab $(if $(ONLY),--only $(ONLY))

# What every submission runs of the lab: some minutes.
lab-slice:
	@bash tools/setup.sh test
	@.venv/bin/python -m tests.lab --slice

soak:
	@bash tools/setup.sh test
	@.venv/bin/python -m tests.lab --soak $(if $(ONLY),--only $(ONLY))

bench:
	@bash tools/setup.sh test
	@for each in benchmarks/*.py; do .venv/bin/python "$$each" || exit 1; done

lock:
	@bash tools/setup.sh test
	@bash tools/lock.sh

wheel:
	@bash tools/setup.sh test
	@.venv/bin/python -m build --no-isolation --wheel

clean:
	rm -rf .venv .kitbank build dist *.egg-info node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf lending/static/vendor kiosk/static/vendor
