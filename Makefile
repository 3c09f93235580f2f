# The two commands of the README are `make demo` and `make test`; both do all their set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
PYTHON ?= python3
BIN := $(abspath $(VENV))/bin
INSTALLED := $(VENV)/.installed
export PATH := $(BIN):$(PATH)
# Or each of the thousands of processes that tests start would compile what it imports, three times the work of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint unit integration tools queue cluster cluster-down e2e campaign bench docs coverage golden lock images clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

# Everything pinned and hashed in requirements.lock, then the project itself without its dependencies.
$(INSTALLED): pyproject.toml requirements.lock
	@bash .ci/environment $(VENV) $(PYTHON)
	@touch $@

demo: $(INSTALLED) ## a whole matrix with the local engine on sample images
	@python -m tests.demo

test: lint ## lint, types, import rules, unit and integration tests
	@# At the same time: those with servers mostly wait, the others have what they leave of the processors.
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	nice -n 10 $(MAKE) --no-print-directory unit >"$$log" 2>&1 & unit=$$!; \
	$(MAKE) --no-print-directory integration; here=$$?; \
	wait $$unit; there=$$?; cat "$$log"; exit $$((here | there))

lint: $(INSTALLED) ## every static check
	ruff check
	ruff format --check
	@# At the same time, one on each core: the local engine runs on macOS, too.
	mypy --platform darwin --cache-dir .mypy_cache/darwin & mypy; here=$$?; wait $$! && exit $$here
	lint-imports
	deptry orchestrator workflows
	interrogate -q orchestrator workflows

unit: $(INSTALLED) ## fast tests, no servers
	python -m pytest tests/unit -n auto --durations=15 --durations-min=2

tools: $(INSTALLED) ## the real tools of the integration tests: registry, skopeo, clamav, argo, …
	python -m tests.tools

integration: tools ## tests against real servers and scanners on loopback
	python -m pytest tests/integration -n 6 --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=2

queue: $(INSTALLED) ## a Kafka broker on this machine, for the queue `kafka`, and the lines of a configuration that uses it
	@python -m tests.tools default-jre-headless maven kafka
	@python -m tests.tools.kafka

cluster: $(INSTALLED) ## a real one-node Kubernetes with Argo on this machine, without Docker (root, Debian, Go)
	@python -m tests.tools --cluster
	@python -m tests.cluster up

cluster-down: $(INSTALLED) ## end it, and leave nothing behind
	@python -m tests.cluster down

e2e: $(INSTALLED) ## end-to-end tests on KUBECONFIG's cluster, or on one that is brought up and down for them
	@python -m tests.tools --cluster --images
	@python -m tests.e2e

campaign: tools ## every test, also the long ones that CI leaves out, and the table fault × layout → outcome
	@python -m tests.tools cosign cosign2 keda
	@python -m tests.campaign

bench: $(INSTALLED) tools ## the benchmarks' table: ratios measured in one run
	@python -m tests.tools kwok
	python -m tests.benchmarks

docs: $(INSTALLED) ## the documentation site, into ./site; a link or anchor that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo "open site/index.html, or serve it while you write: mkdocs serve"

coverage: $(INSTALLED) ## lines and branches that the unit tests run, printed; never a gate
	python -m pytest tests/unit -n auto -q --cov --cov-report=term --cov-report=html:build/coverage

golden: $(INSTALLED) ## rewrite the golden files, then review the diff
	SCANMATRIX_REQUIRE_TOOLS=0 python -m pytest tests/unit -q --update-golden
	git diff --stat

lock: $(INSTALLED) ## resolve the dependencies again into requirements.lock
	uv pip compile -q pyproject.toml --all-extras --group dev --group docs --upgrade --generate-hashes --universal \
	  --python-version 3.11 --custom-compile-command "make lock" -o requirements.lock
	uv pip compile -q pyproject.toml --extra serve --extra controller --extra otel --extra signatures --extra kafka --constraint requirements.lock --generate-hashes --universal \
	  --python-version 3.11 --custom-compile-command "make lock" -o argo-install/requirements.lock
	uv pip compile -q argo-install/build.in --upgrade --generate-hashes --universal \
	  --python-version 3.11 --custom-compile-command "make lock" -o argo-install/build.lock

images: $(INSTALLED) ## look the images of our manifests up at their registries, and write their digests down
	scanmatrix install --update-images argo-install/images.lock

clean: ## remove what the commands above made here
	rm -rf $(VENV) build dist site .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache scanmatrix-data
