# `make test` needs only Go. `make services` (Debian, root) installs and starts
# Redis, PostgreSQL, Chromium and proxies; tests that need one skip loudly without it.
GO      ?= go
MODULES := examples internal/integration . gateway monitor/otel monitor/prom cmd/rampart internal/peers
LINTER  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.9.0
APIDIFF := golang.org/x/exp/cmd/apidiff@v0.0.0-20261113113407-e3970619a1a4
TOOLS   := $(CURDIR)/.tools
# The race detector needs cgo and a C compiler; CI requires it.
RACE    := $(if $(and $(filter 1,$(shell $(GO) env CGO_ENABLED)),$(shell command -v $(firstword $(shell $(GO) env CC)))),-race)
ifneq (,$(findstring race,$(RAMPART_REQUIRE)))
ifeq (,$(RACE))
$(error RAMPART_REQUIRE names race, but there is no C compiler)
endif
endif
# COVERDIR=dir makes `make test` leave coverage data there for `make cover`.
SQL     := github.com/ecolaura/rampart/auth/authsql,github.com/ecolaura/rampart/auth/authdjango,github.com/ecolaura/rampart/apikey/apikeysql,github.com/ecolaura/rampart/feed/feedsql,github.com/ecolaura/rampart/incident/incidentsql,github.com/ecolaura/rampart/throttle/throttlesql,github.com/ecolaura/rampart/crypto/column
COVER_.                    := -cover
COVER_gateway              := -cover
COVER_monitor/otel         := -cover
COVER_monitor/prom         := -cover
COVER_cmd/rampart          := -cover
COVER_internal/integration := -coverpkg=$(SQL)

# Workspace mode would let the nested modules' requirements change what is tested.
export GOWORK := off
# A module that users get has no replace, so it is built in a workspace of its own.
IN = cd $(1) && export GOWORK=$$($(CURDIR)/scripts/work.sh .) &&

.PHONY: test services cover lint format tidy vuln fuzz bench bench-peers bars faults apidiff $(MODULES:%=test/%) $(MODULES:%=race/%)

# Each test runs once, with the race detector where it can find something. That makes
# computing up to ten times slower, and sees nothing in what one goroutine does, nor
# in what other processes and browsers do: those tests run without it.
UNRACED_PACKAGES := rampart/attack|internal/deptest|integration/alerts|sanitize|sanitize/markup|gateway/cmd/gateway|internal/integration/kong
UNRACED_. := \
	TestEachWeaknessAloneGivesExactlyItsFinding TestWeaknessesSideBySideGiveTheirFindings TestHashesOfDjango TestStoredHashesAreReadStrictly \
	TestARequestCostsFewAllocations TestRecordedRequests TestNoJunkIsDearerThanAGoodToken TestATokenOpensNowhereElse \
	TestPythonOpensOursAndWeOpenPythons TestANameWithoutAnAccountCostsWhatTheTableDoes TestAnUnknownNameTakesAsLongAsAnImportedAccount \
	TestAStormOfFirstLogInsSucceeds
UNRACED_internal/integration := \
	TestChromiumJudgesAsCheckDoes TestChromiumKeepsCookiesAsTheTableSays TestChromiumRunsNothingOfWhatIsCleaned TestChromiumKeepsWhatIsCleanedInItsContainer \
	TestChromiumShowsWhatIsCleanedAsItWas TestChromiumHasNothingToSayOfPagesUnderPresetWeb \
	TestChromiumKnowsEveryDirectiveAndKeywordThatWeTake TestChromiumsReportsReachTheCollector \
	TestConcurrentRefreshesInFourProcessesHaveOneSuccessor TestRevocationReachesThreeProcessesWithinASecond \
	TestWithoutRedisThePolicyHoldsAndNothingHangs TestThrottleFourProcessesLetExactlyTheLimitPass \
	TestThrottleProcessesThatAreKilledAndRestartedKeepTheCount \
	TestThrottleBusyProcessesLetExactlyTheLimitPassWhileRedisIsHealthy TestThrottleAProcessThatWasFrozenTakesNoOutageFromIt TestSimplejwtTakesOursAndWeTakeItsTokens \
	TestAuthSQLMigratesInSeveralProcessesAtOnce TestFeedSQLMakesItsTableInSeveralProcessesAtOnce \
	TestFeedSQLSurvivesKill9 TestReencryptLosesNothing TestThrottleRedisDecidesAsTheOraclesDo \
	TestThrottleRedisDecisionsPerSecond TestFaults TestRoll \
	TestDjangoAndWeEndEachOthersTokens TestDjangoCutOverAndRollBack TestAnOperatorDrivesTheConsole \
	TestAServiceOfExpressThatIsSetWellGivesNoFinding
