# Each target sets up what it needs in a fresh clone, in a virtual environment of its own, from the lock files in
# requirements/: exact versions, checked by hash. `make lock` regenerates them.
PYTHON ?= python3
VENV ?= .venv
OLDEST_PYTHON ?= python3.11
RUN ?= runs/demo
BRAIN ?=
PYTEST = OMP_NUM_THREADS=1 WANDB_MODE=offline $(VENV)/bin/python -m pytest

.PHONY: help demo test test-slow test-oldest test-newest docs gpu-check gpu-packages lint format lock clean

help:
	@echo "make demo             synthesise words and sounds, train a small network, watch its brain scores (8 minutes)"
	@echo "make demo BRAIN=DIR   the same, also scored on the real response components in DIR"
	@echo "make test             style, types and tests (AUDITORY_TEST_DATA names the folder of reference values)"
	@echo "make test-slow        the tests that take minutes"
	@echo "make test-oldest      the tests with the oldest releases that pyproject.toml allows (OLDEST_PYTHON, Python 3.11)"
	@echo "make test-newest      the tests with the newest releases that it allows"
	@echo "make docs             build the documentation site in site/"
	@echo "make lock             regenerate the lock files"
	@echo "make gpu-check        tests, speed and memory on a GPU (8 minutes); a rehearsal where there is no GPU"
	@echo "make gpu-packages     pack what that needs for a machine with PyTorch and Python 3.12 but no network"

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))" \
		|| (echo "Python 3.11 to 3.14 is needed; name one: make PYTHON=python3.13 ..." && false)
	$(PYTHON) -m venv $(VENV)

# This project itself is built with the setuptools of the lock file: nothing is downloaded for it.
define install
	@echo "installing requirements/$(1).txt in $(VENV): 6 GB on Linux, most of them PyTorch and its CUDA libraries"
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement requirements/$(1).txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
endef

$(VENV)/.demo: pyproject.toml requirements/demo.txt | $(VENV)/bin/python
	$(call install,demo)
	@touch $@

# What the demo needs is among what the tests need, in the same versions.
$(VENV)/.tests: pyproject.toml requirements/demo.txt requirements/tests.txt | $(VENV)/bin/python
	$(call install,tests)
	@touch $@ $(VENV)/.demo

# The tools of the site are in no lock file; what it documents is installed in the versions of the tests.
$(VENV)/.docs: pyproject.toml | $(VENV)/.tests
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation --editable ".[docs]"
	@touch $@

demo: $(VENV)/.demo
	rm -rf $(RUN)
	$(VENV)/bin/python -m datamodules demo data/demo
	$(VENV)/bin/python -m train fit --config configs/demo.yaml --run_dir $(RUN) \
		$(if $(BRAIN),--brain.benchmarks+=$(BRAIN))
	$(VENV)/bin/python -m evaluate report $(RUN)

lint: $(VENV)/.tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Lines are counted by sys.monitoring, which costs a fifth of the time; Python 3.11 has only the tracer, which doubles it.
COVERAGE_CORE = $$($(VENV)/bin/python -c "import sys; print('sysmon' if sys.version_info >= (3, 12) else 'ctrace')")

test: lint
	COVERAGE_CORE=$(COVERAGE_CORE) $(PYTEST) -n 2 --cov --cov-report=term --cov-fail-under=85

# A process for each folder: tests that fork training runs cannot do so after others have started autograd's threads.
test-slow: $(VENV)/.tests $(VENV)/.docs
	for folder in tests/test_*.py tests/datamodules tests/evaluate tests/networks tests/train tests/gpu tests/docs; do \
		$(PYTEST) -m slow $$folder; status=$$?; test $$status -eq 0 -o $$status -eq 5 || exit $$status; \
	done

# Style and types are checked with the versions of the lock alone.
test-oldest: VENV = .venv-oldest
test-oldest:
	$(OLDEST_PYTHON) -m venv $(VENV)
	$(call install,oldest)
	$(PYTEST) -n 2

test-newest: VENV = .venv-newest
test-newest:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable ".[tests]"
	$(VENV)/bin/python -m pip list
	$(PYTEST) -n 2

# The notebooks are made from the tutorials; both are in the repository. The site is built without a network.
docs: $(VENV)/.docs
	$(VENV)/bin/python -m tests.docs.notebooks
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

# Wheels alone, so that installation compiles nothing. The oldest set is for Python 3.11 on Linux; the others for all.
LOCK = UV_PYTHON_DOWNLOADS=never .venv-lock/bin/uv pip compile pyproject.toml --quiet --upgrade --generate-hashes \
	--python-version 3.11 --only-binary :all: --no-emit-index-url --no-emit-build-options \
	--custom-compile-command "make lock" --group build

lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade "uv>=0.9"
	$(LOCK) --universal --extra tests --constraint requirements/limits.txt --output-file requirements/tests.txt
	$(LOCK) --universal --extra demo --constraint requirements/tests.txt --output-file requirements/demo.txt
	$(LOCK) --python-platform linux --resolution lowest-direct --extra tests --output-file requirements/oldest.txt

gpu-check: $(VENV)/.tests
	$(VENV)/bin/python -m tests.gpu.check

gpu-packages: $(VENV)/.tests
	$(VENV)/bin/python -m tests.gpu.packages

format: $(VENV)/.tests
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-lock data/demo $(RUN) site .pytest_cache .mypy_cache .ruff_cache
