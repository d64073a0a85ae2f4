PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup demo test test-slow faults fuzz coverage check docs clean

setup: .venv/installed ## a virtual environment with everything in it

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=24'
	$(BIN)/pip install --quiet -e '.[blender,train,onnx,distributed,dev,docs]'
	touch $@

demo: setup ## the closed loop on Blender renderings, under five minutes on two cores
	$(BIN)/jointloop demo

test: setup ## every test that takes seconds
	$(BIN)/pytest -n auto --dist loadfile -m 'not slow'

test-slow: setup ## the tests that take minutes
	$(BIN)/pytest -m slow

faults: setup ## a hundred faults at random on a run, and what became of its samples: a quarter of an hour
	$(BIN)/python tests/faults --faults 100 --silence 15 --json benchmarks/results/faults.json

fuzz: setup ## a million changed inputs for whatever reads bytes that others wrote: ten minutes on an idle core
	$(BIN)/pip install --quiet -e '.[fuzz]'
	$(BIN)/python tests/fuzz --inputs 1000000

coverage: setup ## lines and branches that no test reaches; takes about twice as long as the tests
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m 'not slow'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: setup docs ## style, types and pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: setup ## the pages of docs/, into site/; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv site .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
