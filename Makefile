# Every command of the project. `make` lists them; each sets up what it needs.
#
# requirements/demo.txt  to build, run and query the wheel: `make demo`, and deployments
# requirements/dev.txt   all of that, and the tools of `make test`
# requirements/docs.txt  MkDocs, in its own environment: it builds the site of docs/
# requirements/sam.txt   AWS SAM, in its own environment: it checks examples/deploy/template.yaml

PYTHON ?=
CARGO_DENY := 0.20.2
ACTIONLINT := 1.7.12
VERSITYGW := 1.8.0

VENV := .venv
BIN := $(VENV)/bin
# A debug build: the tool runs for a second, and an optimized build would take a minute more. The path has the version,
# so that a new version is a new file.
DENY := target/tools/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
WORKFLOWS := target/tools/actionlint-$(ACTIONLINT)/actionlint
VERSITY := target/tools/versitygw-$(VERSITYGW)/versitygw
APPLE := aarch64-apple-darwin x86_64-apple-darwin
SAM := target/tools/sam
DOCS := target/tools/docs
SLURM := target/tools/slurm
AXE := target/tools/axe
# Directories too: deleting a file changes only its directory.
SOURCES := pyproject.toml hatch_build.py rust-toolchain.toml Cargo.toml Cargo.lock \
           $(shell find sweepctl rust -not -name '*.pyc' -not -name __pycache__ 2>/dev/null)

