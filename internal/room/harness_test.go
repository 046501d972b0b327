package room

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/store/memory"
	"ramai/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// store is a memory store that fails to read, or loses its oldest messages, on demand.
type store struct {
	*memory.Store
	broken bool
	reads  atomic.Int32
	names  atomic.Int32 // number of lookups
	first  uint64

	rewritten map[uint64]eventlog.Record // by number, in any room: replaces the record
	afterRead func()                     // called once, after a read and before its result is used; nil: nothing
}

// rewrite applies the replacements to the result of a read.
func (s *store) rewrite(records []eventlog.Record) []eventlog.Record {
	records = slices.Clone(records)
	for i, r := range records {
		if changed, ok := s.rewritten[r.N]; ok && changed.Room == r.Room {
			records[i] = changed
		}
	}
	if f := s.afterRead; f != nil {
		s.afterRead = nil
		f()
	}
	return records
}

func (s *store) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if s.reads.Add(1); s.broken {
		return nil, eventlog.Bounds{}, errors.New("disk failure")
	}
	messages, _, err := s.Store.Read(room, max(after, s.Bounds(room).First-1), limit)
	return s.rewrite(messages), s.Bounds(room), err
}

func (s *store) ReadBefore(room string, before uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if s.reads.Add(1); s.broken {
		return nil, eventlog.Bounds{}, errors.New("disk failure")
	}
	records, bounds, err := s.Store.ReadBefore(room, before, limit)
	return s.rewrite(records), bounds, err
}

func (s *store) Name(by string) string {
	s.names.Add(1)
	return s.Store.Name(by)
}

func (s *store) Bounds(room string) eventlog.Bounds {
	h := s.Store.Bounds(room)
	h.First = max(h.First, min(s.first, h.Last+1))
	return h
}

// harness is a hub whose jobs and feed are stepped by a test.
type harness struct {
	*Hub
	tb    testing.TB
	store *store
	jobs  []func()
	ids   int
}

func newHarness(tb testing.TB, bufferMemory int64) *harness {
	st := &harness{tb: tb, store: newStore(tb)}
	st.Hub = NewHub(st.store, Options{
		Budget: fanout.NewBudget(bufferMemory), Logger: slog.New(slog.DiscardHandler), Go: func(_ netip.Prefix, f func()) { st.jobs = append(st.jobs, f) },
	})
	return st
}

func newStore(tb testing.TB) *store {
	m, err := memory.New(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		tb.Fatal(err)
	}
	return &store{Store: m}
}

// runJobs runs all jobs.
func (st *harness) runJobs() {
	for len(st.jobs) > 0 {
		f := st.jobs[0]
		st.jobs = st.jobs[1:]
		f()
	}
	st.check()
}

// apply applies commands without feeding their outcomes.
func (st *harness) apply(commands ...eventlog.Command) []eventlog.Outcome {
	st.tb.Helper()
	outcomes, err := st.store.Apply(&eventlog.Batch{At: wire.TimeOf(start), Node: eventlog.LocalNode, Commands: commands}, st.store.Position()+1)
	if err != nil {
		st.tb.Fatal(err)
	}
	return outcomes
}

func (st *harness) command(room, text string) eventlog.Command {
	st.ids++
	return eventlog.Command{Kind: eventlog.Say, SenderID: "somebody", Room: room, ID: fmt.Sprint(st.ids), Text: text}
}

// publish stores messages in a room, each in a batch of its own, and feeds them.
func (st *harness) publish(room string, texts ...string) {
	st.tb.Helper()
	for _, text := range texts {
		st.Feed(st.apply(st.command(room, text)), nil)
	}
	st.check()
}

// check checks the hub's invariants.
func (st *harness) check() {
	st.tb.Helper()
	for name, r := range st.rooms {
		readers := [encodings]int{}
		for i, s := range r.members {
			if readers[s.enc]++; int(s.index) != i || s.room != r {
				st.tb.Fatalf("room %s: a member has a wrong subscription", name)
			}
		}
		if len(r.people.present) == 0 || r.name != name || readers != r.readers {
			st.tb.Fatalf("room %s: %d members, readers %v, counted %v", name, len(r.members), r.readers, readers)
		}
		for enc, t := range r.buffers {
			if (t != nil) != (readers[enc] > 0) || t != nil && !endsAt(t, r.newest) {
				st.tb.Fatalf("room %s at %d: encoding %d has %d readers and the buffer %v", name, r.newest, enc, readers[enc], t)
			}
		}
	}
	if got := st.budget.Cached(); got < 0 || len(st.rooms) == 0 && got != 0 {
		st.tb.Fatalf("%d rooms have buffers of %d bytes", len(st.rooms), got)
	}
	if len(st.toWake) > 0 {
		st.tb.Fatal("rooms wait to be woken")
	}
}

// endsAt reports whether the newest number of a buffer is n.
func endsAt(t *fanout.Buffer, n uint64) bool {
	newer := func(n uint64) bool {
		span, held := t.After(n, 1)
		return !held || len(span.Bytes()) > 0
	}
	return !newer(n) && (n == 0 || newer(n-1))
}

// countingMember is a member that counts its wakes.
type countingMember struct {
	by    string
	wakes int

	interrupts int
	judged     []*eventlog.Judged
	marked     []eventlog.Command
	from       netip.AddrPort
	woken      func()
}

func (g *countingMember) SenderID() string { return g.by }

func (g *countingMember) RemoteAddr() netip.AddrPort { return g.from }

func (g *countingMember) Interrupt() { g.interrupts++ }

func (g *countingMember) Judged(j *eventlog.Judged) { g.judged = append(g.judged, j) }

func (g *countingMember) Marked(o *eventlog.Outcome, _ *eventlog.ReplyTo) {
	g.marked = append(g.marked, *o.Command)
}

func (g *countingMember) Wake() {
	g.wakes++
	if g.woken != nil {
		g.woken()
	}
}

// bytesOf returns the messages of a room after number n, in an encoding.
func (st *harness) bytesOf(room string, enc Encoding, n uint64) []byte {
	var b []byte
	for {
		messages, _, _ := st.store.Store.Read(room, n, eventlog.MaxRead)
		messages = st.store.rewrite(messages)
		if len(messages) == 0 {
			return b
		}
		for i := range messages {
			var payload []byte
			m, _, _ := messages[i].Message()
			if n = m.N; enc == Text || enc == DeflatedText {
				payload = wire.AppendLine(nil, &m)
			} else {
				payload = wire.AppendMessage(nil, &m)
			}
			switch {
			case enc == Events:
				b = fmt.Appendf(b, "id: %s:%d\nevent: message\ndata: %s\n\n", st.store.HistoryID(), n, payload)
			case enc == JSONLines:
				b = fmt.Appendf(b, "%s\n", payload)
			case (enc == DeflatedText || enc == DeflatedJSON) && len(payload) >= 512:
				b = frame.AppendDeflated(b, payload)
			default:
				b = frame.AppendText(b, payload)
			}
		}
	}
}

// framesOf returns the frames of a backfill after number n.
func framesOf(c BackfillResult, n uint64) []byte {
	span, _ := c.Frames.After(n, 1<<20)
	return span.Bytes()
}
