# What a person or the CI runs. Every target does its own set-up first; see scripts/setup.

# Arguments of the demonstration, for example DEMO_ARGS="--help".
DEMO_ARGS ?=

# Seeds and orders of `make truth`; `make simulate` has its own.
SEEDS ?= 1 2 3 4 5 6 7 8 9 10
ORDERS ?= 1000000

# Kills of `make crash`.
KILLS ?= 300
CRASH_TEST = crash::crashes_of_everything_lose_nothing_and_double_nothing

.PHONY: demo test truth simulate crash reliability bench instructions lint fmt

# The main job at full size, with simulators of every counterparty.
demo:
	@scripts/setup build
	cargo run --release -- demo $(DEMO_ARGS)

# Everything: unit, property, golden, integration, house rules, documentation examples; against real
# servers, which stay up until `scripts/services down`.
test:
	@scripts/setup test
	scripts/services up
	cargo test

# The demonstration for several seeds; fails where the books of one differ from the truth.
truth:
	@scripts/setup truth
	cargo build --release
	scripts/reliability-demo --binary "$${CARGO_TARGET_DIR:-target}/release/zhibao" $(ORDERS) $(SEEDS)

# The whole hub in one thread under seeded faults, for example SEEDS=7 or SEEDS=1..10001; prints each
# seed that fails.
simulate: SEEDS = 1..1001
simulate: JOBS ?= 2
simulate:
	@scripts/setup build
	cargo run --release -- simulate --seeds "$(SEEDS)" --jobs "$(JOBS)"

lint:
	@scripts/setup lint
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

fmt:
	cargo fmt

# Real processes, brokers and databases that crash while messages stream in.
crash:
	@scripts/setup test
	cargo build --release
	ZHIBAO_BIN="$${CARGO_TARGET_DIR:-target}/release/zhibao" ZHIBAO_CRASH_KILLS=$(KILLS) \
		cargo test --test integration -- --exact --nocapture $(CRASH_TEST)

# The hub beside a bare loop, plain SQL, Kafka Streams and Redpanda Connect, on the same messages.
bench: ORDERS = 10000000
bench: MESSAGES ?= mix
bench:
	@scripts/setup bench
	scripts/bench $(ORDERS) $(MESSAGES)

# Instructions of the hot path, each step against its recorded budget.
instructions:
	@scripts/setup count
	scripts/instructions

# All of it at length, in the background of a day; adds a line to docs/reliability.md.
reliability:
	@scripts/setup test
	scripts/reliability