UNRACED_monitor/prom := TestMeasuringThePublicChainAllocatesOnce
UNRACED_cmd/rampart := TestEachWeaknessAloneIsExactlyWhatTheCommandFinds
UNRACED_examples := \
	TestABadCertificateIsAMistakeOfTheSettings TestAKillUnderLoadLosesNoAcknowledgedWrite \
	TestASigningKeyIsRotatedWhereTheServerManagesIt TestATerminatedServerAnswersTheRequestsUnderWay \
	TestATerminatedServerLosesNoEvent TestAnErasedCustomerLeavesNothingBehind TestAnUnreachableRedisIsToldAtStart \
	TestCounterMeasuresHoldOnEveryInstanceAndOverARestart TestDemoAccountsAreNeverServedToTheWorldUnasked \
	TestInstancesShareLimitsRevocationsAndBlocksThroughRedis TestItServesTLSAndRedirectsPlainHTTP \
	TestItStartsWithNothingAndKeepsEverythingOverARestart TestTheFieldKeyIsRotatedBesideRequests \
	TestTheReadmeTellsTheTruth TestTheRunbookTellsTheTruth TestTwoProcessesOnOneDatabaseShareEverything \
	TestWrongSettingsAreListedAllAtOnce TestEachLayerThatIsTakenOutIsNamed TestStrangersCannotLockTheOwnerOut \
	TestLimitsAreExactAndScale TestEveryPolicyCanBeTightenedAndNoneLocksOperatorsOut \
	TestTheOriginalsRequestsGetTheOriginalsAnswers TestNoBadInputGetsA5xxAndEveryAnswerIsProtected \
	TestOneMistakeHasOneAnswerAtEveryPath TestOperatorsHaveAListenerOfTheirOwn \
	TestALoadBalancerSeesTheDrainBeforeTheListenerCloses TestATerminatedServerDoesNotWaitForAStalledUpload TestATerminatedServerDoesNotWaitForAClientThatReadsNothing \
	TestAStalledLogReaderHoldsUpNothing TestAnAddressThatIsTakenIsASentence TestTheVersionNamesWhatTheProgramWasBuiltWith \
	TestConnectionsToPostgreSQLAreKept TestAnOperatorIsMadeFromTheShell TestACommandThatIsWrongChangesNothing
names = $(subst $() ,|,$(strip $(UNRACED_$*)))

# The modules' tests run beside each other: some compute, and some mostly wait.
test:
	$(if $(COVERDIR),mkdir -p $(COVERDIR))
	$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target \
		$(if $(RACE),$(MODULES:%=race/%)) $(MODULES:%=test/%)

# Without what only a debugger reads, and without vet, which make lint runs.
GOTEST = $(GO) test -timeout 30m -shuffle=on -parallel 8 -vet=off -ldflags=-w $(if $(and $(COVERDIR),$(COVER_$*)),-covermode=atomic $(COVER_$*))
DATA   = $(if $(and $(COVERDIR),$(COVER_$*)),-args -test.gocoverdir=$(abspath $(COVERDIR)))
$(MODULES:%=race/%): race/%:
	@echo "tests of module $*, with the race detector"
	@$(call IN,$*) $(GOTEST) -race $(if $(names),-skip '^($(names))$$') $$($(GO) list ./... | grep -vE '/($(UNRACED_PACKAGES))$$') $(DATA)

# What is left of a module: whole packages, and tests in the others. Without a race
# detector that is everything.
$(MODULES:%=test/%): test/%:
	@echo "tests of module $*"
ifeq (,$(RACE))
	@$(call IN,$*) $(GOTEST) ./... $(DATA)
else
	@$(call IN,$*) for p in $$($(GO) list ./... | grep -E '/($(UNRACED_PACKAGES))$$'); do set -- $$@ $$p; done; \
		test $$# -eq 0 || $(GOTEST) $$@ $(DATA)
	@$(call IN,$*) test -z '$(names)' || $(GOTEST) -run '^($(names))$$' \
		$$(grep -lrE --include='*_test.go' 'func ($(names))\(' . | xargs -n1 dirname | sort -u) $(DATA)
endif

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

apidiff: $(TOOLS)/apidiff
	scripts/apidiff.sh $(TOOLS)/apidiff

$(TOOLS)/apidiff:
	GOBIN=$(TOOLS) $(GO) install $(APIDIFF)

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

# What becomes of three servers when their backends and they themselves hang and die, or
# are replaced behind a proxy; make test has a short part of it.
faults:
	@$(call IN,internal/integration) RAMPART_FAULTS=1 RAMPART_REQUIRE=redis,postgres,proxies $(GO) test -timeout 20m -count=1 -v -run '^(TestFaults|TestRoll)$$' .

# What bars ask for with the race detector.
RACED := TestAHandlerThatWritesIntoItsHeaderChangesNoOtherAnswer|TestNoSliceIsSharedBetweenRequests|TestRevocationsRaceWithWarmReads|TestAPIKeySQLRaces|TestConcurrentRefreshesHaveOneSuccessor

# What is too long for CI: all of it without the race detector and one package at
# a time, since much of it measures; then the above with it; then the fuzz targets.
bars:
	for m in $(MODULES); do ($(call IN,$$m) RAMPART_BARS=1 $(GO) test -p 1 -timeout 3h ./...) || exit 1; done
	for m in $(MODULES); do ($(call IN,$$m) RAMPART_BARS=1 $(GO) test $(RACE) -timeout 2h -run '^($(RACED))$$' ./...) || exit 1; done
	scripts/fuzz.sh 10m
