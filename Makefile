# What a person or the CI runs. Every target does its own set-up first; see scripts/setup.

# Arguments of the demonstration, for example DEMO_ARGS="--help".
DEMO_ARGS ?=

.PHONY: demo test lint fmt

# The main job at full size, with simulators of every counterparty.
demo:
	@scripts/setup build
	cargo run --release -- demo $(DEMO_ARGS)

# Everything: unit, property, golden, integration, house rules, documentation examples.
test:
	@scripts/setup test
	cargo test

lint:
	@scripts/setup lint
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

fmt:
	cargo fmt
