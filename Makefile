# The logic is in scripts/, one subject each. Everything sets up what it needs by itself.
#
#   make dev ARGS='--port 8799 --persist-to /tmp/state --var JWT_SECRET:…'
ARGS ?=

.PHONY: help setup build dev check test bench simulate clean
help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: ## get what the machine lacks: wasm target, worker-build, wasm-bindgen, npm packages
	@exec scripts/setup.sh

build: ## compile the Worker to workers/gateway/build, the pages to web/dist
	@scripts/build.sh && exec scripts/build-web.sh

dev: ## run it all on http://127.0.0.1:8787; ARGS go to wrangler dev
	@exec scripts/dev.sh $(ARGS)

check: ## formatting, lints, types, the purity of domain/
	@exec scripts/check.sh

test: ## every test, native and through the built Worker
	@exec scripts/test.sh

bench: ## figures, as ratios against a floor of the same run
	@exec scripts/bench.sh $(ARGS)

SEEDS ?= 1000
simulate: ## whole sales from seeds: SEEDS=1000 [FROM=1], or SEED=n for one
	@exec scripts/simulate.sh $(if $(ARGS),$(ARGS),$(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --from $(or $(FROM),1)))

clean: ## remove what was built; the tools stay
	@rm -rf target workers/*/build web/dist .wrangler .tools/logs .tools/build.stamp
