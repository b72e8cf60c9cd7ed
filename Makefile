# The verbs of this project. `make run` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VIDEO ?= demo:
OUT ?= results
WORKERS ?= -n auto --maxprocesses 4

.PHONY: setup run watch analyze quick test check bench soak docs clean

setup: $(READY)

# grad-cam is a test's witness; it would pull opencv-python, which must not be beside the headless build.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "deepfake-monitor needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fleet,openvino,lab,imagenet,meso-h5]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'grad-cam==1.5.7' 'ttach==0.0.3'
	-$(BIN)/deepfake-monitor engines build --engine auto  # so that the first start takes seconds
	@touch $@

run: setup
	$(BIN)/streamlit run streamlit_app.py

watch: setup
	$(BIN)/deepfake-monitor watch demo: --out $(OUT)

analyze: setup
	$(BIN)/deepfake-monitor analyze "$(VIDEO)" --out $(OUT)

quick: check
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

test: setup
	$(BIN)/python -m pytest $(WORKERS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: setup
	$(BIN)/deepfake-monitor bench

soak: setup
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/soak.py

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
