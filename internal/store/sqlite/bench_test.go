package sqlite

import (
	"fmt"
	"testing"

	"ramai/internal/journal"
	"ramai/internal/journal/journaltest"
)

func BenchmarkApply(b *testing.B) {
	journaltest.BenchmarkApply(b, func(b *testing.B) journal.Store {
		s, err := Open(b.TempDir(), quiet)
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}

func BenchmarkRead(b *testing.B) {
	s, err := Open(b.TempDir(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	batch := &journal.Batch{MaxRooms: 1}
	for i := range 10_000 {
		batch.Events = append(batch.Events, journal.Event{Kind: journal.Say, By: "0123456789abcdef", Room: "lobby", ID: fmt.Sprint(i), Text: "a message of the usual length, fifty bytes or so"})
	}
	if _, err := s.Apply(batch, 1); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if messages, _, err := s.Read("lobby", 5000, journal.MaxRead); err != nil || len(messages) != journal.MaxRead {
			b.Fatal(len(messages), err)
		}
	}
}
