# `make` lists what there is. Settings (PORT, STRIPE_PORT, KAFKA, …) come from the environment, `.env`,
# or the command line: `make run PORT=1234`.

.DEFAULT_GOAL := help
.PHONY: help doctor run demo shop kafka test test-kafka test-postgres benchmark benchmark-large simulate mutants fuzz fuzz-openapi drill sam-local test-sam-local check-aws deploy configure console smoke screenshots contracts-diff lint lock audit sbom clean

# A shim of pyenv can exist and fail, so each Python is tried.
WORKING_PYTHON = for python in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13 \
	python3.14 python3.12 python3.11 python3; do \
	if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo "$$python"; break; fi; done

PYTHON := .venv/bin/python
PIP := pip install --quiet --disable-pip-version-check --require-hashes
LOCK := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes
APACHE_ONLY := $(patsubst %,tests/integration/test_%.py,apache_kafka compose kafka_sign_in topics) \
	$(patsubst %,tests/end_to_end/test_%.py,apache_kafka_killed frozen three_nodes)
# What Kafka does makes a difference to these. All others only publish to it, or are given what was published.
WITH_BROKER := $(patsubst %,tests/integration/test_%.py,bad_records delivery local_kafka_rebalance \
	local_kafka_trigger local_kafka_unreachable outbox_rows reconciler requests restore self_check setup tracing \
	triggers webhook_to_credit)
WITH_SQL := $(patsubst %,tests/integration/test_%.py,accounts corrections crediting delivery erasure ledger_move limits \
	operations parked_records previous_release reconciler requests restore reversals roles setup stripe_books \
	verification webhook_to_credit)
CHECKED := functions layers/common/checkout local stripe_simulator deployment simulation tests benchmarks examples

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 25

doctor: ## Say what this machine has, what it lacks, and what that would enable; installs nothing
	@python=$(PYTHON); [ -x "$$python" ] || python=$$($(WORKING_PYTHON)); \
	if [ -z "$$python" ]; then echo "Python 3.11 or later is needed, 3.13 at best." >&2; exit 1; fi; \
	exec "$$python" -m local.doctor

run: .venv/run.stamp ## Start everything on this machine and keep serving
	@exec $(PYTHON) -m local run

demo: .venv/run.stamp ## Make one whole purchase and check the balance
	@exec $(PYTHON) -m local demo

shop: .venv/examples.stamp ## Run a small application with users of its own, for which `make run` is then the checkout
	@exec $(PYTHON) -m examples.own_table

kafka: .venv/run.stamp ## Run Apache Kafka (needs Java and Maven); KAFKA=apache makes run and demo use it
	@exec $(PYTHON) -m local kafka

test: .venv/dev.stamp ## Run the tests and measure coverage; a running stack is not touched
	@$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --cov \
		$(foreach part,tests/simulation tests/infrastructure tests/sam_local $(APACHE_ONLY),--ignore $(part))

test-kafka: .venv/dev.stamp ## Run the tests of what Kafka does against Apache Kafka (needs Java and Maven)
	@KAFKA=apache $(PYTHON) -m pytest -n 3 --dist loadfile --timeout 240 $(APACHE_ONLY) $(WITH_BROKER)

test-postgres: .venv/dev.stamp ## Run the tests of the SQL on every other installed PostgreSQL from 15 on
	@for version in $$($(PYTHON) -m tests.support.postgres); do echo "PostgreSQL $$version"; \
		POSTGRES=$$version $(PYTHON) -m pytest -n 3 --dist loadfile $(WITH_SQL) || exit 1; done

benchmark: .venv/dev.stamp ## Measure the speed next to simpler designs and the limit; ten minutes
	@$(PYTHON) -m pytest --quiet --capture no benchmarks

benchmark-large: .venv/dev.stamp ## Measure what speed is kept with 10,000,000 entries and 1,000,000 payments; a few minutes, 20 GB
	@$(PYTHON) -m pytest --quiet --capture no benchmarks/large_tables.py

