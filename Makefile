# Everything a newcomer runs. Each target builds the environment it needs in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint env wheel-test clean

demo: $(READY)
	$(BIN)/geneface demo --output-dir out

# Every core runs files of its own, so torch takes one thread in each.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

env: $(READY)

# The wheel as somebody without a checkout gets it: by plain pip, all dependencies anew (8 GB in a temporary folder).
wheel-test: $(READY)
	GENEFACE_WHEEL_TEST=full $(BIN)/python -m pytest tests/test_package.py

# Three OpenCV wheels arrive through the dependencies and overwrite each other's files. All are of one version
# (pyproject.toml), but only the headless one imports where there is no libGL, so it is put in place last.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3,10) <= sys.version_info[:2] <= (3,11) else "geneface needs Python 3.10 or 3.11: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps --constraint constraints.txt opencv-python-headless
	touch $@

clean:
	rm -rf $(VENV) out build *.egg-info
