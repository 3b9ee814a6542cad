# What a newcomer needs: "make run" and "make test". "make help" lists the rest.

# The program is one static file: no C compiler is needed to build it.
export CGO_ENABLED := 0

# The version is in the code; asking git for one fails in a work tree of another user.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# Where "make run" listens and keeps its sample data.
ADDR      ?= 127.0.0.1:8080
SAMPLE_DB ?= $(CURDIR)/.cache/sample.db

BINARY  := bin/feedback-loop
DIST    := internal/ui/dist/index.html
MODULES := web/node_modules/.package-lock.json
WEB_SRC := $(shell find web -mindepth 1 \( -path web/node_modules -o -path web/test \) -prune -o -print)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build $(SAMPLE_DB) ## build everything and serve pages of sample data (ADDR=127.0.0.1:8080)
	@$(BINARY) serve --db sqlite:///$(SAMPLE_DB) --addr $(ADDR)

.PHONY: test
test: ## run all tests, browser included; installs what they need
	@scripts/test

.PHONY: check
check: ## the inner loop: format, linters, floors, tests without browser, races in what changed
	@scripts/check

.PHONY: bench
bench: ## measure speed and memory against other tools on this machine
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./internal/bench/...

.PHONY: build
build: web ## build the program with its web app into bin/
	go build -trimpath -o $(BINARY) ./cmd/feedback-loop

.PHONY: web
web: $(DIST)

.PHONY: clean
clean: ## remove everything that was built, and the sample data
	rm -rf bin .cache web/node_modules
	find internal/ui/dist -mindepth 1 -not -name .gitkeep -delete

$(MODULES): web/package.json web/package-lock.json
	scripts/npm ci --no-audit --no-fund
	@touch $@

$(DIST): $(MODULES) $(WEB_SRC)
	scripts/npm run --silent build
	@touch $@

# Built beside its place and moved there when whole: a stopped "make run" must
# not leave half of the data for the next one.
$(SAMPLE_DB): | build
	@mkdir -p $(@D)
	@rm -f $@.new $@.new-wal $@.new-shm
	$(BINARY) sample --db sqlite:///$@.new
	@mv $@.new $@
