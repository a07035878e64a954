# Everything a newcomer runs. Each target builds the environment it needs in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint env clean

demo: $(READY)
	$(BIN)/geneface demo --output-dir out

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

env: $(READY)

# Three OpenCV wheels arrive through the dependencies and overwrite each other's files; only the headless one
# imports where there is no libGL, so it is put in place last.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3,10) <= sys.version_info[:2] <= (3,11) else "geneface needs Python 3.10 or 3.11: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps opencv-python-headless==4.10.0.84
	touch $@

clean:
	rm -rf $(VENV) out
