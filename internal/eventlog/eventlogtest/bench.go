package eventlogtest

import (
	"fmt"
	"testing"
	"time"

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
	ids["random, chained"] = ids["random"] // as in a cluster
	for _, events := range []int{64, 1024} {
		for _, kind := range []string{"none", "rising", "random", "random, chained"} {
			b.Run(fmt.Sprintf("events=%d/ids=%s", events, kind), func(b *testing.B) {
				s := open(b)
				defer s.Close()
				batch := &eventlog.Batch{Commands: make([]eventlog.Command, events)}
				said := 0
				if kind == "random, chained" {
					j := &tested{Store: s, t: b, at: start}
					j.apply(raiseLevel(eventlog.MemberLevel))
					j.apply(announce(eventlog.LocalNode, "a:1", 0))
				}
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

// BenchmarkManyMarks measures the batches that delete or trim a message with many marks: the slowest one, and how many there are
// until all marks are deleted. Beside it is the slowest batch of 1000 marks: nothing is to be slower than a few of those.
//
//	go test ./internal/store/sqlite -run '^$' -bench ManyMarks/marks=1000000 -benchtime 1x
func BenchmarkManyMarks(b *testing.B, open func(b *testing.B) eventlog.Store) {
	for _, marks := range []int{10_000, 1_000_000} {
		for what, end := range map[string]eventlog.Command{"delete": erase("anna", "gone", 1), "trim": trim("lobby", 2)} {
			b.Run(fmt.Sprintf("marks=%d/%s", marks, what), func(b *testing.B) {
				for b.Loop() {
					benchmarkManyMarks(b, open(b), marks, end)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func benchmarkManyMarks(b *testing.B, s eventlog.Store, marks int, end eventlog.Command) {
	defer s.Close()
	j := &tested{Store: s, t: b, at: start}
	var slowest time.Duration
	timed := func(all ...eventlog.Command) {
		began := time.Now()
		j.apply(all...)
		slowest = max(slowest, time.Since(began))
	}
	allowChanges(j)
	j.apply(say("anna", "lobby", "1", "one"), say("anna", "lobby", "2", "two"))
	batch := make([]eventlog.Command, 1000)
	for i := 0; i < marks; i += len(batch) {
		for k := range batch {
			batch[k] = mark(fmt.Sprintf("%016x", uint64(i+k+1)*0x9e3779b97f4a7c15), 1, "👍")
		}
		timed(batch...)
	}
	b.ReportMetric(slowest.Seconds()*1e3, "mark-max-ms")
	slowest = 0
	timed(end)
	b.ReportMetric(slowest.Seconds()*1e3, "end-ms")
	steps := 0
	for {
		dropped, err := j.HasDroppedMarks()
		if err != nil {
			b.Fatal(err)
		}
		if !dropped {
			break
		}
		timed(pruneMarks())
		steps++
	}
	b.ReportMetric(slowest.Seconds()*1e3, "max-ms")
	b.ReportMetric(float64(steps), "steps")
	if mine, err := j.Marks("lobby", fmt.Sprintf("%016x", uint64(0x9e3779b97f4a7c15)), 0, eventlog.MaxNumber); err != nil || len(mine) > 0 {
		b.Errorf("the marks %v are left, %v", mine, err)
	}
}
