# make test   everything that CI checks; installs missing tools on Debian
# make race-all  all tests but those in the browser with the race detector; make test leaves out some where it would find nothing
# make browser-all  the page in a browser, each test on a laptop and a phone; make test leaves out the longest, and runs the others on one of them
# make fuzz   every fuzz target for FUZZTIME (default 60s; 20000x is a number of executions); make shortfuzz runs each for a moment
# make build  the static binary, bin/ramai
# make deb    a Debian package, bin/ramai_*.deb; as root, also installs it once into a separate root
# make conformance  the cases of the Autobahn test suite as they are published; make test plays all of them with shorter messages, and fewer
# make hostile  the matrix of hostile inputs, a thousand at once of each
# make attack the latency of honest clients before and during an attack from one address; two minutes
# make faults a cluster grows to five members, and members of a cluster fail in many ways, for FAULTTIME (default 20m); as root, also with a full disk
# make docs   the animations in the README and docs/MODERATING.md, the pictures of docs/TERMINAL.md, and screenshots of the page
# make looks  pictures of the page's views, on a phone and a laptop, light and dark, in bin/screens
# make vendor regenerates the page's third-party files
# make bench  compares ramai with other servers, in all cases; CASES="fanout talk" BENCHFLAGS="--rounds 3" runs fewer

GO ?= go
FUZZTIME ?= 60s
FAULTTIME ?= 20m
SHORTFUZZ ?= 300x
MESSAGES ?= 1000
STATICCHECK = $(GO) tool -modfile=tools/staticcheck.mod staticcheck

.PHONY: test faults conformance hostile attack deb build tools format vet race race-all sequential page browser browser-all terminal paths shortfuzz fuzz cross bench docs looks vendor

# One after the other: tests that start programs wait longer than they may on busy processors.
test: tools format vet page terminal race sequential browser paths cross $(if $(shell command -v dpkg-deb),deb)

# The package of a test is thrown away.
test: export DEBCOMPRESSION = -Zgzip -z1

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ramai ./cmd/ramai

deb: build
	@package=$$(packaging/build.sh) && if [ "$$(id -u)" = 0 ]; then packaging/test.sh "$$package"; else echo "$$package"; fi

# Run it on an otherwise idle machine. See bench/README.md.
bench: bench/peers/node_modules
	$(GO) run ./bench $(BENCHFLAGS) $(CASES)

bench/peers/node_modules: bench/peers/package-lock.json
	cd bench/peers && npm ci --no-audit --no-fund

# The race detector needs a C compiler; tests run the documents' commands, proxies, strace, ssh and tmux. RUNLEVEL=1 prevents the
# installed services from starting.
tools:
	@missing=; for tool in gcc curl nginx haproxy apache2 caddy strace chromium-headless-shell ssh tmux python3; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	test -z "$$missing" || { apt-get update -q && \
	  RUNLEVEL=1 apt-get install -y -q --no-install-recommends libc6-dev $$(echo $$missing | sed 's/\bssh\b/openssh-client/; s/\bapache2\b/apache2-bin/'); }

format:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; }

vet:
	$(GO) vet ./...
	$(STATICCHECK) ./...

# SQLite is C translated to Go, and does not use Go's memory: under the race detector it takes four times as long, and the
# detector can find nothing in it. Packages with instances of generic functions cannot be left out: the linker keeps one copy of
# each instance, and a copy without the detector causes false reports elsewhere.
# Its pointers are checked by its authors, and not once more at each access. The same holds for the hash of passwords.
UNWATCHED = $(foreach p,modernc.org/sqlite/lib golang.org/x/crypto/argon2 golang.org/x/crypto/blake2b,'-gcflags=$p=-race=false -d=checkptr=0')
RACE = -race '-gcflags=modernc.org/...=-d=checkptr=0' $(UNWATCHED) -shuffle=on

# Packages whose code and tests start no goroutine, which TestSequentialPackagesStartNoGoroutines checks: the race detector finds
# nothing in them. session, for example, is stepped by its tests, and runs concurrently in those of server. The tests of cmd/ramai
# start the program, hundreds of times. Its parts are tested with the detector in server, client, and the transports.
SEQUENTIAL = internal/atomicfile internal/commands internal/httpfield internal/layers internal/names internal/nearest internal/origin internal/qr internal/session internal/tokenize wire
PLAIN = $(addprefix ./,cmd/ramai $(SEQUENTIAL))

# Tests that step a screen or a store in their own goroutine, or play hundreds of cases to code that other tests run with the race
# detector, and that take ten times as long under it, are run without it, in the packages of UNRACED_IN. TestUnracedTests checks that
# no other package has a test of these names.
UNRACED = TestStore TestCommitInDoubt TestDragged TestFullWindow TestPanelRows TestPlainBack TestSelect FuzzScreen TestServer TestClient \
  TestDeflatedServerList TestDeflatedClientList
UNRACED_IN = internal/store/memory internal/store/sqlite internal/tui internal/reactor/echo
empty :=
unraced = $(subst $(empty) $(empty),|,$(strip $(foreach t,$(UNRACED),^$(subst /,$$/^,$t)$$)))

# The packages that take longest come first, so that no processor waits for them in the end. make vet has checked all of them.
race:
	$(GO) test -vet=off $(RACE) -skip '$(unraced)' ./server ./internal/store/sqlite $$($(GO) list ./... | grep -vxF "$$($(GO) list ./internal/web/page/browser $(PLAIN))")

