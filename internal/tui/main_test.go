package tui

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

var (
	update = flag.Bool("update", false, "write the golden screens anew")
	judged = flag.String("judge", "", "the program that judges what reaches a terminal; make terminal gives it")
)

func TestMain(m *testing.M) {
	if os.Getenv(stageVariable) != "" {
		os.Exit(onStage()) // this program is the one in the terminal
	}
	goleak.VerifyTestMain(m)
}
