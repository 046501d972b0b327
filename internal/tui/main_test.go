package tui

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var (
	update = flag.Bool("update", false, "rewrite the golden screens")
	judged = flag.String("judge", "", "the program that checks what a terminal receives; set by make terminal")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
