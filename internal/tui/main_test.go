package tui

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var (
	update = flag.Bool("update", false, "write the golden screens anew")
	judged = flag.String("judge", "", "the program that judges what reaches a terminal; make terminal gives it")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
