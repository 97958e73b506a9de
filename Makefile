# Two commands to start: `make demo` and `make test`. Both need Python 3.11+ and nothing else.
PYTHON ?= python3
BIN := .venv/bin
# Where it answers, torch comes without CUDA; README says what each build weighs.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
.PHONY: demo test test-slow test-browser check docs release clean

demo: .venv/installed
	$(BIN)/histoscribe demo --out demo

# without its bytecode, collecting the tests takes half as long again, in each worker
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -q -m slow -o faulthandler_timeout=7200

# the report, the viewer and the site of `make docs` in Chromium; without the site or Chromium,
# pytest says how to get them
test-browser: .venv/installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m browser \
	  tests/report tests/viewer tests/docs

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pylint --disable=all --enable=duplicate-code,undefined-variable src/histoscribe

# the command reference is typer's own; the scripts of gallery and notebooks run in the folder of the
# demo, which is kept; any warning of mkdocs fails the build (with --quiet it
# would not be counted)
docs: .venv/installed-dev
	$(BIN)/typer histoscribe.cli.main utils docs --name histoscribe --title Commands \
	  --output docs/reference/commands.md
	$(BIN)/histoscribe demo --out build/demo
	$(BIN)/python -m docs.site.pages build/demo build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# what an index gets; twine reads the page that it will show
release: .venv/installed-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  $$($(BIN)/python .ci/torch_index.py "$(TORCH_INDEX)") -e .
	@$(BIN)/python -c "import torch; print('torch', torch.__version__, 'with CUDA', torch.version.cuda)"
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv demo build dist
