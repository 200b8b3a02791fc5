# What a person types. Everything that is needed is built by cargo from the lock file; the toolchain is pinned in
# rust-toolchain.toml, and rustup installs it.

CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
# Files that are built in tests must not depend on the machine's language.
export LC_ALL = C.UTF-8

.PHONY: help demo dev test test-live test-kubernetes test-others test-node image check lint unit bench faults histories golden deny tools faketime

help:
	@echo "make demo    build, then show the main job against a simulator of Azure (under a minute after the build)"
	@echo "make dev     build, then start an API server, a simulated Azure and amlnet, and say what to type; needs Go the first time"
	@echo "make test    format, lints, and every test"
	@echo "make test-node  the chart and the image on a real node: on Linux as root; it says what it lacks"
	@echo "make image   the container image, with docker, podman or buildah (docs/image.md); IMAGE=NAME names it"
	@echo "make check   the fast loop: format, lints, unit tests"
	@echo "make bench   the figures, on a release build"
	@echo "make faults  the fault campaigns with SEEDS=1000 seeds (make test: 100); SEEDS=17..18 runs seed 17 again"
	@echo "make histories  the histories of real files with SEEDS=1000 seeds (make test: 120); SEEDS=17..18 plays seed 17 again"
	@echo "make golden  rewrite golden files and schemas; look at the difference before you commit it"
	@echo "make deny    licences, bans and sources of all dependencies (installs cargo-deny below target/)"

tools:
	@command -v $(CARGO) >/dev/null 2>&1 || { echo "amlnet needs Rust: install rustup (https://rustup.rs), then run this again." >&2; exit 1; }
	@command -v cc >/dev/null 2>&1 || { echo "amlnet needs a C compiler: install gcc or clang (Debian: apt-get install gcc libc6-dev), then run this again." >&2; exit 1; }

demo: tools
	$(CARGO) build --locked --workspace --bins
	target/debug/amlnet-demo

# Stays until Ctrl-C. The first time it builds the API server with Go, which takes minutes.
dev: tools
	$(CARGO) build --locked --workspace --bins
	target/debug/amlnet-dev

# Many tests wait for a program rather than compute: more of them than cores run side by side, in three lanes. Everything
# is built before, the programs of Kubernetes too, so that no test waits for a compiler. What they write goes to a folder
# that is removed when this make is gone, however it ends.
test: export RUST_TEST_THREADS ?= 4
# Programs in Go that live for seconds: a fifth of their time would go to garbage. Those that live longer collect it when
# they come to this size, each of them.
test: export GOGC ?= off
test: export GOMEMLIMIT ?= 500MiB
test: lint faketime
	$(CARGO) test --locked --workspace --no-run
	@$${CARGO_TARGET_DIR:-target}/debug/cluster build >/dev/null || echo "not all of these could be built; tests look on PATH for what they need" >&2
	+@folder=$$(sh tests/temporary.sh $$$$) && export TMPDIR="$$folder" && \
		{ (trap '' HUP INT TERM; while kill -0 $$$$; do sleep 1; done; rm -rf "$$folder") </dev/null >/dev/null 2>&1 & } && \
		exec $(MAKE) --no-print-directory --jobs=3 --output-sync=target test-live test-kubernetes test-others

# Each always of the whole workspace, so that all are of the same build. A test compares the names with what there is.
LIVE = live
KUBERNETES = node kubernetes
OTHERS = chart histories cluster dev image prometheus pure scripts serve

test-live:
	$(CARGO) test --locked --workspace $(LIVE:%=--test %)

# In this order: the tests of a node wait more than they compute, which costs least while the other lanes compute.
test-kubernetes:
	$(foreach target,$(KUBERNETES),$(CARGO) test --locked --workspace --test $(target) &&) true

test-others:
	$(CARGO) test --locked --workspace --lib --bins $(OTHERS:%=--test %)

# One test steps clocks. Where its library is missing and cannot be installed, the test says that it is skipped.
FAKETIME = $(wildcard /usr/lib/*/faketime/libfaketime.so.1 /usr/lib*/faketime/libfaketime.so.1 /usr/local/lib/faketime/libfaketime.so.1)
APT_INSTALL = apt-get install -y -qq --no-install-recommends faketime
faketime:
	@test -n "$(FAKETIME)" || { test "$$(id -u)" = 0 && command -v apt-get && { $(APT_INSTALL) || { apt-get update -qq && $(APT_INSTALL); }; }; } >/dev/null 2>&1 \
		|| echo "a test of stepped clocks is skipped: there is no libfaketime (Debian: apt-get install faketime)" >&2

# Part of `make test` too; alone it shows what it does.
test-node: tools
	AMLNET_NODE_REQUIRED=1 $(CARGO) test --locked --test node -- --nocapture

# With docker, podman or buildah, whichever works; BUILD_OPTIONS go to the builder.
image:
	@deploy/image.sh $(if $(IMAGE),$(IMAGE),amlnet:$(shell sed -n '/^\[workspace.package\]/,/^\[workspace.dep/s/^version = "\(.*\)"$$/\1/p' Cargo.toml)) $(BUILD_OPTIONS)

check: lint unit

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

unit: tools
	$(CARGO) test --locked --package amlnet --package amlnet-domain --lib

bench: tools
	$(CARGO) bench --locked --bench figures

SEEDS ?= 1000
faults: tools
	AMLNET_FAULT_SEEDS=$(SEEDS) $(CARGO) test --locked --test live campaign

# More histories of real files than `make test` plays: SEEDS=10000, or SEEDS=17..18 to see one again.
histories: tools
	AMLNET_SEEDS=$(SEEDS) $(CARGO) test --locked --test histories histories -- --nocapture

golden: tools
	AMLNET_UPDATE_GOLDEN=1 $(CARGO) test --locked --test pure -- the_schemas_that_are_read the_built_in_tables
	AMLNET_UPDATE_GOLDEN=1 $(CARGO) test --locked --lib --test pure --test scripts
	AMLNET_UPDATE_GOLDEN=1 $(CARGO) test --locked --test chart -- current readme

# Compiled once, kept between runs, pinned.
DENY_VERSION = 0.20.2
deny: tools
	@test -x target/tools/bin/cargo-deny || $(CARGO) install --locked --root target/tools cargo-deny --version $(DENY_VERSION)
	target/tools/bin/cargo-deny check bans licenses sources
