# `make` alone says what there is. ARGS are passed on: make run ARGS="--nodes 5 --duration 30".
.DEFAULT_GOAL := help
.PHONY: lint-web help install install-dev run doctor votes reproduce test lint types pytest bench differential soak-verdicts faults-table test-leftovers image clean
ARGS ?=
BIN := .venv/bin
JOBS ?= 2
TIMES ?= 20
SEED ?= 1
INPUTS ?= 1000000
RUNS ?= 10
SECONDS ?= 600
DIFFERENTIAL := tests/driver/checkers/test_at_level.py tests/driver/checkers/test_differential.py tests/driver/checkers/test_unique_values.py tests/driver/checkers/test_right_histories.py

# $(call step,name,command): says what is done, and names it again if it fails.
step = @echo "== $(1)"; $(2) || { status=$$?; echo "make: step '$(1)' failed" >&2; exit $$status; }

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

install: ## set up what a run needs: packages, .venv, the default server
	@python3 setup/install.py

install-dev:
	@python3 setup/install.py --dev

run: install ## run a cluster behind the monitor and check what its clients saw (SERVE=1: live in a browser)
	@$(BIN)/raftmon run $(if $(SERVE),--serve) $(ARGS)

doctor: install ## check that this machine can run raftmon (tries every kernel feature it needs)
	@$(BIN)/raftmon doctor $(ARGS)

test: lint types pytest ## lint, types, every test (JOBS=2 at a time), and that the tests left nothing behind

lint-web: ## biome on the pages' scripts and styles (fetched by npx from the npm registry)
	npx --yes @biomejs/biome@2 lint --error-on-warnings --skip=suspicious/noRedundantUseStrict driver/report/web driver/serve/web

lint: install-dev ## ruff (docstrings of public names included), formatting, direction of imports
	$(call step,ruff check,$(BIN)/ruff check -q .)
	$(call step,ruff format,$(BIN)/ruff format -q --check .)
	$(call step,lint-imports,$(BIN)/lint-imports --no-logo)

types: install-dev ## mypy, strict
	$(call step,mypy,$(BIN)/mypy)

pytest: export RAFTMON_LEFTOVERS := $(shell date +%s%N)
pytest: install-dev
	@mkdir -p .cache
	$(call step,what is there before,$(BIN)/python -m raftmon.setup.leftovers save .cache/before.json)
	$(call step,pytest,$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS))
	$(call step,what is left after,$(BIN)/python -m raftmon.setup.leftovers compare .cache/before.json)

test-leftovers: install-dev ## kill `raftmon run` TIMES times at random moments: nothing may be left
	$(call step,test-leftovers,$(BIN)/python tests/leftovers_loop.py --times $(TIMES) --seed $(SEED) $(ARGS))

.PHONY: fuzz soak
fuzz: install-dev ## INPUTS hostile inputs for each: packets, codecs, splicer, files' readers, rules, control socket
	$(call step,packets,$(BIN)/python -m tests.fuzz_packets --count $(INPUTS) --seed $(SEED))
	$(call step,codecs,$(BIN)/python -m tests.fuzz_raft --count $(INPUTS) --seed $(SEED))
	$(call step,splicer,$(BIN)/python -m tests.fuzz_splice --count $(INPUTS) --seed $(SEED))
	$(call step,readers of histories and captures,$(BIN)/python -m tests.fuzz_histories --count $(INPUTS) --seed $(SEED))
	$(call step,rules,$(BIN)/python -m tests.fuzz_rules --count $(INPUTS) --seed $(SEED))
	$(call step,control socket,$(BIN)/python -m tests.fuzz_rules --socket --count $(INPUTS) --seed $(SEED))

soak: install ## one run with random faults for SECONDS: memory of each process every 10 s; fails where one grows
	$(call step,soak,$(BIN)/python -m tests.soak --seconds $(SECONDS) --seed $(SEED) -- $(ARGS))

bench: install ## measure the monitor, the decoder and the checkers (docs/benchmarks.md; ARGS go to the first)
	$(call step,the monitor between two nodes,$(BIN)/python -m tests.bench $(ARGS))
	$(call step,decoding,$(BIN)/python -m tests.bench.decode)
	$(call step,kills by a rule,$(BIN)/python -m tests.bench.kills)
	$(call step,checkers,$(BIN)/python -m tests.bench.checkers)
	$(call step,judging beside the old code,$(BIN)/python -m tests.bench.judging)
	$(call step,checkers of transactions,$(BIN)/python -m tests.bench.transactions)

votes: install ## a node whose votes are lost wins no election: etcd, nats, pysyncobj, ovsdb, hashicorp-raft, dqlite (4 minutes)
	$(call step,votes,for s in etcd nats pysyncobj ovsdb hashicorp-raft dqlite; do $(BIN)/pytest -q -s tests/vote_cases.py --system $$s || exit 1; done)

faults-table: install-dev ## every fault on every system, live; fills the table of docs/faults.md (ARGS="--system etcd")
	$(call step,faults,$(BIN)/python -m tests.faults_table --write docs/faults.md $(ARGS))

soak-verdicts: install-dev ## default runs of every system: none may end invalid (RUNS=10 ARGS="etcd nats")
	$(call step,soak-verdicts,$(BIN)/python -m tests.soak_verdicts --times $(RUNS) $(ARGS))

differential: export RAFTMON_DIFFERENTIAL := 170
differential: install-dev ## checkers against brute force on 10,000 random histories each (minutes)
	$(call step,differential,$(BIN)/python -m pytest -q $(DIFFERENTIAL) $(ARGS))

reproduce: install ## play every known bug on stock binaries and write docs/reproduced.md (ARGS="--repeat 5")
	$(call step,reproduce,$(BIN)/raftmon reproduce --all --markdown docs/reproduced.md $(ARGS))

image: ## build the container image
	docker build -t raftmon .

clean: ## remove .venv, caches and server binaries; recorded runs stay (raftmon clean removes those)
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find adapters driver monitor setup \( -name '*.c' -o -name '*.so' \) -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
