# Everything is set up once in .venv and used again. See README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup up demo test test-long test-cgroup2 check bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.lock tools/debian-packages
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	sh tools/debian-packages
	$(BIN)/python -m compileall -q kube_lite
	@touch $(STAMP)

up: setup
	$(BIN)/kube-lite up --data-dir data

demo: setup
	$(BIN)/python examples/demo/demo.py

test: setup
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadfile

test-long: setup
	$(BIN)/python -m pytest -m long

# cgroup v2 in a virtual machine (qemu, no KVM needed), also where this machine has v1; part of test-long.
test-cgroup2: setup
	$(BIN)/python -m pytest -m long tests/vm

check: setup
	$(BIN)/ruff check kube_lite tests benchmarks examples
	$(BIN)/ruff format --check kube_lite tests benchmarks examples
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .cache
