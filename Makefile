PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup demo test test-slow check clean

setup: .venv/installed ## a virtual environment with everything in it

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=24'
	$(BIN)/pip install --quiet -e '.[blender,train,onnx,distributed,dev]'
	touch $@

demo: setup ## the closed loop on Blender renderings, under five minutes on two cores
	$(BIN)/jointloop demo

test: setup ## every test that takes seconds
	$(BIN)/pytest -m 'not slow'

test-slow: setup ## the tests that take minutes
	$(BIN)/pytest -m slow

check: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
