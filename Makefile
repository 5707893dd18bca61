PYTHON ?= python3
SCALE ?= laptop

VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: help reproduce test crash lint format bench wheel clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

reproduce: $(INSTALLED) ## run every experiment and compare the verdicts with the committed ones (SCALE=smoke|laptop|overnight|gpu|paper)
	@$(RUN) scripts/reproduce.py $(SCALE)
	@$(RUN) scripts/readme.py
	@$(RUN) scripts/pages.py

test: $(INSTALLED) ## run the tests
	$(RUN) -m pytest

crash: $(INSTALLED) ## kill a training at every call that changes a file, as power cuts would, and look at what is left
	$(RUN) -m pytest tests/test_crash.py --every 1

lint: $(INSTALLED) ## check style and types
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

format: $(INSTALLED) ## put the code into the project's format
	$(RUN) -m ruff check --fix
	$(RUN) -m ruff format

bench: $(INSTALLED) ## measure the speed of training against an ordinary loop, and what folding and whitening cost
	$(RUN) scripts/bench.py
	$(RUN) scripts/bench_inception.py
	$(RUN) scripts/bench_costs.py

wheel: $(INSTALLED) ## build the wheel and try it in an environment of its own
	$(RUN) scripts/check_wheel.py

clean: ## remove caches and builds; .venv, data, outputs and results stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache
	find bnexp hydra_plugins scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is there is kept if pip runs in it; one cut short, or whose Python has gone, is made anew.
$(INSTALLED): pyproject.toml
	@$(RUN) -m pip --version >/dev/null 2>&1 || { \
	  $(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("bnexp needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name a newer one: make PYTHON=python3.12 ..." % v[:2])' \
	  && $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing bnexp and what it needs into $(VENV): some minutes, most of them for PyTorch."
	@$(RUN) -m pip install --disable-pip-version-check --no-input -q -e '.[dev]'
	@touch $@
