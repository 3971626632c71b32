# Every command that the README names. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash

CARGO := cargo
CACHE := $(or $(VIRGA_CACHE),$(HOME)/.cache/virga)
PACKAGES := build-essential pkg-config libssl-dev zlib1g-dev

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: # a C compiler (for zstd) and cargo; says exactly what is missing where it cannot install it
	@command -v $(CARGO) >/dev/null || { echo "virga needs Rust 1.95: install it with rustup, then run make again" >&2; exit 1; }
	@command -v cc >/dev/null || $(MAKE) --no-print-directory packages

.PHONY: setup-all
setup-all: setup # and what librdkafka is built with
	@pkg-config --exists openssl zlib 2>/dev/null || $(MAKE) --no-print-directory packages

.PHONY: packages
packages: # installs PACKAGES, or says which they are
	@echo "installing $(PACKAGES)"; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -y -q $(PACKAGES); \
	elif command -v sudo >/dev/null; then sudo apt-get update -q && sudo apt-get install -y -q $(PACKAGES); \
	else echo "virga needs these: apt-get install $(PACKAGES)" >&2; exit 1; fi

.PHONY: demo
demo: setup ## build what the demo needs, play an attack told in events, explain the alerts
	@$(CARGO) run --quiet --profile demo --no-default-features -- demo

.PHONY: test
test: setup-all ## all tests, with the real logs where they are at hand
	$(CARGO) test --workspace --no-fail-fast

# how often the daemon is killed, and by which chance
VIRGA_KILL_ROUNDS ?= 200
VIRGA_SEED ?= 1
.PHONY: torture
torture: setup-all ## kill -9 the daemon under load 200 times, over Kafka and over S3: the alerts are those of a quiet run (Java 17 and Maven; Python 3)
	VIRGA_KILL_ROUNDS=$(VIRGA_KILL_ROUNDS) VIRGA_SEED=$(VIRGA_SEED) $(CARGO) test --test daemon_kafka --test daemon_objects killed -- --nocapture

.PHONY: lint
lint: setup-all ## formatting, clippy and docs, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

.PHONY: bench
bench: setup-all ## benchmarks with their counts asserted, peers in the same run
	$(CARGO) bench --package virga-benches
	$(CARGO) bench --package virga --no-default-features --features daemon --bench daemon

.PHONY: bench-memory
bench-memory: setup-all ## ten gigabytes through virga detect; fails at a peak of 300 MB
	benches/memory.sh

.PHONY: reference
reference: setup-all ## print the reference pages from the code's own lists
	$(CARGO) run --quiet -- reference --write docs

.PHONY: pysigma
pysigma: ## ask pySigma again and compare with the goldens (Python 3, PyPI)
	tests/pysigma/run.sh validity --check
	tests/pysigma/run.sh modifiers --check
	tests/pysigma/run.sh matches --check
	tests/pysigma/run.sh pipelines --check
	tests/pysigma/run.sh filters --check

# how long each target runs, in seconds
FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZ_SECONDS (a nightly toolchain and cargo-fuzz)
	@for target in yaml_front json_projection scan around sources; do \
	  seeds=fuzz/corpus/$$target; [ $$target = sources ] && seeds="$$seeds samples"; \
	  CARGO_TARGET_DIR=$(CACHE)/fuzz $(CARGO) +nightly fuzz run $$target $$seeds -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 || exit 1; \
	done

.PHONY: install
install: setup-all ## build the binary for daily use and put it into ~/.cargo/bin
	$(CARGO) install --path . --locked