# Tests look for the engines here, so cargo's own settings are overridden.
export CARGO_TARGET_DIR := $(CURDIR)/target
# Empty is unset: where it is set, each of pytest's processes compiles all tests again.
export PYTHONDONTWRITEBYTECODE :=
# `-P`: the tests import the installed wheel, not the current folder.
RUN := $(BIN)/python -P
# --compile: start-up time matters, and an environment variable may have disabled byte code.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --compile
# Not the tree, which pytest imports otherwise.
INSTALLED := --override-ini="pythonpath=tests tools"
# The lock lists every package, so no resolver is needed, and older ones fail on `coverage`, which is pinned, and the
# `coverage[toml]` that another package requires.
LOCKED := --no-deps --require-hashes
say = @printf '· %s\n'
MARKDOWN := *.md docs rust/*/README.md
# For tools that print even if they find nothing.
quietly = @report=$$($(1) 2>&1) || { printf '%s\n' "$$report"; exit 1; }

# Not every machine can have every tool. Where all are there, this variable makes a missing one an error.
left_out = [ -z "$$SWEEPCTL_TEST_EVERYTHING" ]; exit

cargo_test = report=$$(cargo test --quiet --workspace --all-features --locked $(1) 2>&1) || { echo "$$report"; exit 1; }; \
             echo "$$report" | awk '/^test result:/ { passed += $$4 } END { print "  " passed " passed" }'

.DEFAULT_GOAL := help
# Steps share .venv and target/, and report one after the other.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo dev-servers test check format lint workflows macos types layers test-rust test-python licences advisories validate \
        validate-statistics bench bench-compact bench-designs bench-drain bench-host bench-lambda bench-programs bench-query \
        bench-report bench-ridehail bench-shards bench-stages bench-startup bench-submit bench-sweep bench-ui bench-verify \
        lambda program lock schema tables reference pictures docs clean preflight engines simulate throttle mutants damages \
        kills kills-servers fuzz soak coverage FORCE

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.sweepctl ## set up, build, run one small sweep, and write its report to report.html
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/demo.py

dev-servers: $(VENV)/.dev $(VENV)/.sweepctl ## run S3 and SQS on this machine until Ctrl-C, for a first drain
	@exec $(BIN)/python tools/dev_servers.py

ifdef ARGS
test: test-python
else
test: lint macos types layers docs test-rust target/.publishable test-python licences advisories ## set up, build, and check everything (make test ARGS="FILE -k WORD": these Python tests)
	$(say) "everything passed"
endif

# The engine lies where the wheel would put it, so that the tree finds it as an installed sweepctl does. It replaces the
# wheel's: what needs the wheel installs it again.
check: lint types layers engines ## the loop while writing: all but servers, slow tests and the wheel
	$(say) "tests: Rust, without the statistical and the slow"
	@$(call cargo_test,-- --skip statistical:: --skip slow::)
	$(say) "tests: Python, from the tree"
	@ln -sf $(CURDIR)/target/release/sweep-engine $(BIN)/sweep-engine && rm -f $(VENV)/.sweepctl
	@SWEEPCTL_TEST_SCHEDULES=200 $(BIN)/pytest -q -n 2 --dist worksteal -m "not servers and not slow"

format: $(VENV)/.dev ## format Python, Rust and Markdown
	@$(BIN)/ruff format --quiet
	@cargo fmt
	@$(BIN)/mdformat $(MARKDOWN)

lint: $(VENV)/.dev workflows ## formatting and lints of Python, Rust and Markdown
	$(say) "lint: ruff"
	@$(BIN)/ruff format --quiet --check --output-format concise || { echo "  make format does it"; exit 1; }
	@$(BIN)/ruff check --quiet
	$(say) "lint: rustfmt and clippy"
	@cargo fmt --check
	@cargo clippy --quiet --workspace --all-targets --all-features --locked -- -D warnings
	$(say) "lint: rustdoc"
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --all-features --no-deps --locked
	$(say) "lint: lines of Rust, whose comments rustfmt does not wrap"
	@! LC_ALL=C.UTF-8 grep -rnE '^.{121}' --include '*.rs' rust
	$(say) "lint: mdformat"
	@$(BIN)/mdformat --check $(MARKDOWN) || { echo "  make format does it"; exit 1; }
	$(say) "lint: lock files name no index"
	@! grep -nE '://|^-' requirements/*.txt
	@! grep -n '://' tests/ui/axe/package-lock.json

# A tool that cannot be built here is no fault of the workflows.
workflows: ## lint the workflows (actionlint, which Go builds)
	$(say) "lint: actionlint"
	@[ -x $(WORKFLOWS) ] || GOBIN=$(CURDIR)/$(dir $(WORKFLOWS)) \
		go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT) 2> /dev/null || \
		{ echo "  not checked: it is built by go, which is missing or could not download it"; $(left_out); }; $(WORKFLOWS)

# Here and not in rust-toolchain.toml: who builds a wheel would download these libraries in vain.
macos: | preflight ## check that the Rust workspace compiles for macOS, which is not run here
	$(say) "lint: clippy for macOS"
	@rustup target add $(APPLE) > /dev/null 2>&1 || \
		{ echo "  not checked: rustup, which brings its libraries, is missing or could not download them"; $(left_out); }; \
	cargo clippy --quiet --workspace --all-targets --all-features --locked $(APPLE:%=--target %) -- -D warnings

types: $(VENV)/.dev ## type checks for Linux and macOS (mypy, strict)
	$(say) "types: mypy"
	@for system in linux darwin; do \
		$(RUN) -m mypy --no-error-summary --platform $$system --cache-dir .mypy_cache/$$system || exit 1; done

layers: $(VENV)/.dev ## check that imports point downward only
	$(say) "layers: import-linter"
	$(call quietly,$(BIN)/lint-imports --no-logo --no-cache)

test-rust: | preflight ## tests of the Rust workspace
	$(say) "tests: Rust"
	@$(cargo_test)

# Tests have their folders in memory where it has room: a disk takes milliseconds for each file that they sync.
test-python coverage: export PYTEST_DEBUG_TEMPROOT ?= $(or $(TMPDIR),$(shell awk ' \
	$$2 == "/dev/shm" && $$4 !~ /noexec/ { is_mounted = 1 } \
	$$1 == "MemAvailable:" && $$2 >= 6000000 && is_mounted { print "/dev/shm" }' /proc/mounts /proc/meminfo 2>/dev/null))

# Three at a time on two cores: tests that start servers and processes wait for a fifth of their time. Those of a file
# are not kept together, since long ones of small files, which come last, would be waited for.
test-python: $(VENV)/.dev $(VENV)/.sweepctl $(SAM)/.installed $(SLURM)/root $(AXE)/.installed engines ## tests of the Python package, real servers included
	$(say) "tests: Python"
	@$(RUN) -m pytest -q $(INSTALLED) $(or $(ARGS),-n 3 --dist worksteal)

# Of its own: measuring doubles what tests in Python take.
coverage: $(VENV)/.dev $(VENV)/.sweepctl engines ## the tests of the Python package, and which lines and branches they leave out
	@$(RUN) -m pytest -q $(INSTALLED) -n 3 --dist worksteal --cov --cov-report=term

# Asks the registry, so only where the crates have changed.
target/.publishable: Cargo.toml Cargo.lock rust-toolchain.toml $(shell find rust/space rust/runtime) | preflight
	$(say) "package: the crates for authors of models"
	# Cargo takes a version of a crate for the same for ever: it would use what an earlier trial unpacked and built.
	@rm -rf "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/-*/sweep-space-* target/debug/.fingerprint/sweep-space-*
	$(call quietly,cargo publish --quiet --workspace --dry-run --locked --allow-dirty)
	@touch $@

