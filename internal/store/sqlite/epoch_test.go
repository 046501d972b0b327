package sqlite

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"ramai/internal/journal"
	"ramai/wire"
)

// TestImportIsAnEpoch: what is imported is not what somebody heard under the same numbers before, in an epoch that there
// was. A machine may have been set back to a snapshot in between.
func TestImportIsAnEpoch(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	begin := func(name string) {
		t.Helper()
		if _, err := s.Apply(batch(journal.Event{Kind: journal.Restart, EpochName: name}), s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
	begin("one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := uint64(10)
	_, err := Import(dir, "team", rand.Reader, slog.New(slog.DiscardHandler), func() (*wire.Message, error) {
		if n++; n > 13 {
			return nil, io.EOF
		}
		return &wire.Message{N: n, At: 1000, By: "annaannaannaanna", ID: fmt.Sprint(n)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, quiet)
	begin("two")
	for p, want := range map[wire.Position]bool{
		{Epoch: "one", N: 12}: false, {Epoch: "one", N: 3}: false, {Epoch: "one"}: true, {Epoch: "two", N: 12}: true, {Epoch: "two", N: 14}: false,
	} {
		p.Log = s.Log()
		if got := s.Knows("team", &p); got != want {
			t.Errorf("up to %d in epoch %s: known %t", p.N, p.Epoch, got)
		}
	}
}
