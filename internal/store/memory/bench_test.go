package memory

import (
	"crypto/rand"
	"fmt"
	"testing"

	"ramai/internal/journal"
)

func BenchmarkApply(b *testing.B) {
	const events = 64
	for _, once := range []bool{true, false} {
		b.Run(fmt.Sprintf("once=%v", once), func(b *testing.B) {
			s, err := New(rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			batch := &journal.Batch{MaxRooms: 1, Events: make([]journal.Event, events)}
			said := 0
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch.Events {
					said++
					batch.Events[i] = journal.Event{
						Kind: journal.Say, By: "0123456789abcdef", Room: "lobby", ID: fmt.Sprintf("%016x", said),
						Text: "a message of the usual length, fifty bytes or so", Once: once,
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