simulate: .venv/dev.stamp ## Play worlds with all faults (SEEDS=10000; SEED= repeats one), die at every step, take every order of events
	@$(PYTHON) -m simulation $(and $(SEEDS),--seeds $(SEEDS)) $(and $(FIRST),--first $(FIRST)) \
		$(and $(SEED),--seed $(SEED)) $(and $(STEPS),--steps $(STEPS)) $(and $(MENDED),--mended $(MENDED))
	@$(if $(SEED),,$(PYTHON) -m pytest -n 3 --dist loadfile tests/simulation)

mutants: .venv/dev.stamp ## Put each known mistake into the money code, and see what catches it (ABOUT=outbox selects some; ONLY=tests or worlds)
	@$(PYTHON) -m tests.mutants $(and $(ONLY),--only $(ONLY)) $(ABOUT)

fuzz: .venv/dev.stamp ## Send 50,000 generated inputs to a stack of its own; ten minutes (SEED= repeats a run, INPUTS= limits it)
	@$(PYTHON) -m tests.fuzz $(and $(SEED),--seed $(SEED)) $(and $(INPUTS),--inputs $(INPUTS))

fuzz-openapi: .venv/dev.stamp ## Send 5,000 requests that are made from docs/openapi.json to a stack of its own (SEED= repeats a run, EXAMPLES=)
	@$(PYTHON) -m tests.contracts.fuzzing $(and $(SEED),--seed $(SEED)) $(and $(EXAMPLES),--examples $(EXAMPLES))

drill: .venv/dev.stamp ## Delete 20,000 of a million ledger entries, and restore them although the search is killed twice
	@DRILL_PAYMENTS=1000000 $(PYTHON) -m pytest --quiet tests/integration/test_restore_drill.py

sam-local: .venv/dev.stamp ## Start everything with the functions in Lambda's own containers (needs Docker)
	@exec $(PYTHON) -m local sam

test-sam-local: .venv/dev.stamp ## Make a top-up in Lambda's own containers, and invoke every sample event (needs Docker)
	@$(PYTHON) -m pytest --timeout 300 tests/sam_local

check-aws: .venv/dev.stamp .venv/checkov.stamp .venv/ministack.stamp ## Check the templates and what is built from them, without an account
	@echo "Validating the templates"
	@SAM_CLI_TELEMETRY=0 $(PYTHON) -m samcli validate
	@SAM_CLI_TELEMETRY=0 $(PYTHON) -m samcli validate --lint
	@echo "Checking what the templates become"
	@$(PYTHON) -m tests.infrastructure.written .aws-sam/checked
	@.venv/checkov/bin/checkov --config-file infrastructure/checkov.yaml -d .aws-sam/checked
	@$(PYTHON) -m pytest -n 2 --dist loadfile tests/infrastructure

deploy: .venv/dev.stamp ## Check, build and deploy: ENV=dev, staging or prod (ONLY=infrastructure; YES=--yes skips the question; TAGS="Team=pay")
	@$(PYTHON) -m deployment deploy $(or $(ENV),dev) $(YES) $(if $(BUILT),--built $(BUILT)) $(if $(ONLY),--only $(ONLY)) $(if $(TAGS),--tags '$(TAGS)') \
		$(if $(ROLE),--role-arn $(ROLE))

configure: .venv/dev.stamp ## Give a stack on AWS its Stripe key and its webhook endpoint: STACK=its name
	@$(PYTHON) -m deployment configure $(or $(STACK),$(error STACK is not set: make configure STACK=checkout-dev)) \
		$(if $(LEAKED),--leaked)

console: .venv/dev.stamp ## Open the operators' console of a stack on AWS: STACK=its name; make run has its own
	@$(PYTHON) -m deployment console $(or $(STACK),$(error STACK is not set: make console STACK=checkout-dev))

smoke: .venv/dev.stamp ## Prove that a stack works: STACK=its name on AWS; without STACK, the one on this machine
	@$(PYTHON) -m deployment smoke $(STACK)

screenshots: .venv/dev.stamp ## Take the pictures of the docs anew (needs Chromium)
	@$(PYTHON) -m tests.end_to_end.screenshots

