package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// leakless fails a test run that leaves goroutines behind.
type leakless struct{ *testing.M }

func (m leakless) Run() int {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // scripts mostly wait for other programs
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// testPrograms are the programs that tests can execute, by name.
var testPrograms = map[string]func(){"ramai": main}

func TestMain(m *testing.M) {
	// With the race detector, a program sleeps for a second before it exits, so that other goroutines can report races. The
	// scripts start hundreds of programs.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=10")
	testscript.Main(leakless{m}, testPrograms)
}
