# `make demo` and `make test` do all the set-up themselves, in .venv; `make PYTHON=...` chooses the Python it is made with.

.DEFAULT_GOAL := help
.PHONY: help demo test test-lowest lint format lock set-up

help:
	@echo 'make demo     install, then four methods on synthetic faces: four minutes, no download of data, no GPU'
	@echo 'make test     install, then the tests; make test ARGS="-k store" runs some of them'
	@echo 'make lint     ruff and mypy'
	@echo 'make format   let ruff rewrite what it can'
	@echo 'make lock     choose the newest versions anew: requirements.lock'

# 1: a sanity bound failed, and the run has said so.
demo: set-up
	.venv/bin/bench run || [ $$? -eq 1 ]

test: set-up
	.venv/bin/pytest $(ARGS)

# The lower bounds of pyproject.toml, each at its lowest, in an environment of their own (8 GB, deleted afterwards).
test-lowest: set-up
	.venv/bin/uv venv --quiet --clear --python .venv/bin/python build/lowest
	.venv/bin/uv pip install --python build/lowest/bin/python --resolution lowest-direct -e '.[test]'
	build/lowest/bin/pytest $(ARGS)
	rm -rf build/lowest

lint: set-up
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	sh .ci/types

format: set-up
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# opencv-python is overridden in pyproject.toml and must not be in the lock under any condition.
lock: set-up
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	    --extra test --extra dev --no-emit-package opencv-python \
	    --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	    --output-file requirements.lock pyproject.toml

set-up:
	@sh .ci/set-up
