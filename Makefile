# Three commands: `make demo`, `make notebooks`, `make test`. Each sets up what it needs and is quick
# the second time.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
ROOT ?= demo
PORT ?= 5006
COPIES ?= my-notebooks
BIN := $(VENV)/bin
# A folder of ready wheels, if the machine has one, is used by uv as pip would use it. Without one,
# uv takes torch's CPU build: only EasyOCR needs torch, and the CUDA build weighs several GB.
TORCH := $(if $(PIP_FIND_LINKS),,--torch-backend=cpu)
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export PYTHONUNBUFFERED = 1
# Where a machine forbids Python to keep what it compiled, each of the many processes of a server, a
# run or a test would compile the large libraries anew: two seconds of a core a start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo notebooks test setup setup-dev system system-dev check check-words types tests format lock bench clean help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup  ## build the demonstration ward if absent and serve it
	$(BIN)/workbench demo $(ROOT) --port $(PORT)

notebooks: PORT = 8888
notebooks: .make/venv-notebooks  ## build the demonstration ward if absent and open copies of the notebooks
	$(BIN)/workbench demo $(ROOT) --build-only
	$(BIN)/python notebooks/jupyter/open.py $(ROOT) $(PORT) $(COPIES)

test: setup-dev  ## set everything up and run every gate and test
	$(MAKE) check-words
	$(MAKE) --jobs=2 types tests

setup: .make/system .make/venv  ## the environment that runs the workbench

setup-dev: .make/system-dev .make/venv-dev

.make/system: .ci/system-packages
	@mkdir -p .make
	bash .ci/system-packages run
	@touch $@

.make/system-dev: .ci/system-packages
	@mkdir -p .make
	bash .ci/system-packages run test
	@touch $@ .make/system

$(BIN)/uv: | .make/system
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

.make/venv: requirements.lock pyproject.toml | .make/system $(BIN)/uv
	$(BIN)/uv pip install --python $(BIN)/python $(TORCH) --no-deps -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --quiet -e .
	$(BIN)/python -m workbench.views.text
	@touch $@

.make/venv-notebooks: requirements-notebooks.lock .make/venv $(wildcard notebooks/jupyter/*.py notebooks/jupyter/*/*.json)
	$(BIN)/uv pip install --python $(BIN)/python --no-deps -r requirements-notebooks.lock
	@mkdir -p $(VENV)/etc/jupyter/labconfig
	cp notebooks/jupyter/*_config.py $(VENV)/etc/jupyter/
	cp notebooks/jupyter/labconfig/page_config.json $(VENV)/etc/jupyter/labconfig/
	@touch $@

.make/venv-dev: requirements-dev.lock .make/venv-notebooks | .make/system-dev
	$(BIN)/uv pip install --python $(BIN)/python --no-deps -r requirements-dev.lock
	@touch $@

check: check-words types  ## format, lint, types, layers

check-words:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports

# beside the tests in `make test`: it takes one core a minute, and they do not keep two busy
types:
	$(BIN)/mypy

# three on two cores: half of their time tests wait for streams, clocks and pages. One thread each
# for linear algebra: threads that wait for each other on a loaded core turn there without end
tests: export OPENBLAS_NUM_THREADS = 1
tests: export OMP_NUM_THREADS = 1
tests:  ## doctests, unit, browser and notebook tests
	$(BIN)/pytest -n 3 --dist loadgroup --durations=25

format:  ## format and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench:  ## real clips and the demonstration ward, scored
	$(BIN)/workbench bench footage
	$(BIN)/workbench bench ward

lock: $(BIN)/uv  ## resolve the dependencies anew
	$(BIN)/python .ci/lock.py

clean:  ## forget the environment and the demonstration
	rm -rf $(VENV) .make $(ROOT)
