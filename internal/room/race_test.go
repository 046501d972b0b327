package room

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/wire"
)

// reader is a member that reads everything as fast as it can.
type reader struct {
	by   string
	wake chan struct{}
}

func (r *reader) SenderID() string { return r.by }

func (r *reader) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

func (r *reader) Interrupt() {}

func (r *reader) Judged(*eventlog.Judged) {}

func (r *reader) Marked(*eventlog.Outcome, *eventlog.ReplyTo) {}

func (r *reader) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// follow reads a room from number n to last, from the buffer or the store, and returns the bytes.
func (r *reader) follow(h *Hub, enc Encoding, n, last uint64) ([]byte, error) {
	sub := h.Join("den", enc, r)
	defer sub.Leave()
	var b []byte
	for n < last {
		span, held := sub.After(n, 2000)
		if len(span.Bytes()) > 0 {
			b = append(b, span.Bytes()...)
			n, _ = span.Advance(len(span.Bytes()))
			continue
		}
		if held {
			<-r.wake
			continue
		}
		type answer struct {
			result BackfillResult
			err    error
		}
		answers := make(chan answer, 1)
		sub.Backfill(n, func(c BackfillResult, err error) { answers <- answer{c, err} })
		a := <-answers
		if a.err != nil {
			return nil, a.err
		}
		if f := a.result.Frames; f != nil {
			if span, held := f.After(n, 1<<30); held {
				b, n = append(b, span.Bytes()...), f.Last()
			}
			f.Release()
		}
	}
	return b, nil
}

// TestReadersWhileTheFeedRuns: readers come and go while messages are published, on many goroutines and with a buffer that
// is always too small. Each reader gets every byte.
func TestReadersWhileTheFeedRuns(t *testing.T) {
	const last, readers = 500, 12
	st := &harness{tb: t, store: newStore(t)}
	st.Hub = NewHub(st.store, Options{Budget: fanout.NewBudget(10 << 10), Logger: slog.New(slog.DiscardHandler)})
	var got [readers][]byte
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			r := &reader{by: fmt.Sprint(i), wake: make(chan struct{}, 1)}
			for range 5 { // come and go
				st.Join("den", Encoding(i)%encodings, r).Leave()
				st.Typing("den", r.by, start)
				st.Tick(start)
				st.Who(wire.Who{Room: "den"})
			}
			b, err := r.follow(st.Hub, Encoding(i)%encodings, 0, last)
			if err != nil {
				t.Error(err)
			}
			got[i] = b
		})
	}
	all.Go(func() {
		for n := 0; n < last; n += 5 {
			var commands []eventlog.Command
			for range 5 {
				commands = append(commands, st.command("den", fmt.Sprint("text ", st.ids, strings.Repeat(" and on", st.ids%10/9*100))))
			}
			outcomes, err := st.store.Apply(&eventlog.Batch{Commands: commands}, st.store.Position()+1)
			if err != nil {
				t.Error(err)
				return
			}
			st.Feed(outcomes, nil)
		}
	})
	all.Wait()
	st.Wait()
	for i, b := range got {
		if want := st.bytesOf("den", Encoding(i)%encodings, 0); !bytes.Equal(b, want) {
			t.Errorf("reader %d got %d bytes, want %d, or the content differs", i, len(b), len(want))
		}
	}
	if len(st.rooms) != 0 || st.budget.Cached() != 0 {
		t.Errorf("%d rooms and %d bytes are left", len(st.rooms), st.budget.Cached())
	}
}

// TestGoIsFair: a limited number of jobs run at once, at most half of them for one address, and an address with one job is
// served while another has many. Wait waits for all of them.
func TestGoIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(newStore(t), Options{Budget: fanout.NewBudget(0), Logger: slog.New(slog.DiscardHandler)})
		release := make(chan struct{})
		var running, done atomic.Int32
		flood := func(host byte) { // of one /64
			addr := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: host})
			h.Go(addr, func() {
				running.Add(1)
				<-release
				done.Add(1)
			})
		}
		for i := range 200 {
			flood(byte(i))
		}
		synctest.Wait()
		if got := running.Load(); got != maxJobs/2 {
			t.Errorf("%d of one address run at once, want %d", got, maxJobs/2)
		}
		served := false
		h.Go(netip.MustParseAddr("192.0.2.1"), func() { served = true })
		synctest.Wait()
		if !served {
			t.Error("behind 200 jobs of another address, one job is not served")
		}
		close(release)
		h.Wait()
		if got := done.Load(); got != 200 {
			t.Errorf("Wait returned after %d of 200", got)
		}
	})
}

// TestSharedBackfillIsFair: a backfill that waits in the queue of one address runs at the turn of another address that
// needs it, too, once for both.
func TestSharedBackfillIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &harness{tb: t, store: newStore(t)}
		st.Hub = NewHub(st.store, Options{Budget: fanout.NewBudget(1), Logger: slog.New(slog.DiscardHandler)})
		st.publish("den", "one", "two")
		busyMember := &countingMember{from: netip.MustParseAddrPort("192.0.2.1:1")}
		otherMember := &countingMember{from: netip.MustParseAddrPort("192.0.2.2:1")}
		first, second := st.Join("den", JSON, busyMember), st.Join("den", JSON, otherMember)
		synctest.Wait()
		release := make(chan struct{})
		for range 100 {
			st.Go(busyMember.from.Addr(), func() { <-release })
		}
		st.store.reads.Store(0)
		asked := make(chan struct{})
		st.store.afterRead = func() { <-asked } // the read takes until all have asked
		var heard atomic.Int32
		for _, s := range []*Subscription{first, first, second, second} {
			s.Backfill(0, func(c BackfillResult, err error) {
				heard.Add(1)
				c.Frames.Release()
			})
		}
		close(asked)
		synctest.Wait()
		if heard.Load() != 4 {
			t.Errorf("%d of 4 backfills were delivered, want all", heard.Load())
		}
		close(release)
		st.Wait()
		if n := st.store.reads.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		first.Leave()
		second.Leave()
	})
}
