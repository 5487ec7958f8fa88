# make env    the environment, in .venv; skipped when up to date
# make check  style, types, imports
# make test   the tests, with warnings as errors
# make demo   the whole main job on the embedded marketplace

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.up-to-date

# Where the public data sets lie; tests that need them skip with a reason without it.
ifneq ($(wildcard ../shared/data),)
export UNICORN_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := test
.PHONY: env check test demo

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One thread: the worlds of the tests are so small that more threads only wait for each other.
test: export OMP_NUM_THREADS ?= 1
test: env
	$(BIN)/python -m pytest

# make demo OUT=DIR writes elsewhere than to ./demo.
demo: env
	$(BIN)/unicorn demo $(if $(OUT),--out "$(OUT)")
