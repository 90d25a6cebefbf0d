# One word per task; `make help` lists them. Everything lands in .venv and build/;
# only Debian packages are installed outside (tools/install-packages.sh).

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PY := .venv/bin/python
WORKERS ?= $(shell nproc)
# A worker that is done takes over from one that is not.
SHARED := -n $(WORKERS) --dist worksteal
# What needs root is not even read where it does not run.
ROOTLESS := $(filter-out tests/dataplane/ tests/system/ tests/__pycache__/,$(wildcard tests/*/))
# Seconds that `make fuzz` spends on each parser, after its packet comparisons.
FUZZ_SECONDS ?= 300
# How many examples `make fuzz` tries each property with; the other targets try 25.
EXAMPLES ?= 1000

# Hundreds of processes begin in the tests: each would compile everything again that it loads.
unexport PYTHONDONTWRITEBYTECODE

BPF_SOURCES := $(shell find bpf -name '*.[ch]')
BPF_OBJECT := src/triptych/drivers/ebpf/objects/triptych.bpf.o
BPF_BUILD := src/triptych/drivers/ebpf/build.py
PACKAGES_STAMP := build/packages.stamp
VENV_STAMP := .venv/.complete

.PHONY: help demo test test-fast try-kernel check format bench fuzz docs reference bpf proto lock install clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## install what is needed, then the demo: an example network, real packets, tables and a trace
	@.venv/bin/triptych demo

test: install ## every test; needs root (real namespaces, kernel maps)
	@if [ "$$(id -u)" -ne 0 ]; then \
		echo "make test: needs root for namespaces and eBPF; without it, run: make test-fast" >&2; exit 1; fi
	@$(PY) -m pytest $(ROOTLESS) -m "not root and not fuzz" $(SHARED) -q
	@$(PY) -m pytest -m "root and not fuzz"

test-fast: install ## the tests that need no root; two minutes on two cores
	@$(PY) -m pytest $(ROOTLESS) -m "not root and not fuzz and not slow" $(SHARED) -q

try-kernel: install ## the data plane on another kernel, emulated; root; KERNEL=linux-image-....deb
	@tools/try-kernel.sh $(KERNEL)

check: $(VENV_STAMP) ## format, lint, types, import contracts, references in docs
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo
	$(PY) tools/check_docs.py

format: $(VENV_STAMP) ## write the one layout, sort imports
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

bench: install ## side-by-side measurements into bench-results/; needs root
	@.venv/bin/triptych bench all

fuzz: install ## the properties at length, 1,000,000 packet comparisons (root), the parsers under libFuzzer; bounded
	@TRIPTYCH_EXAMPLES=$(EXAMPLES) $(PY) -m pytest tests/property tests/unit tests/contract \
		-m "not root and not fuzz" $(SHARED) -q --timeout=3600
	@$(PY) -m pytest -m fuzz --timeout=3600
	@if $(PY) -c 'import atheris' 2>/dev/null; then \
		$(PY) tests/fuzz/fuzz_documents.py -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 && \
		$(PY) tests/fuzz/fuzz_wire.py -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1; \
	else echo "fuzz: atheris has no ready-made package for this machine; the parsers were not fuzzed" >&2; exit 1; fi

docs: $(VENV_STAMP) ## the documentation as a website in build/site
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet --site-dir build/site
	@echo "docs: build/site/index.html"

reference: install ## write the pages of the reference that are made from the code: settings, OpenAPI, tables
	@PYTHONPATH=src $(PY) tools/write_reference.py

bpf: $(BPF_OBJECT) ## compile the eBPF objects that changed

# Committed, so that neither a wheel nor a fresh clone needs the generator; a test compares.
proto: $(VENV_STAMP) ## write the protocol's messages again from proto/
	@$(PY) -m grpc_tools.protoc -Itriptych/wire/generated=proto/triptych/southbound/v1 \
		--python_out=src --pyi_out=src triptych/wire/generated/southbound.proto

lock: $(VENV_STAMP) ## resolve the dependencies anew into requirements.lock
	@$(PY) -m uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet $(LOCK_FLAGS) -o requirements.lock
	@echo "lock: $$(grep -c '==' requirements.lock) packages in requirements.lock"

install: $(PACKAGES_STAMP) $(VENV_STAMP) $(BPF_OBJECT) ## Debian packages, .venv and the eBPF objects; no-op when done

clean: ## what builds and tests made; .venv stays
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -f src/triptych/drivers/ebpf/objects/*.o
	@echo "clean: done (bench-results/ and .venv are kept; make distclean removes them)"

distclean: clean
	@rm -rf .venv bench-results

$(PACKAGES_STAMP): tools/install-packages.sh
	@STAMP=$@ tools/install-packages.sh

# The stamp lies inside, so that a removed .venv is made again.
$(VENV_STAMP): requirements.lock pyproject.toml tools/make-venv.sh | $(PACKAGES_STAMP)
	@tools/make-venv.sh
	@touch $@

# `find` cannot see a removed header; the object is then compiled at the next change.
$(BPF_OBJECT): $(BPF_SOURCES) $(BPF_BUILD) | $(PACKAGES_STAMP) $(VENV_STAMP)
	@if [ "$$(id -u)" -ne 0 ] && ! command -v clang >/dev/null; then \
		echo "bpf: no clang, so no eBPF objects; the sim driver works without them" >&2; \
	else echo "bpf: compiling $(@F)"; $(PY) -m triptych.drivers.ebpf.build; fi
