package server

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// tallyHarness is a server in which the test marks messages, and reads the tallies from the store.
type tallyHarness struct {
	*Server
	t *testing.T
}

func newTallyHarness(t *testing.T, change func(*Config)) *tallyHarness {
	t.Helper()
	cfg := Defaults()
	cfg.InMemory, cfg.Logger, cfg.Quiet, cfg.noMaintenance = true, slog.New(slog.DiscardHandler), true, true
	cfg.IO = Portable
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &tallyHarness{s, t}
}

func (h *tallyHarness) close() {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Errorf("closing the server: %v", err)
	}
}

func (h *tallyHarness) do(c eventlog.Command) {
	h.t.Helper()
	if o, err := runCommands(h.eventlog.Submit, h.quit, c); err != nil {
		h.t.Fatalf("%+v: %v", o, err)
	}
}

func (h *tallyHarness) say(room, id string) {
	h.t.Helper()
	h.do(eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, ID: id, Text: "text"})
}

// mark adds a mark of a sender to message 1 of a room.
func (h *tallyHarness) mark(room, by string) {
	h.t.Helper()
	h.do(eventlog.Command{Kind: eventlog.Mark, SenderID: by, Room: room, Body: eventlog.MarkBody{Of: 1, Key: "👍", On: true}})
}

// tallies returns the counts of message 1 in the tallies of a room, in their order, and the times of the tallies.
func (h *tallyHarness) tallies(room string) (counts []uint64, at []wire.Time) {
	h.t.Helper()
	records, _, err := h.store.Read(room, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range records {
		b, err := r.AppendFrame(nil)
		if err != nil {
			h.t.Fatal(err)
		}
		f, err := wire.ParseFrame(b)
		if err != nil {
			h.t.Fatal(err)
		}
		if f, ok := f.(wire.Tally); ok {
			counts, at = append(counts, f.Of[1]["👍"]), append(at, f.At)
		}
	}
	return counts, at
}

// wantTallies waits until the server has nothing to do now, and compares the counts in the tallies of a room.
func (h *tallyHarness) wantTallies(what, room string, want ...uint64) {
	h.t.Helper()
	synctest.Wait()
	if got, _ := h.tallies(room); !slices.Equal(got, want) {
		h.t.Errorf("%s, the tallies of %s have the counts %v, want %v", what, room, got, want)
	}
}

// The first tally of a room is sent at once, and the next one a second later. Rooms do not wait for each other for longer.
func TestTallyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTallyHarness(t, nil)
		defer h.close()
		h.say("a", "1")
		h.say("b", "1")
		time.Sleep(time.Hour)
		h.wantTallies("without a mark", "a")
		h.mark("a", "anna")
		h.wantTallies("after a mark", "a", 1)
		_, at := h.tallies("a")
		h.mark("a", "bert")
		h.mark("a", "clea")
		h.mark("b", "anna")
		time.Sleep(time.Until(at[0].Std().Add(eventlog.TallyInterval - time.Millisecond)))
		h.wantTallies("before a second is over", "a", 1)
		time.Sleep(time.Millisecond)
		h.wantTallies("after a second", "a", 1, 3)
		h.wantTallies("after a second", "b", 1)
		time.Sleep(time.Hour)
		h.wantTallies("an hour later", "a", 1, 3)
		h.mark("a", "dora")
		h.wantTallies("after an hour and a mark", "a", 1, 3, 4)
	})
}

// Marks that arrive within a short time are one batch, and nothing else waits for them.
func TestMarksGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTallyHarness(t, nil)
		defer h.close()
		h.say("a", "1")
		submit := func(by string) {
			t.Helper()
			mark := eventlog.Command{Kind: eventlog.Mark, SenderID: by, Room: "a", Body: eventlog.MarkBody{Of: 1, Key: "👍", On: true}}
			if err := h.eventlog.Submit(eventlog.Submission{Command: mark}, nil); err != nil {
				t.Fatal(err)
			}
		}
		before := h.store.Position()
		for i := range 40 {
			submit(fmt.Sprint("person ", i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		h.wantTallies("after 40 marks", "a", 40)
		if got := h.store.Position() - before; got != 2 {
			t.Errorf("40 marks and their tally took %d batches, want 2", got)
		}
		began := time.Now()
		submit("anna")
		synctest.Wait()
		h.say("a", "2")
		if waited := time.Since(began); waited > 0 {
			t.Errorf("a message waited %v for marks", waited)
		}
	})
}