licences: $(VENV)/.dev $(DENY) ## permissive licences only, in both languages
	$(say) "licences: Rust"
	$(call quietly,$(DENY) --locked --log-level error check --hide-inclusion-graph licenses bans sources)
	$(say) "licences: Python"
	@$(BIN)/pip-licenses > /dev/null

advisories: $(VENV)/.dev $(DENY) ## published advisories, where their databases can be reached
	@$(RUN) tools/advisories.py $(DENY)

lambda: $(VENV)/.sweepctl ## build dist/sweepctl-lambda.zip for AWS Lambda (PROGRAM=lv.toml: with this program)
	$(say) "package: the function"
	@$(BIN)/python tools/lambda_package.py target/wheel/*.whl dist/sweepctl-lambda.zip \
		"$(LAMBDA_PYTHON)" "$(LAMBDA_ENGINE)" "$(PROGRAM)" "$(PROGRAM_REQUIREMENTS)"

program: $(VENV)/.sweepctl ## collect PROGRAM=lv.toml and its files in dist/program, for an image
	$(say) "package: the program"
	@$(BIN)/python tools/program_package.py $(BIN)/sweep-engine "$(PROGRAM)" dist/program \
		"$(PROGRAM_REQUIREMENTS)" "$(LAMBDA_PYTHON)"

validate: $(VENV)/.dev ## check the ride-hailing model against theory; writes docs/validation.md and its figures
	@$(BIN)/python tools/validate.py

validate-statistics: $(VENV)/.dev ## check intervals and estimates against known truth; writes docs/statistics.md
	@$(BIN)/python tools/validate_statistics.py

bench: $(VENV)/.dev $(VENV)/.sweepctl engines ## benchmarks of one shard
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

bench-compact: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of compacting a run of many shards
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/compact.py

bench-designs: | preflight ## benchmarks of single cells of sampled designs
	@cargo bench --quiet --locked -p sweep-space --bench designs

bench-drain: $(VENV)/.dev $(VENV)/.sweepctl engines ## benchmarks of a worker on a queue
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/worker.py

bench-host: $(VENV)/.dev $(VENV)/.sweepctl engines ## benchmarks of points in child processes, and of points that crash
	@$(BIN)/python tests/benchmarks/host.py

bench-programs: $(VENV)/.dev $(VENV)/.sweepctl engines ## benchmarks of programs, beside a pool of processes
	@$(BIN)/python tests/benchmarks/programs.py

bench-query: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of queries
	@$(BIN)/python tests/benchmarks/query.py

bench-report: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of a run's report
	@$(BIN)/python tests/benchmarks/report.py

bench-ridehail: $(VENV)/.dev ## benchmarks of points of the ride-hailing model
	@cargo bench --quiet --locked -p sweep-models --bench ridehail
	@$(BIN)/python tests/benchmarks/ridehail.py

bench-shards: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of looking at a run of many shards, on disk and in S3
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/shards.py

bench-stages: $(VENV)/.dev $(VENV)/.sweepctl engines ## CPU time of each stage of 1,000,000 cheap points
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/stages.py

bench-startup: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of what commands take to start
	@$(BIN)/python tests/benchmarks/startup.py

bench-submit: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of planning a large sweep and sending its messages
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/submit.py

bench-sweep: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of whole runs
	@$(BIN)/python tests/benchmarks/sweep.py

bench-lambda: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of the function's package under AWS's runtime client
	@PYTHONPATH=tests:tools $(BIN)/python tests/benchmarks/lambda.py

bench-ui: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of the pages of a run of many shards
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/ui.py

bench-verify: $(VENV)/.dev $(VENV)/.sweepctl ## benchmarks of verify
	@PYTHONPATH=tests $(BIN)/python tests/benchmarks/verify.py

simulate: $(VENV)/.dev $(VENV)/.sweepctl ## simulate N schedules of faults (5000); continues a stopped run
	@PYTHONPATH=tests $(RUN) tests/simulation/run.py $(or $(N),5000)

throttle: $(VENV)/.dev $(VENV)/.sweepctl ## simulate 1,000 workers with SHARDS shards (10000) at S3's published rates
	@PYTHONPATH=tests $(RUN) tests/simulation/throttling.py $(or $(SHARDS),10000)

mutants: $(VENV)/.dev $(VENV)/.sweepctl ## break the protocol on purpose, and check that the simulation catches it
	@PYTHONPATH=tests $(RUN) tests/simulation/mutants.py

kills: $(VENV)/.dev $(VENV)/.sweepctl ## kill real commands before and after each system call by which they write
	@folder=$$(mktemp -d) && export PYTHONPATH=tests && \
	$(RUN) tests/kills/play.py $$folder/steps $(ARGS) && \
	{ [ -n "$(ARGS)" ] || $(RUN) tests/kills/mutants.py $$folder/mutants; } && rm -rf $$folder

damages: $(VENV)/.dev $(VENV)/.sweepctl ## damage a store in every way of a list, and in N that are drawn (500): verify names it
	@SWEEPCTL_TEST_DAMAGES=$(or $(N),500) $(RUN) -m pytest -q $(INSTALLED) tests/verify/test_full_damages.py tests/cli/test_damaged_stores.py

kills-servers: $(VENV)/.dev $(VENV)/.sweepctl $(VERSITY) engines ## kill a process a second of SEEDS runs (20) of SHARDS shards (1000), on two S3 servers
	@PYTHONPATH=tests $(RUN) tests/chaos/run.py $(or $(SEEDS),20) $(or $(SHARDS),1000) $(or $(FIRST),0)

fuzz: $(VENV)/.dev $(VENV)/.sweepctl engines ## fuzz what comes from outside, for SECONDS each (600); interesting messages and requests are kept
	$(say) "fuzz: messages, sweep files, tables, manifests, expressions, the model protocol, functions, pages"
	@PYTHONPATH=tests $(RUN) tests/fuzz/run.py $(or $(SECONDS),600)
	$(say) "fuzz: the parser of requests"
	@SWEEP_FUZZ_SECONDS=$(or $(SECONDS),600) cargo test --quiet --locked -p sweep-runtime fuzz -- --nocapture

soak: $(VENV)/.dev $(VENV)/.sweepctl engines ## soak two drains among faults for SECONDS (7200); every sample is written to target/soak.jsonl
	@PYTHONPATH=tests $(RUN) tests/soak/run.py $(or $(SECONDS),7200) target/soak.jsonl

schema: $(VENV)/.dev $(VENV)/.sweepctl ## regenerate the JSON Schema of sweep files
	@$(RUN) tools/schema.py

tables: $(VENV)/.dev $(VENV)/.sweepctl ## regenerate the Glue tables of the deployment's template
	@$(RUN) tools/glue_tables.py

reference: $(VENV)/.dev $(VENV)/.sweepctl ## regenerate docs/reference from the code
	@PYTHONPATH=tools $(RUN) -m reference

pictures: $(VENV)/.dev $(VENV)/.sweepctl ## record the pictures of README.md again, with tmux and Chromium
	@$(RUN) tools/pictures.py

# Not with MkDocs' own --quiet, by which it counts no warnings.
docs: $(DOCS)/.installed ## build the site of docs/ into target/site; links and anchors are checked
	$(say) "docs: the site"
	$(call quietly,NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict)

lock: $(VENV)/.dev ## lock the Python versions from pyproject.toml again (the newest: make lock ARGS=--upgrade)
	@$(BIN)/uv $(LOCK) --extra iceberg --extra query --extra lambda --extra sensitivity --extra ui --group dev --output-file requirements/dev.txt $(ARGS)
	@$(BIN)/uv $(LOCK) --extra query --extra ui --group build --output-file requirements/demo.txt --constraint requirements/dev.txt
	@$(BIN)/uv $(LOCK) --extra lambda --output-file requirements/lambda.txt --constraint requirements/dev.txt
	@$(BIN)/uv $(LOCK_ALONE) --group sam --output-file requirements/sam.txt $(ARGS)
	@$(BIN)/uv $(LOCK_ALONE) --group docs --output-file requirements/docs.txt $(ARGS)
LOCK_ALONE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
              --no-emit-index-url
LOCK := $(LOCK_ALONE) pyproject.toml

clean: ## remove everything that was built
	@rm -rf $(VENV) target dist

preflight:
	@PYTHON="$(PYTHON)" tools/preflight > /dev/null

engines: | preflight
	$(say) "build: the engine, and the one of the tests"
	@cargo build --quiet --release --locked -p sweep-engine -p sweep-test-engine

# An environment contains its absolute path, so a copied one is created again; so is one whose lock has changed, because
# pip would keep packages that the lock no longer has.
$(VENV)/.python: requirements/demo.txt requirements/dev.txt \
                 $(if $(filter $(CURDIR),$(shell cat $(VENV)/.python 2>/dev/null)),,FORCE) | preflight
	@python=$$(PYTHON="$(PYTHON)" tools/preflight) && \
	printf '· %s\n' "environment: .venv with $$($$python --version)" && \
	"$$python" -m venv --clear $(VENV)
	@echo "$(CURDIR)" > $@

$(VENV)/.demo: $(VENV)/.python
	$(say) "environment: requirements/demo.txt"
	@$(INSTALL) $(LOCKED) -r requirements/demo.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(say) "environment: requirements/dev.txt"
	@$(INSTALL) $(LOCKED) -r requirements/dev.txt
	$(call quietly,$(BIN)/python -m pip --disable-pip-version-check check)
	@touch $@

# The real wheel, as a user gets it, so that tests cover its contents, its entry point and its engine. Without build
# isolation, because the build backend is locked too. The wheel is kept in target/wheel, for the function's package.
$(VENV)/.sweepctl: $(SOURCES) $(VENV)/.demo
	$(say) "build: the wheel, with sweep-engine"
	@touch $@.started # an edit during the build is newer than this file, so it is built next time
	@rm -rf target/wheel
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir target/wheel .
	@$(INSTALL) --no-deps --force-reinstall target/wheel/*.whl
	@mv $@.started $@

# Created with the environment's Python, which preflight has chosen.
$(SAM)/.installed $(DOCS)/.installed: target/tools/%/.installed: requirements/%.txt $(VENV)/.python
	$(say) "environment: $<"
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install $(LOCKED) -r $<
	@touch $@

# A folder that needs nothing: it is made where there is none, and what cannot be fetched now is tried again next time.
$(SLURM)/root:
	$(say) "unpack: Slurm"
	@tools/unpack_slurm $(CURDIR)/$(SLURM)

# Checks pages against WCAG 2.2; MPL-2.0: tests only, used unchanged.
$(AXE)/.installed: $(addprefix tests/ui/axe/,package.json package-lock.json .npmrc)
	$(say) "environment: tests/ui/axe"
	@mkdir -p $(AXE) && cp $^ $(AXE)
	@if command -v npm > /dev/null; then \
		npm ci --prefix $(AXE) --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else echo "  left out: npm, which installs it, is not installed"; [ -z "$$CI" ]; fi

$(VERSITY):
	$(say) "build: the Versity S3 Gateway $(VERSITYGW)"
	@GOBIN=$(CURDIR)/$(@D) go install github.com/versity/versitygw/cmd/versitygw@v$(VERSITYGW)

$(WORKFLOWS):
	$(say) "build: actionlint $(ACTIONLINT)"
	@GOBIN=$(CURDIR)/$(@D) go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT)

$(DENY): | preflight
	$(say) "build: cargo-deny $(CARGO_DENY)"
	@cargo install --quiet --locked --debug --version $(CARGO_DENY) --root target/tools/cargo-deny-$(CARGO_DENY) \
		--target-dir target/tools/build cargo-deny
	@rm -rf target/tools/build
