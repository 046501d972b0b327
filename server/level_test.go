package server

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
)

// TestLevel: a server that runs alone raises the level of its data to that of the program. A folder with a higher level is
// refused.
func TestLevel(t *testing.T) {
	cfg := Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.DiscardHandler), true
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(cfg.Data, sqlite.Options{Random: rand.Reader, Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := store.Level(), eventlog.Current.Level(); got != want {
		t.Errorf("the level is %d, want %d", got, want)
	}
	raise := eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: 1000}}
	if _, err := store.Apply(&eventlog.Batch{At: 1, Commands: []eventlog.Command{raise}}, store.Position()+1); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = New(cfg); !errors.Is(err, eventlog.ErrLevel) || !strings.Contains(err.Error(), "1000") || !strings.Contains(err.Error(), "install") {
		t.Fatalf("the server starts on newer data: %v, %v", s, err)
	}
}
