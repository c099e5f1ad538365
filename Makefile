# The commands of this repository. Each works alone on a fresh machine with Rust, a C compiler and Python, and gets the rest itself.

.PHONY: help demo demo-train up test proofs lint fuzz metrics docs openapi bench
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run a real BETO job over a table of comments, then stop everything
	@.make/demo.sh

demo-train: ## Train a Boltzmann machine on the comments, audit it and promote it, then stop everything
	@.make/demo-train.sh

up: ## The same as demo, and leave the server and a worker running until Ctrl-C
	@.make/demo.sh --stay

test: ## Run every test but the slow ones
	@.make/test.sh

proofs: ## Run the slow tests: those that train models
	@.make/proofs.sh

fuzz: ## Try every route with requests made from the API document
	@.make/fuzz.sh

metrics: ## Check the metrics, the alert rules and the dashboard as Prometheus reads them
	@.make/metrics.sh

lint: ## Check formatting and lints
	@.make/lint.sh

docs: ## Build the documentation of the code
	@.make/docs.sh

openapi: ## Write the API document to docs/openapi.json
	@.make/openapi.sh

bench: ## Measure the orchestrator beside Celery, and its lists (release build)
	@.make/bench.sh