// While people react, a room has one tally a second, and at the end the last counts, though two nodes submit tallies.
func TestTallyOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTallyHarness(t, nil)
		defer h.close()
		other := tallier{pending: h.store.PendingTallies, submit: h.eventlog.Submit, now: h.cfg.Now, marked: make(chan struct{}), leads: func() bool { return true }}
		h.background.Go(func() { other.run(h.quit) })
		h.say("a", "1")
		const people, took = 1000, 10 * time.Second
		began := time.Now()
		for i := range people {
			time.Sleep(time.Until(began.Add(time.Duration(i) * took / people)))
			mark := eventlog.Command{Kind: eventlog.Mark, SenderID: fmt.Sprint("person ", i), Room: "a", Body: eventlog.MarkBody{Of: 1, Key: "👍", On: true}}
			if err := h.eventlog.Submit(eventlog.Submission{Command: mark}, nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(eventlog.TallyInterval)
		synctest.Wait()
		counts, at := h.tallies("a")
		if len(at) != 11 || counts[len(counts)-1] != people {
			t.Errorf("in %v, the tallies %v were sent, want 11, the last of %d", took, counts, people)
		}
		for i := range at[1:] {
			if apart := time.Duration(at[i+1]-at[i]) * time.Millisecond; apart < eventlog.TallyInterval {
				t.Errorf("tallies %d and %d are %v apart", i+1, i+2, apart)
			}
		}
	})
}

// Without pending messages, the tallier only waits for marks.
func TestTallyIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTallyHarness(t, nil)
		defer h.close()
		var rounds atomic.Int64
		marked := make(chan struct{}, 1)
		other := tallier{submit: h.eventlog.Submit, now: h.cfg.Now, marked: marked, leads: func() bool { return true }, pending: func() map[string]wire.Time {
			rounds.Add(1)
			return h.store.PendingTallies()
		}}
		h.background.Go(func() { other.run(h.quit) })
		h.say("a", "1")
		idle := func(want int64) {
			t.Helper()
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := rounds.Swap(0); got > want {
				t.Errorf("the tallier looked for pending messages %d times, want at most %d", got, want)
			}
		}
		idle(1)
		h.mark("a", "anna")
		h.mark("a", "bert")
		marked <- struct{}{}
		idle(3) // when it is woken, when the second tally is due, and once more
		idle(0)
	})
}

// Messages that were pending when the server stopped are in a tally after the next start.
func TestTallyAfterRestart(t *testing.T) {
	t.Parallel()
	now := new(atomic.Int64)
	now.Store(time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC).UnixMilli())
	data := t.TempDir()
	open := func() *tallyHarness {
		return newTallyHarness(t, func(c *Config) {
			c.InMemory, c.Data, c.Now = false, data, func() time.Time { return time.UnixMilli(now.Load()) }
		})
	}
	await := func(h *tallyHarness, want ...uint64) { // marks are stored before the tally
		t.Helper()
		for {
			if got, _ := h.tallies("a"); len(got) >= len(want) {
				if !slices.Equal(got, want) {
					t.Errorf("the tallies have the counts %v, want %v", got, want)
				}
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	h := open()
	h.say("a", "1")
	h.mark("a", "anna")
	await(h, 1)
	h.mark("a", "bert")
	if got := slices.Collect(maps.Keys(h.store.PendingTallies())); !slices.Equal(got, []string{"a"}) {
		t.Errorf("pending are messages of %q, want a", got)
	}
	h.close()
	now.Add(eventlog.TallyInterval.Milliseconds())
	h = open()
	defer h.close()
	await(h, 1, 2)
	if got := h.store.PendingTallies(); len(got) > 0 {
		t.Errorf("pending are messages of %v", got)
	}
}

func TestDueTallies(t *testing.T) {
	t.Parallel()
	const now wire.Time = 10_000
	tally := func(room string) eventlog.Command { return eventlog.Command{Kind: eventlog.Tally, Room: room} }
	for _, c := range []struct {
		what    string
		pending map[string]wire.Time
		due     []eventlog.Command
		wait    time.Duration
	}{
		{"nothing", nil, nil, 0},
		{"a room without a tally", map[string]wire.Time{"a": 0}, []eventlog.Command{tally("a")}, time.Second},
		{"a tally a second ago", map[string]wire.Time{"a": 9000}, []eventlog.Command{tally("a")}, time.Second},
		{"a tally in the future", map[string]wire.Time{"a": 10_001}, []eventlog.Command{tally("a")}, time.Second},
		{"a tally less than a second ago", map[string]wire.Time{"a": 9001}, nil, time.Millisecond},
		{"two rooms", map[string]wire.Time{"a": 9400, "b": 0}, []eventlog.Command{tally("b")}, 400 * time.Millisecond},
	} {
		if due, wait := dueTallies(c.pending, now); !reflect.DeepEqual(due, c.due) || wait != c.wait {
			t.Errorf("%s: %v are due, and the next in %v; want %v and %v", c.what, due, wait, c.due, c.wait)
		}
	}
}
