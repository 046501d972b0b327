package sqlite

import (
	"fmt"
	"testing"

	"ramai/internal/journal"
)

// The index of ids is what costs most: ids that rise go to its end, random ones each to a page of their own.
func BenchmarkApply(b *testing.B) {
	ids := map[string]func(n int) string{
		"none":   func(n int) string { return "" }, // Once
		"rising": func(n int) string { return fmt.Sprintf("%016x", n) },
		"random": func(n int) string { return fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15) },
	}
	for _, events := range []int{64, 1024} {
		for _, kind := range []string{"none", "rising", "random"} {
			b.Run(fmt.Sprintf("events=%d/ids=%s", events, kind), func(b *testing.B) {
				s, err := Open(b.TempDir(), quiet)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				batch := &journal.Batch{MaxRooms: 1, Events: make([]journal.Event, events)}
				said := 0
				b.ReportAllocs()
				for b.Loop() {
					for i := range batch.Events {
						said++
						batch.Events[i] = journal.Event{
							Kind: journal.Say, By: "0123456789abcdef", Room: "lobby", ID: ids[kind](said),
							Text: "a message of the usual length, fifty bytes or so", Once: kind == "none",
						}
					}
					if _, err := s.Apply(batch, s.Position()+1); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(said)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
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
		if messages, err := s.Read("lobby", 5000, journal.MaxRead); err != nil || len(messages) != journal.MaxRead {
			b.Fatal(len(messages), err)
		}
	}
}
