# `make run` and `make test` need nothing but Python 3.11 or newer and a C compiler.
#
#   VENV=dir       another virtual environment than .venv
#   PYTHON=name    the Python to make it with
#   JOBS=n         how many processes `make test` runs tests in; without, one for each core
#   COMMANDS=n     how many commands `make run` generates, of the flow MODEL=name
#   NEXTRADE_DEBUG=1, NEXTRADE_NATIVE=1   kinds of build, see setup.py

VENV ?= .venv
COMMANDS ?= 1000000
SOAK ?= 100000000
SECONDS ?= 600
MODEL ?= day
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PYTEST := $(BIN)/python -m pytest
# Test files are dealt out to so many processes; each starts servers of its own.
JOBS ?= auto

CORE := $(wildcard src/nextrade/*.pyx src/nextrade/*.pxd)
DOCS := $(wildcard README.md ARCHITECTURE.md CONTRIBUTING.md docs)
# Another kind of build than the last one must compile again.
KIND := core-$(if $(filter-out 0,$(NEXTRADE_DEBUG)),debug,fast)$(if $(filter-out 0,$(NEXTRADE_NATIVE)),-native)

.DEFAULT_GOAL := help
.PHONY: help run build bench bench-formats test test-full soak sanitize fuzz fuzz-readers faults check lint \
    types floors stubs examples format wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set up: each step leaves a stamp in the virtual environment ---------------------------

$(VENV)/.made: tools/make-venv.sh
	@echo "Making $(VENV)"
	@PYTHON="$(PYTHON)" tools/make-venv.sh $(VENV)
	@touch $@

$(VENV)/.build-tools: $(VENV)/.made pyproject.toml
	@$(PIP) install "setuptools>=77" "cython>=3.1,<4" "numpy>=2,<3"
	@touch $@

MODULES := _book _wire _messages _balances _settle
ifneq ($(foreach module,$(MODULES),$(if $(wildcard src/nextrade/$(module)*.so),,missing)),)
$(shell rm -f $(VENV)/.core-*)
endif

$(VENV)/.$(KIND): $(VENV)/.build-tools setup.py $(CORE)
	@echo "Building the core ($(KIND))"
	@rm -f $(VENV)/.core-*
	@suffix=$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"); \
	    for module in $(MODULES); do rm -f src/nextrade/$$module$$suffix; done
	@$(PIP) install --no-build-isolation --editable ".[replay,report,redis,rabbit]"
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	@echo "Installing the test and check tools"
	@$(PIP) install --group dev
	@touch $@

build: $(VENV)/.$(KIND) ## compile the core into src/, set up what it needs

# --- use -----------------------------------------------------------------------------------

run: build ## generate a day of order flow and replay it through the book
	@mkdir -p build
	$(BIN)/nextrade generate $(MODEL) --commands $(COMMANDS) --output build/$(MODEL).npy
	$(BIN)/nextrade replay build/$(MODEL).npy

bench: build $(VENV)/.dev ## measure the book against the ladder, one table
	$(BIN)/python bench/run.py

bench-formats: build $(VENV)/.dev ## measure replays from the file to the summary, by format and mode
	$(BIN)/python -m bench.formats --memory

# --- prove ---------------------------------------------------------------------------------

test: build $(VENV)/.dev ## the fast tier of the tests
	@tools/need-chromium.sh
	@tools/need-redis.sh
	@tools/need-rabbit.sh
	$(PYTEST) -n $(JOBS) --dist loadfile

test-full: build $(VENV)/.dev ## every test, with long searches
	@tools/need-chromium.sh
	@tools/need-redis.sh
	@tools/need-rabbit.sh
	HYPOTHESIS_PROFILE=full $(PYTEST) -m ""

soak: build $(VENV)/.dev ## 100 million commands, watching memory (SOAK=n: so many)
	$(BIN)/python -m bench.soak --commands $(SOAK)

faults: build $(VENV)/.dev ## signals, full disks, damage and abuse of every kind
	$(PYTEST) tests/faults -m ""

BUILD_SANITIZED = NEXTRADE_SANITIZE=address,undefined $(BIN)/python setup.py -q \
    build --build-base build/sanitize --build-lib build/sanitize/lib
# Arrow throws exceptions of C++: the sanitizer must find who throws them when it is loaded.
UNDER_SANITIZERS = PYTHONPATH=build/sanitize/lib \
    LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so)" \
    PYTHONMALLOC=malloc UBSAN_OPTIONS=print_stacktrace=1 \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1

# The tests that measure memory stay out: the address sanitizer keeps what was freed for a while.
# So do those with limits on memory and time: under it both are other ones.
sanitize: build $(VENV)/.dev ## the tests with the core under the address and undefined-behaviour sanitizers
	$(BUILD_SANITIZED)
	$(UNDER_SANITIZERS) $(PYTEST) -s --ignore=tests/meta --ignore=tests/unit/bench \
	    --ignore=tests/faults

fuzz-readers: build $(VENV)/.dev ## search for files that break the readers (SECONDS=n: for so long)
	$(BUILD_SANITIZED)
	$(UNDER_SANITIZERS) $(BIN)/python -m tests.fuzz.readers --seconds $(SECONDS)

fuzz: build $(VENV)/.dev ## search for inputs that break the core (SECONDS=n: for so long)
	tools/fuzz.sh $(BIN)/python $(SECONDS)

check: lint types floors stubs examples ## all of the next five; make -k goes on after a failure

lint: $(VENV)/.dev ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

floors: build $(VENV)/.dev ## imports go down only
	$(BIN)/lint-imports --no-logo

stubs: build $(VENV)/.dev ## the stubs of the compiled core say what the core has
	MYPYPATH=src $(BIN)/stubtest --mypy-config-file pyproject.toml \
	    --allowlist tests/meta/stubs_allowlist.txt $(addprefix nextrade.,$(MODULES))

examples: build $(VENV)/.dev ## run the examples in the README, the docs and the docstrings
	$(PYTEST) $(DOCS) src

format: $(VENV)/.dev ## let ruff format and repair what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(VENV)/.dev ## build sdist and wheel in isolation, test the wheel in a clean environment
	rm -rf dist build/wheel-venv build/wheel-check
	$(BIN)/python -m build --outdir dist
	PYTHON=$(BIN)/python tools/make-venv.sh build/wheel-venv
	build/wheel-venv/bin/python -m pip --quiet install dist/*.whl --group test
	@mkdir build/wheel-check
	cp -R tests bench pyproject.toml build/wheel-check/
	cd build/wheel-check && ../wheel-venv/bin/python -c \
	    "import nextrade; assert 'wheel-venv' in nextrade.__file__, nextrade.__file__"
	cd build/wheel-check && ../wheel-venv/bin/python -m pytest --ignore=tests/meta

clean: ## remove everything that was built, but for the virtual environment
	rm -rf build dist *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache .benchmarks
	rm -f $(foreach module,$(MODULES),src/nextrade/$(module)*.so src/nextrade/$(module)*.pyd) \
	    $(VENV)/.core-*
	find . -name __pycache__ -type d -not -path './.venv/*' -exec rm -rf {} +
