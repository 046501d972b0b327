package search

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
)

// BenchmarkFill indexes one message per operation, read from memory, without pauses.
func BenchmarkFill(b *testing.B) {
	p := newTestLog(b)
	for i := 0; i < b.N; {
		var texts []string
		for range min(b.N-i, 1000) {
			texts = append(texts, fmt.Sprintf("message %d of those that somebody said about topic %d", i, i%997))
			i++
		}
		p.publishAt(p.at, "lobby", texts...)
		p.at += 10
	}
	x := create(filepath.Join(b.TempDir(), FileName), p, slog.New(slog.DiscardHandler))
	close(x.done)
	b.ReportAllocs()
	b.ResetTimer()
	for worked := true; worked; {
		var err error
		if worked, err = x.turn(); err != nil {
			b.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
}
