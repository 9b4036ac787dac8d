# Each target sets up what it needs in .venv. PYTHON selects the interpreter for it (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: app web test check lint format train bench soak lock clean

app: .venv/app  ## the demo on http://127.0.0.1:7860
	$(BIN)/python app.py

web:  ## the page that colorizes in the browser, in web/dist; needs npm
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile  # Tests in a file share servers and networks.

test: .venv/test  ## all tests
	$(PYTEST)

check: lint  ## lint and the fast tests, to run before each commit
	$(PYTEST) -m "not slow"

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: .venv/train  ## train the autoencoder on CIFAR-10, downloaded or from the folder in COLORIZER_DATA
	$(BIN)/python train.py --model autoencoder

bench: .venv/test
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/photos.py
	$(BIN)/python benchmarks/runtimes.py
	$(BIN)/python benchmarks/cluster.py --small
	$(BIN)/python benchmarks/demo.py

soak: .venv/test  ## takes hours: 10,000 files in a folder, 20,000 broken ones, many visitors, a cluster
	$(BIN)/python benchmarks/folder.py
	$(BIN)/python benchmarks/fuzz.py
	$(BIN)/python benchmarks/fuzz.py --change grow --inputs 1000 --output benchmarks/results/fuzz-grow.json
	$(BIN)/python benchmarks/fuzz.py --change archives --inputs 1000 --output benchmarks/results/fuzz-archives.json
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/cluster.py --many 100000
	$(BIN)/python benchmarks/video.py

COMPILE := --universal --python-version 3.11 --no-header --no-annotate --quiet

lock: .venv/test  ## lock the versions of all dependencies, for all platforms, and list the direct ones
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras $(COMPILE) --output-file requirements-lock.txt
	$(BIN)/uv pip compile pyproject.toml --extra app --extra video --extra train --no-deps --constraint requirements-lock.txt $(COMPILE) \
		--output-file requirements.txt

clean:
	rm -rf .venv build dist web/dist web/node_modules .mypy_cache .ruff_cache .pytest_cache

# One recipe for all three extras: demo, training, and both with the tools for testing.
.venv/app .venv/train .venv/test: pyproject.toml requirements-lock.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint requirements-lock.txt --editable ".[$(@F)]"
	touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
