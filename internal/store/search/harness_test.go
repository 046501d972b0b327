package search

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"ramai/internal/eventlog"
	"ramai/internal/store/memory"
	"ramai/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testLog is a log that a test writes to.
type testLog struct {
	eventlog.Store
	t     testing.TB
	at    wire.Time
	first map[string]uint64 // oldest number by room, where messages were trimmed
	free  atomic.Uint64     // 0: enough
}

func newTestLog(t testing.TB) *testLog {
	s, err := memory.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &testLog{Store: s, t: t, at: 1_700_000_000_000, first: map[string]uint64{}}
}

// publish adds texts to a room, a millisecond apart.
func (p *testLog) publish(room string, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.at++
		p.publishAt(p.at, room, text)
	}
}

func (p *testLog) publishAt(at wire.Time, room string, texts ...string) {
	p.t.Helper()
	b := &eventlog.Batch{At: at}
	for _, text := range texts {
		b.Commands = append(b.Commands, eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, Text: text, Once: true})
	}
	if _, err := p.Apply(b, p.Position()+1); err != nil {
		p.t.Fatal(err)
	}
}

// trimTo trims everything below first, as retention does. The rows may be deleted later.
func (p *testLog) trimTo(room string, first uint64) { p.first[room] = first }

func (p *testLog) Bounds(room string) eventlog.Bounds {
	h := p.Store.Bounds(room)
	h.First = max(h.First, p.first[room])
	return h
}

func (p *testLog) AllBounds() map[string]eventlog.Bounds {
	bounds := p.Store.AllBounds()
	for room := range bounds {
		bounds[room] = p.Bounds(room)
	}
	return bounds
}

func (p *testLog) Free() (uint64, error) {
	if free := p.free.Load(); free > 0 {
		return free, nil
	}
	return p.Store.Free()
}

// harness is an index that a test fills step by step.
type harness struct {
	*Index
	t      testing.TB
	logged *strings.Builder // log output
}

func open(t testing.TB, path string, j Log) *harness {
	logged := new(strings.Builder)
	x := create(path, j, slog.New(slog.NewTextHandler(logged, nil)))
	s := &harness{Index: x, t: t, logged: logged}
	close(x.done)
	t.Cleanup(func() { s.close() })
	return s
}

func (s *harness) close() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
}

// fill does all pending work.
func (s *harness) fill() {
	s.t.Helper()
	for {
		worked, err := s.turn()
		if err != nil {
			s.t.Fatal(err)
		}
		if !worked {
			return
		}
	}
}

func (s *harness) search(q Query) *wire.SearchResponse {
	s.t.Helper()
	found, err := s.Search(context.Background(), q)
	if err != nil {
		s.t.Fatalf("%+v: %v", q, err)
	}
	return found
}

// sortKeys lists the messages found, in short form.
func sortKeys(found *wire.SearchResponse) string {
	var all []string
	for _, h := range found.Hits {
		all = append(all, fmt.Sprint(h.Room, ":", h.N))
	}
	return strings.Join(all, " ")
}

func (s *harness) want(q Query, want string) {
	s.t.Helper()
	if got := sortKeys(s.search(q)); got != want {
		s.t.Errorf("%+v finds %q, want %q", q, got, want)
	}
}

// kinds runs f with an index in a file and with one in memory.
func kinds(t *testing.T, f func(t *testing.T, path string)) {
	t.Run("file", func(t *testing.T) { f(t, filepath.Join(t.TempDir(), FileName)) })
	t.Run("memory", func(t *testing.T) { f(t, "") })
}
