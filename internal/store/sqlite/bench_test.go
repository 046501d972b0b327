package sqlite

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
)

func BenchmarkApply(b *testing.B) {
	eventlogtest.BenchmarkApply(b, func(b *testing.B) eventlog.Store {
		s, err := Open(b.TempDir(), quiet)
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}

func BenchmarkManyMarks(b *testing.B) {
	eventlogtest.BenchmarkManyMarks(b, func(b *testing.B) eventlog.Store {
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
	batch := &eventlog.Batch{}
	for i := range 10_000 {
		batch.Commands = append(batch.Commands, eventlog.Command{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: fmt.Sprint(i), Text: "a message of the usual length, fifty bytes or so"})
	}
	if _, err := s.Apply(batch, 1); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if messages, _, err := s.Read("lobby", 5000, eventlog.MaxRead); err != nil || len(messages) != eventlog.MaxRead {
			b.Fatal(len(messages), err)
		}
	}
}
