# "make demo" shows what this is, "make test" runs every test that needs no browser. Both
# install what is missing first.

.PHONY: help setup setup-all demo run test proxies examples openid browser fuzz mutants bench lint fmt sqlx
.DEFAULT_GOAL := help

# Somebody else's build directory (root's, for one) is left alone.
ifeq ($(shell mkdir -p target 2>/dev/null; test -w target && echo writable),)
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/signoff/target
endif

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

setup: ## install system packages that are missing (apt as root; otherwise says which)
	@scripts/setup

setup-all: # the same with what the cargo feature second-opinion builds against
	@scripts/setup second-opinion

demo: setup ## the main job on http://127.0.0.1:8080; CHECK=1 clicks through it by itself
	@scripts/provider
	cargo run --locked -- demo $(if $(CHECK),--check)

run: setup ## the service, with its settings from the environment and signoff.toml
	cargo run --locked -- serve

test: setup-all ## all tests, on a PostgreSQL of their own
	scripts/with-postgres cargo test --locked --features second-opinion

proxies: ## forward-auth behind the nginx and Caddy of the distribution
	@scripts/setup proxies
	scripts/with-postgres cargo test --locked --test proxies

examples: ## the examples against the demonstration; Node 20 or newer is needed
	@scripts/setup examples
	cd examples/express && npm ci --no-audit --no-fund
	cd examples/single-page && npm ci --no-audit --no-fund
	cd tests/examples/sdk && npm ci --no-audit --no-fund
	cargo test --locked --test examples

openid: ## an OpenID provider and a simulator of Auth0 that we did not write; Node 20 or newer is needed
	@scripts/setup node
	cd tests/openid/provider && npm ci --no-audit --no-fund
	cd tests/openid/simulator && npm ci --no-audit --no-fund
	cargo test --locked --test openid

browser: setup ## a real browser at the demonstration and the single-page example; Chromium is needed
	@scripts/has-chromium >/dev/null || { echo "missing: Chromium (or CHROMIUM=PROGRAM); nothing was tested" >&2; exit 1; }
	cargo test --locked --test browser

fuzz: setup ## every decoder against made-up octets, TIME=60 seconds each (docs/fuzzing.md)
	scripts/fuzz $(or $(TIME),60)

mutants: setup ## change every check of what is trusted, and see a test fail each time (docs/mutation.md)
	scripts/mutants

bench: setup ## speed, beside the bound that OpenSSL sets
	scripts/with-postgres cargo bench --locked

lint: setup-all ## formatting and clippy, warnings are errors
	cargo fmt --check
	cargo clippy --locked --all-targets --features second-opinion -- -D warnings
	cargo clippy --locked --features second-opinion --test proxies --test examples --test openid --test browser -- -D warnings

fmt: ## format the source
	cargo fmt

sqlx: setup ## renew .sqlx after a query or a migration changed
	scripts/with-postgres scripts/renew-sqlx