sequential:
	$(GO) test -vet=off -shuffle=on $(PLAIN)
	$(GO) test -vet=off -shuffle=on -run '$(unraced)' $(addprefix ./,$(UNRACED_IN))

race-all:
	$(GO) test $(RACE) $$($(GO) list ./... | grep -v /page/browser$$)

# Tests of the page that take longest, and those about how it looks where little changes. make browser-all runs them.
BROWSER_ALL = TestEndOfLesson TestFontSize TestForcedColors TestHide TestJumpToOriginal TestMemory TestMemoryDrawn TestModerationIndonesian \
  TestRefusedChange TestReport TestRoomsRemember TestScreenSizes TestSearchByPersonAndDate TestSecondDevice TestSlowNetwork TestStage TestStageVotes \
  TestTopicAndPins TestUndoErasure TestUndoModerator TestZoom

# The page in a browser. This occupies two processors, so it runs alone, and without the race detector: server and session are
# tested with it above.
browser:
	$(GO) test -vet=off -shuffle=on -short -skip '^($(subst $(empty) $(empty),|,$(strip $(BROWSER_ALL))))$$' ./internal/web/page/browser

browser-all:
	$(GO) test -vet=off -shuffle=on ./internal/web/page/browser

# Checks the page's types and third-party files, and tests its parts that need no browser.
page: tools/page/node_modules
	cd tools/page && node vendor.mjs --check && npx tsc -p . && node --test --test-reporter=dot .

vendor: tools/page/node_modules
	cd tools/page && node vendor.mjs

tools/page/node_modules: tools/page/package-lock.json
	cd tools/page && npm ci --no-audit --no-fund
	@touch $@

# Compares the output of the terminal client with what a terminal makes of it.
terminal: tools/terminal/node_modules
	$(GO) test -vet=off ./internal/tui -count=1 -run '^TestJudge' -judge $(CURDIR)/tools/terminal/judge.mjs

tools/terminal/node_modules: tools/terminal/package-lock.json
	cd tools/terminal && npm ci --no-audit --no-fund
	@touch $@

docs:
	$(GO) run ./tools/cast
	RAMAI_SCREENS=$(CURDIR)/bin/screens $(GO) test ./internal/web/page/browser -count=1 -run '^TestReadme$$'
	cp bin/screens/page-laptop.png bin/screens/page-phone.png docs/

looks:
	RAMAI_SCREENS=$(CURDIR)/bin/screens $(GO) test ./internal/web/page/browser -count=1 -run '^TestLooks$$'

# Prints how many connections each path of the reactor served in its tests, which fail if a path served none.
paths:
	@out=$$($(GO) test -vet=off -count=1 -v -run '^TestReactor$$' ./internal/reactor) || { echo "$$out"; exit 1; }; \
	echo "$$out" | grep -o 'reactor: .* served .*'

# MESSAGES is the number of messages of each case of 9.7, 9.8, 12 and 13.
conformance:
	$(GO) test ./internal/reactor/echo -count=1 -timeout 4h -run '^(TestServer|TestClient|TestDeflatedServerList|TestDeflatedClientList)$$' -messages $(MESSAGES)
	$(GO) test ./server ./client -count=1 -run '^(TestList|TestDeflatedList)$$'

hostile:
	$(GO) test ./server -count=1 -v -run '^TestHostile$$' -crowd 1000

# FAULT=partition runs one fault alone, which cmd/ramai/faultlist_test.go names.
faults:
	$(GO) test ./cmd/ramai -count=1 -v -run '^(TestFaults|TestClusterGrows)$$' -timeout 2h -faults $(FAULTTIME) $(if $(FAULT),-fault $(FAULT)) $(if $(SEED),-fault-seed $(SEED))

# Run it on an otherwise idle machine. Each case takes six seconds.
attack:
	$(GO) test ./server -run '^$$' -bench '^BenchmarkUnderAttack$$' -benchtime 1x -timeout 5m

cross:
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/ramai
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/ramai

# Fuzz targets are found by grep, so that none is forgotten. Each package is built once for all of its targets. A run that
# reaches its time limit may fail with only "context deadline exceeded", which is accepted.
# The short run starts from the seeds alone: the inputs that long runs have found would count, and each is run again first.
shortfuzz:
	@found=$$(mktemp -d); trap 'rm -rf "$$found"' EXIT; \
	$(MAKE) --no-print-directory fuzz FUZZTIME=$(SHORTFUZZ) FUZZFLAGS=-test.fuzzminimizetime=10x FUZZCACHE="$$found"

fuzz:
	@set -e; bin=$$(mktemp -d); trap 'rm -rf "$$bin"' EXIT; cache="$(FUZZCACHE)"; cache="$${cache:-$$($(GO) env GOCACHE)/fuzz}"; \
	grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  $(GO) test -vet=off -c -fuzz=Fuzz -o "$$bin/fuzz" $$dir; package=$$($(GO) list $$dir); \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | sed 's/func //'); do \
	    echo "fuzz $$dir $$target"; \
	    out=$$(cd $$dir && "$$bin/fuzz" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$cache/$$package" $(FUZZFLAGS) 2>&1) || \
	      test "$$(echo "$$out" | grep -vE '^(fuzz: elapsed|--- FAIL: Fuzz|FAIL|exit status 1$$)')" = '    context deadline exceeded' || \
	      { echo "$$out"; exit 1; }; \
	    echo "$$out" | grep '^fuzz: elapsed' | tail -n 1; \
	  done; \
	done
