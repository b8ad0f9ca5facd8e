# make demo   installs into .venv and shows meta-learning at work in less than a minute
# make test   installs the development tools too, then lint, format, types and tests
# make docs   builds these pages as a site: site/index.html
# make pictures   makes the pictures of these pages anew: docs/*.png, docs/*.gif
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# the package is compiled once, not by each of the processes that tests start, whatever the environment says
test test-slow: export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-slow check docs pictures build-check clean

demo: .venv/installed
	$(BIN)/quickstudy demo

test: .venv/installed-dev check
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

# What takes long: every learner trained, every README recipe, processes killed, a server under load.
test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Refuses links and anchors that lead nowhere.
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo 'site/index.html opens from the disk; with the live pieces of the course: python3 -m http.server -d site'

# The grip is rendered where EGL or OSMesa is, and drawn from the poses elsewhere; the playground needs chromium.
pictures: NEW := $(shell mktemp -d -u)
pictures: .venv/installed-dev
	QUICKSTUDY_PICTURES=$(CURDIR)/docs $(BIN)/python -m pytest tests/web/test_picture.py
	$(BIN)/quickstudy demo --out $(NEW)/demo
	$(BIN)/quickstudy robot grip --mass 0.4 --friction 0.3 --picture drawing --out $(NEW)/grip
	$(BIN)/quickstudy robot gait --ground slope --break fthigh --picture drawing --out $(NEW)/gait
	cp $(NEW)/demo/banner.png $(NEW)/grip/grip.gif $(NEW)/gait/gait.gif docs
	rm -r $(NEW)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "quickstudy needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv dist build site

# The wheel, built and imported on its own.
build-check: .venv/installed-dev
	rm -rf dist && $(BIN)/python -m pip wheel --quiet --no-deps -c constraints.txt -w dist .
	$(BIN)/python -m zipfile -l dist/*.whl > dist/contents
	grep -q omniglot_vinyals.txt dist/contents
	grep -q py.typed dist/contents
	grep -q challenge/suites/sprint.toml dist/contents
	grep -q weights/characters/weights.safetensors dist/contents
