package eventlogtest

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
)

// BenchmarkApply measures the time a store needs for a batch. open creates a new, empty store, and ends the benchmark if
// that fails.
//
// The index of ids costs most on a disk: ascending ids are appended, random ones touch a page each.
func BenchmarkApply(b *testing.B, open func(b *testing.B) eventlog.Store) {
	ids := map[string]func(n int) string{
		"none":   func(n int) string { return "" }, // Once
		"rising": func(n int) string { return fmt.Sprintf("%016x", n) },
		"random": func(n int) string { return fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15) },
	}
	for _, events := range []int{64, 1024} {
		for _, kind := range []string{"none", "rising", "random"} {
			b.Run(fmt.Sprintf("events=%d/ids=%s", events, kind), func(b *testing.B) {
				s := open(b)
				defer s.Close()
				batch := &eventlog.Batch{Commands: make([]eventlog.Command, events)}
				said := 0
				b.ReportAllocs()
				for b.Loop() {
					for i := range batch.Commands {
						said++
						batch.Commands[i] = eventlog.Command{
							Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: ids[kind](said),
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
