# What people and machines run. `make` alone lists the targets.
#
# Results go to stdout, everything else to stderr: `make -s demo | jq` works.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(HOME)/.cargo/bin:$(PATH)

# ARGS goes to the program, as in: make demo ARGS="--for 30s"
ARGS ?=
# RELEASE=1 builds with optimizations, which takes minutes.
RELEASE ?=
# What `make bench` runs; the names of the scripts in benches/.
BENCH ?= cdc kafka memory
PROFILE := $(if $(RELEASE),--release,)

.PHONY: help demo test check ci prove bench

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
	    while IFS=$$'\t' read -r name text; do printf '%-8s %s\n' "$$name" "$$text"; done

demo: ## Run a private PostgreSQL, a small shop and Penstock; print events (ARGS="--for 30s")
	@scripts/install demo
	@cargo run $(PROFILE) -- demo $(ARGS)

test: ## Run all tests; installs what is missing
	@scripts/install test
	@cargo test $(PROFILE)
	@scripts/toolchains

check: ## Check formatting and lints
	@cargo fmt --check
	@cargo clippy --all-targets -- -D warnings
	@cargo test -q --test tidy

ci: ## Everything that has to pass: check and test, with every client toolchain
	@scripts/install test
	@scripts/toolchains --require
	@$(MAKE) --no-print-directory check
	@CI=true $(MAKE) --no-print-directory test

prove: ## Run the long checks: hundreds of kills, power cuts, soak
	@scripts/install test
	@PENSTOCK_PROVE=1 cargo test $(PROFILE) --test it prove:: -- --nocapture --test-threads=1

bench: ## Measure against peers on this machine (BENCH="cdc kafka memory")
	@scripts/install test
	@for name in $(BENCH); do benches/$$name.sh $(ARGS); done