contracts-diff: .venv/dev.stamp ## List what has broken in docs/openapi.json and docs/asyncapi.json since REF= (the last tag)
	@$(PYTHON) -m tests.contracts $(REF)

lint: .venv/dev.stamp ## Check style, formatting and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@echo "Checking the types of $(CHECKED)"
	@$(PYTHON) -m mypy $(CHECKED)

# The most constrained first, whose versions the others take.
lock: .venv/dev.stamp ## Pin the packages of the *.in files with their hashes; UPGRADE=--upgrade takes the newest
	@echo "Resolving the packages of seven files"
	@$(LOCK) $(UPGRADE) requirements-dev.in -o requirements-dev.txt
	@$(LOCK) local/requirements.in -c requirements-dev.txt -o local/requirements.txt
	@$(LOCK) layers/common/requirements.in -c requirements-dev.txt -o layers/common/requirements.txt
	@$(LOCK) examples/requirements.in -c requirements-dev.txt -o examples/requirements.txt
	@$(LOCK) $(UPGRADE) infrastructure/checkov.in -o infrastructure/checkov.txt
	@$(LOCK) $(UPGRADE) infrastructure/ministack.in -o infrastructure/ministack.txt
	@$(LOCK) $(UPGRADE) .github/audit.in -o .github/audit.txt

audit: .venv/audit.stamp ## Check all pinned packages for known vulnerabilities
	@for lock in requirements-dev.txt infrastructure/checkov.txt infrastructure/ministack.txt .github/audit.txt; do \
		echo "Looking up the packages of $$lock"; \
		.venv/audit/bin/pip-audit --require-hashes --disable-pip --requirement $$lock || exit 1; done

sbom: .venv/audit.stamp ## Write sbom.json, the packages on Lambda in CycloneDX format
	@.venv/audit/bin/cyclonedx-py requirements layers/common/requirements.txt --pyproject pyproject.toml \
		--output-reproducible -o sbom.json

clean: ## Delete all data of the local stack, unless it runs
	@python=$(PYTHON); [ -x "$$python" ] || python=$$($(WORKING_PYTHON)); \
	[ -z "$$python" ] || "$$python" -m local.clean || exit 1; rm -rf .local

.venv/bin/python:
	@python=$$($(WORKING_PYTHON)); \
	if [ -z "$$python" ]; then echo "Python 3.11 or later is needed, 3.13 at best." >&2; exit 1; fi; \
	echo "Setting up .venv with $$("$$python" --version)"; "$$python" -m venv .venv

.venv/run.stamp: .venv/bin/python layers/common/requirements.txt local/requirements.txt
	@echo "Installing what the stack needs"
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip --default-pip
	@$(PYTHON) -m $(PIP) -r local/requirements.txt
	@touch $@

.venv/examples.stamp: .venv/run.stamp examples/requirements.txt
	@echo "Installing what the sample application needs"
	@$(PYTHON) -m $(PIP) -r examples/requirements.txt
	@touch $@

# Separate, since they pin other versions.
.venv/checkov.stamp: .venv/bin/python infrastructure/checkov.txt
	@echo "Installing checkov"
	@$(PYTHON) -m venv .venv/checkov
	@.venv/checkov/bin/python -m $(PIP) -r infrastructure/checkov.txt
	@touch $@

.venv/ministack.stamp: .venv/bin/python infrastructure/ministack.txt
	@echo "Installing MiniStack"
	@$(PYTHON) -m venv .venv/ministack
	@.venv/ministack/bin/python -m $(PIP) -r infrastructure/ministack.txt
	@touch $@

.venv/audit.stamp: .venv/bin/python .github/audit.txt
	@echo "Installing the check for known vulnerabilities"
	@$(PYTHON) -m venv .venv/audit
	@.venv/audit/bin/python -m $(PIP) -r .github/audit.txt
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@echo "Installing what tests and checks need"
	@$(PYTHON) -m $(PIP) -r requirements-dev.txt
	@touch $@
