# make quickstart, make test, make lint: what CI runs and what a person runs are the same.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart test test-swift lint docs bench conformance fuzz check-macos clean

install: $(VENV)/.installed
quickstart: $(VENV)/.installed
	$(BIN)/kewcore quickstart $(ARGS)

# Everything goes in two processes; `make test ARGS="tests/runtime -k conv"` runs what it names, in one.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(or $(ARGS),--numprocesses 2)
	@# Options for pytest mean that something else than everything was asked for.
	@test -n "$(ARGS)" || $(MAKE) --no-print-directory test-swift

# KewKit and kew-classify; on Linux they run packages by the kewcore of this checkout. See docs/swift.md.
test-swift: $(VENV)/.installed
	@if command -v swift > /dev/null; then \
	  cd swift_demo && swift format lint --strict --recursive Package.swift Sources Tests \
	    && KEWCORE="$(abspath $(BIN))/kewcore" swift test --quiet; \
	else \
	  echo "left out: the tests of swift_demo, as there is no swift on the PATH"; \
	fi

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy bench/suites bench/*.py
	$(BIN)/lint-imports
	@# pytest imports test modules by their base names: two alike cannot be collected in one run.
	@! git ls-files 'tests/*test_*.py' | xargs -n 1 basename | sort | uniq -d | grep .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pytest bench/suites --benchmark-only $(ARGS)

# Apple's operator tests through our runtime: every case, or `make conformance ARGS="--every 6"`; see docs/conformance.md.
conformance: $(VENV)/.installed-dev
	$(BIN)/python tests/conformance/run.py $(ARGS)

# Damaged packages by the thousand; see docs/security.md. `make fuzz ARGS="--seed 1 --inputs 50000"`
fuzz: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzz/run.py $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt $(wildcard kewcore/runtime/native/*.[ch]) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

docs: $(VENV)/.installed
	$(BIN)/typer kewcore.cli.app utils docs --name kewcore --output docs/cli.md
	$(BIN)/python docs/operations.py
	$(BIN)/python docs/published_networks.py
	$(BIN)/python docs/cost_check.py

# Resolves the dependencies for Apple silicon without installing them; see docs/macos.md.
check-macos: $(VENV)/.installed
	for python in 3.11 3.12; do \
	  sed -n '/^dependencies = \[/,/^\]/s/^ *"\([^";]*\).*/\1/p' pyproject.toml > $(VENV)/macos.txt; \
	  $(BIN)/python -m pip install --dry-run --quiet --ignore-installed --target $(VENV)/macos --only-binary=:all: \
	    --implementation cp --python-version $$python --platform macosx_14_0_arm64 --platform macosx_13_0_arm64 \
	    --platform macosx_12_0_arm64 --platform macosx_11_0_arm64 --platform macosx_12_0_universal2 \
	    --platform macosx_10_9_universal2 -c constraints.txt -r $(VENV)/macos.txt || exit 1; \
	  echo "resolved for macOS 14, arm64, Python $$python"; \
	done
