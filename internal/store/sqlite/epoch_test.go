package sqlite

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestImportBeginsEpoch: imported messages are in an epoch of their own, because clients may have received other messages
// under the same numbers. A machine may have been reset to a snapshot in between.
func TestImportBeginsEpoch(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	begin := func(name string) {
		t.Helper()
		if _, err := s.Apply(batch(eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, After: s.Incarnation(eventlog.LocalNode), Nonce: name}}), s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
	begin("one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := uint64(10)
	_, err := Import(dir, "team", rand.Reader, slog.New(slog.DiscardHandler), func() (*Imported, error) {
		if n++; n > 13 {
			return nil, io.EOF
		}
		return &Imported{Message: wire.Message{N: n, At: 1000, SenderID: "annaannaannaanna", ID: fmt.Sprint(n)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, quiet)
	begin("two")
	for p, want := range map[wire.Position]bool{
		{Epoch: "one", N: 12}: false, {Epoch: "one", N: 3}: false, {Epoch: "one"}: true, {Epoch: "two", N: 12}: true, {Epoch: "two", N: 14}: false,
	} {
		p.HistoryID = s.HistoryID()
		if got := s.Contains("team", &p); got != want {
			t.Errorf("up to %d in epoch %s: known %t", p.N, p.Epoch, got)
		}
	}
}

// A deleted room can be imported under its name if its numbers continue, because no number is used twice. Otherwise the
// error says which numbers were used, and what to do.
func TestImportOfDeletedRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	if _, err := s.Apply(batch(say("team", "1"), say("team", "2"), say("den", "1"),
		eventlog.Command{Kind: eventlog.RemoveRoom, Room: "team", Body: eventlog.RemoveRoomBody{Last: 2}}, eventlog.Command{Kind: eventlog.Trim, Room: "den", Body: eventlog.TrimBody{To: 1}}), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	add := func(room string, n uint64) error {
		m := &Imported{Message: wire.Message{N: n, At: 1000, SenderID: "annaannaannaanna", ID: "x"}}
		_, err := Import(dir, room, rand.Reader, quiet.Logger, func() (*Imported, error) {
			if m == nil {
				return nil, io.EOF
			}
			next := m
			m = nil
			return next, nil
		})
		return err
	}
	for n, want := range map[uint64]string{1: "the first message has the number 1, but in a deleted room team the numbers up to 2 were", 2: "--room"} {
		if err := add("team", n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("from number %d: %v", n, err)
		}
	}
	if err := add("den", 2); err == nil || !strings.Contains(err.Error(), "there is a room den already") {
		t.Errorf("over one that is there: %v", err)
	}
	if err := add("team", 3); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, quiet)
	if got := s.Bounds("team"); got != (eventlog.Bounds{First: 3, Last: 3}) {
		t.Errorf("it has %v", got)
	}
}
