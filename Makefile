# make setup      .venv with everything (about three minutes)
# make demo       from nothing to pictures, in out/demo
# make test       the checks that decide what lands
# make slow-test  the long ones
# make package    the wheel and the sdist, in out/dist
# make docs       the documentation site, in out/site
# make tutorials  the notebooks of docs/tutorials, run from top to bottom
# make lint       style and types
# make lock       requirements.lock anew, from requirements.txt and the extras
# make audit      known vulnerabilities of the packages in requirements.lock
# make format     style, mended where that can be done by itself
# make pictures   the pictures of README and docs, from the demo's files
# make clean      remove .venv, out and what was built
.DEFAULT_GOAL := help
.PHONY: help setup demo test slow-test package docs tutorials lint lock audit format pictures clean

VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)

help:
	@sed -n 's/^# make/make/p' Makefile

setup: $(VENV)/.complete

$(VENV)/.complete: requirements.txt pyproject.toml
	@VENV=$(VENV) bash tools/setup.sh

demo: setup
	@bash tools/demo.sh

test: setup lint
	pytest -q -m "not slow"

slow-test: setup
	pytest -q -m slow

# NO_MKDOCS_2_WARNING: the theme announces its successor in each build.
package: setup
	uv build --quiet --out-dir out/dist

docs: setup
	NO_MKDOCS_2_WARNING=1 mkdocs build
	@echo 'docs: python -m http.server --directory out/site, then open http://127.0.0.1:8000'

tutorials: setup
	pytest -q -m slow tests/docs

lint: setup
	ruff check .
	ruff format --check .
	mypy

format: setup
	ruff check --fix .
	ruff format .

# One version for both Pythons. Versions that are locked stay unless they must change; `uv pip compile --upgrade` and these options raises them.
lock: setup
	uv pip compile requirements.txt pyproject.toml --extra dev --extra viz --universal --python-version 3.11.5 \
	    --fork-strategy fewest --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command 'make lock' \
	    --output-file requirements.lock --quiet

# Strict, so that a package that the service did not answer for is an error.
audit: setup
	uvx pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock || \
	    { echo 'audit: a package is vulnerable, or the service that knows could not be asked; see above' >&2; exit 1; }

# From the files of `make demo`, at the size of a page.
pictures: setup
	bash tools/pictures.sh

clean:
	@test ! -e "$(VENV)" -o -f "$(VENV)/pyvenv.cfg" || \
	    { echo 'clean: $(VENV) is no virtual environment; nothing was removed' >&2; exit 2; }
	rm -rf "$(VENV)" out build *.egg-info
