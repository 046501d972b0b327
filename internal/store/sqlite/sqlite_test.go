package sqlite

import (
	"crypto/rand"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"ramai/internal/journal"
	"ramai/internal/journal/journaltest"
)

func TestMain(m *testing.M) {
	syncing = false
	goleak.VerifyTestMain(m)
}

var quiet = Options{Random: rand.Reader, Log: slog.New(slog.DiscardHandler)}

func with(d Durability) Options {
	opt := quiet
	opt.Durability = d
	return opt
}

func TestStore(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(t *testing.T) journaltest.Place {
		dir := t.TempDir()
		return journaltest.Place{Keeps: true, Open: func() journal.Store {
			s, err := Open(dir, quiet)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	})
}
