# `make test` needs only Go. `make services` (Debian, root) installs and starts
# Redis, PostgreSQL and Chromium; tests that need one skip loudly without it.
GO      ?= go
MODULES := . gateway examples internal/integration internal/peers
LINTER  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.9.0
TOOLS   := $(CURDIR)/.tools
# The race detector needs cgo and a C compiler; CI requires it.
RACE    := $(if $(and $(filter 1,$(shell $(GO) env CGO_ENABLED)),$(shell command -v $(firstword $(shell $(GO) env CC)))),-race)
ifneq (,$(findstring race,$(RAMPART_REQUIRE)))
ifeq (,$(RACE))
$(error RAMPART_REQUIRE names race, but there is no C compiler)
endif
endif
# COVERDIR=dir makes `make test` leave coverage data there for `make cover`.
SQL     := github.com/ecolaura/rampart/auth/authsql,github.com/ecolaura/rampart/apikey/apikeysql,github.com/ecolaura/rampart/feed/feedsql,github.com/ecolaura/rampart/crypto/column

# Workspace mode would let the nested modules' requirements change what is tested.
export GOWORK := off
# A module that users get has no replace, so it is built in a workspace of its own.
IN = cd $(1) && export GOWORK=$$($(CURDIR)/scripts/work.sh .) &&

.PHONY: test services cover lint format tidy vuln fuzz bench bench-peers bars

test:
ifdef COVERDIR
	mkdir -p $(COVERDIR)
	$(GO) test $(RACE) -timeout 30m -shuffle=on -cover ./... -args -test.gocoverdir=$(abspath $(COVERDIR))
	$(call IN,gateway) $(GO) test $(RACE) -timeout 30m -shuffle=on -cover ./... -args -test.gocoverdir=$(abspath $(COVERDIR))
	cd internal/integration && $(GO) test $(RACE) -timeout 30m -shuffle=on -coverpkg=$(SQL) ./... -args -test.gocoverdir=$(abspath $(COVERDIR))
else
	$(GO) test $(RACE) -timeout 30m -shuffle=on ./...
	$(call IN,gateway) $(GO) test $(RACE) -timeout 30m -shuffle=on ./...
	cd internal/integration && $(GO) test $(RACE) -timeout 30m -shuffle=on ./...
endif
	cd examples && $(GO) test $(RACE) -timeout 30m -shuffle=on ./...
	cd internal/peers && $(GO) test $(RACE) -timeout 30m -shuffle=on ./...

services:
	scripts/services.sh

# Every public package must reach the floor; …test packages are test code.
cover:
	scripts/coverage.sh $(COVERDIR) 95

format:
	test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	for m in $(MODULES); do ($(call IN,$$m) $(GO) fix -diff ./... && $(CURDIR)/scripts/tidy.sh . -diff) || exit 1; done

tidy:
	for m in $(MODULES); do scripts/tidy.sh $$m || exit 1; done

lint: $(TOOLS)/golangci-lint
	for m in $(MODULES); do ($(call IN,$$m) $(GO) vet ./... && $(TOOLS)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) $(GO) install $(LINTER)

vuln:
	for m in $(MODULES); do ($(call IN,$$m) $(GO) run $(VULN) ./...) || exit 1; done

# FUZZTIME is spent on each fuzz target.
FUZZTIME ?= 10s
fuzz:
	scripts/fuzz.sh $(FUZZTIME)

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Ours, the peers and a standard-library floor, in one run.
bench-peers:
	cd internal/peers && $(GO) run ./cmd/table

# What bars ask for with the race detector.
RACED := TestAHandlerThatWritesIntoItsHeaderChangesNoOtherAnswer|TestNoSliceIsSharedBetweenRequests|TestRevocationsRaceWithWarmReads|TestAPIKeySQLRaces|TestConcurrentRefreshesHaveOneSuccessor

# What is too long for CI: all of it without the race detector and one package at
# a time, since much of it measures; then the above with it; then the fuzz targets.
bars:
	for m in $(MODULES); do ($(call IN,$$m) RAMPART_BARS=1 $(GO) test -p 1 -timeout 3h ./...) || exit 1; done
	for m in $(MODULES); do ($(call IN,$$m) RAMPART_BARS=1 $(GO) test $(RACE) -timeout 2h -run '^($(RACED))$$' ./...) || exit 1; done
	scripts/fuzz.sh 10m
