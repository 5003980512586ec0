# Each target sets up what it needs in a fresh clone, in a virtual environment of its own.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/demo
BRAIN ?=
PYTEST = OMP_NUM_THREADS=1 WANDB_MODE=offline $(VENV)/bin/python -m pytest

.PHONY: help demo test test-slow lint format clean gpu-check gpu-packages

help:
	@echo "make demo             synthesise words and sounds, train a small network, watch its brain scores (8 minutes)"
	@echo "make demo BRAIN=DIR   the same, also scored on the real response components in DIR"
	@echo "make test             style, types and tests (AUDITORY_TEST_DATA names the folder of reference values)"
	@echo "make test-slow        the tests that take minutes"
	@echo "make gpu-check        tests, speed and memory on a GPU (8 minutes); a rehearsal where there is no GPU"
	@echo "make gpu-packages     pack what that needs for a machine with PyTorch and Python 3.12 but no network"

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))" \
		|| (echo "Python 3.11 or 3.12 is needed; name one: make PYTHON=python3.12 ..." && false)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable ".[demo]"
	@touch $@

$(VENV)/.tests: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable ".[tests]"
	@touch $@ $(VENV)/.demo

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

test: lint
	$(PYTEST) -n 2 --cov --cov-report=term --cov-fail-under=85

# A process for each folder: tests that fork training runs cannot do so after others have started autograd's threads.
test-slow: $(VENV)/.tests
	for folder in tests/test_*.py tests/datamodules tests/evaluate tests/networks tests/train tests/gpu; do \
		$(PYTEST) -m slow $$folder; status=$$?; test $$status -eq 0 -o $$status -eq 5 || exit $$status; \
	done

gpu-check: $(VENV)/.tests
	$(VENV)/bin/python -m tests.gpu.check

gpu-packages: $(VENV)/.tests
	$(VENV)/bin/python -m tests.gpu.packages

format: $(VENV)/.tests
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) data/demo $(RUN) .pytest_cache .mypy_cache .ruff_cache
