package sqlite

import (
	"crypto/rand"
	"flag"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/sequencer/local"
)

func TestMain(m *testing.M) {
	syncing = false
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each opens, fills and compares several files
		flag.Set("rapid.checks", "25")
	}
	goleak.VerifyTestMain(m)
}

var quiet = Options{Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}

func withDurability(d Durability) Options {
	opt := quiet
	opt.Durability = d
	return opt
}

func TestStore(t *testing.T) {
	t.Parallel()
	eventlogtest.RunStore(t, fresh)
}

func TestLog(t *testing.T) {
	t.Parallel()
	eventlogtest.RunLog(t, fresh, func() eventlog.Sequencer { return local.New() })
}

func TestSequence(t *testing.T) {
	t.Parallel()
	eventlogtest.RunSequence(t, fresh, 3)
}

// fresh is a new, empty folder.
func fresh(t *testing.T) eventlogtest.Location {
	dir := t.TempDir()
	return eventlogtest.Location{Persistent: true, Open: func() eventlog.Store {
		s, err := Open(dir, quiet)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}}
}
