package sqlite

import (
	"crypto/rand"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
)

func TestMain(m *testing.M) {
	syncing = false
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
	eventlogtest.Run(t, func(t *testing.T) eventlogtest.Location {
		dir := t.TempDir()
		return eventlogtest.Location{Keeps: true, Open: func() eventlog.Store {
			s, err := Open(dir, quiet)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	})
}
