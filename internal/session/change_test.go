package session

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"ramai/internal/chat"
	"ramai/wire"
)

var changeSeeds = flag.Int("change-seeds", 30, "number of seeds of TestSameRoom")

// materialized is a client's copy of a room, built as described in PROTOCOL.md.
type materialized struct {
	n        uint64
	messages map[uint64]wire.Message
}

// apply applies the next frame of the room.
func (m *materialized) apply(t *testing.T, f wire.Frame) {
	t.Helper()
	next := func(n uint64) {
		if n != m.n+1 {
			t.Fatalf("number %d came after %d: %s", n, m.n, describe(f))
		}
		m.n = n
	}
	switch f := f.(type) {
	case wire.Message:
		next(f.N)
		m.messages[f.N] = f
	case wire.Changed:
		next(f.N)
		message, known := m.messages[f.Of.One()]
		if !known || message.Edited >= f.N {
			return
		}
		if message.Edited = f.N; f.Text != nil {
			message.Text = *f.Text
		} else {
			message.Text, message.Re, message.Gone = "", 0, true
		}
		m.messages[f.Of.One()] = message
	}
}

// TestSameRoom: while an author posts, replies, edits and deletes, a client that disconnects and resumes ends with the same
// room as one that stays connected, and as one that only loads pages.
func TestSameRoom(t *testing.T) {
	for seed := range uint64(*changeSeeds) {
		rng := rand.New(rand.NewPCG(seed, 15))
		st := newHarness(t, setting{seed: seed, buffer: []int64{1, 2 << 10, 4 << 20}[rng.IntN(3)], batch: []int{0, 1, 3}[rng.IntN(3)]})
		author := st.connect(Client{Protocol: chat.V1})
		rooms := [2]materialized{{messages: map[uint64]wire.Message{}}, {messages: map[uint64]wire.Message{}}}
		join := func(i int) *link {
			l := st.connect(Client{Protocol: chat.V1})
			l.onFrame = func(f wire.Frame) { rooms[i].apply(t, f) }
			l.writeSize, l.max = []int{0, 1 + rng.IntN(300)}[rng.IntN(2)], 1+rng.IntN(5000)
			l.send(wire.Join{Room: wire.Lobby, After: &wire.Position{HistoryID: st.store.HistoryID(), N: rooms[i].n}})
			return l
		}
		staying, roaming := join(0), join(1)
		ids := 0
		for range 150 {
			ids++
			id, last := fmt.Sprint("id", ids), st.store.Bounds(wire.Lobby).Last
			text := fmt.Sprint("text ", ids)
			switch k := rng.IntN(20); {
			case k < 6 || last == 0:
				author.send(wire.Say{Room: wire.Lobby, ID: id, Text: text})
			case k < 8:
				author.send(wire.Say{Room: wire.Lobby, ID: id, Text: text, Re: 1 + rng.Uint64N(last)})
			case k < 14:
				author.send(wire.Change{Room: wire.Lobby, ID: id, Of: last - rng.Uint64N(min(last, 9)), Text: &text})
			case k < 15:
				author.send(wire.Change{Room: wire.Lobby, ID: id, Of: 1 + rng.Uint64N(last)})
			case roaming != nil && roaming.closed:
				roaming = nil
			case k < 17 && roaming != nil:
				roaming.end(errors.New("cut"))
				roaming = nil
			case roaming == nil:
				roaming = join(1)
			default:
				roaming.blocked = !roaming.blocked
			}
			if rng.IntN(3) > 0 {
				st.settle()
			}
		}
		if roaming == nil {
			roaming = join(1)
		}
		roaming.blocked = false
		st.settle()
		// A connection that had begun to write a replaced message is closed, and its client resumes.
		for i, l := range []*link{staying, roaming} {
			for ; l.closed; st.settle() {
				l = join(i)
			}
		}

		// Each number belongs to a message or is skipped, in exactly one page.
		pages := materialized{messages: map[uint64]wire.Message{}}
		numbers := map[uint64]int{}
		pager, more := st.connect(Client{Protocol: chat.V1}), true
		pager.onFrame = func(f wire.Frame) {
			page, ok := f.(wire.Page)
			if !ok {
				return
			}
			for _, m := range page.Messages {
				pages.messages[m.N], pages.n = m, max(pages.n, m.N)
				numbers[m.N]++
			}
			for _, r := range page.Skipped {
				for pages.n = max(pages.n, r.To); r.From <= r.To; r.From++ {
					numbers[r.From]++
				}
			}
			more = page.More
		}
		for more {
			pager.send(wire.History{Room: wire.Lobby, After: &wire.Position{N: pages.n}, Limit: 1 + rng.IntN(10)})
			st.settle()
		}
		last := st.store.Bounds(wire.Lobby).Last
		for n := uint64(1); n <= last; n++ {
			if numbers[n] != 1 {
				t.Fatalf("seed %d: number %d is in %d pages", seed, n, numbers[n])
			}
		}
		for i, m := range []materialized{rooms[0], rooms[1]} {
			if m.n != last || !reflect.DeepEqual(m.messages, pages.messages) {
				for n, want := range pages.messages {
					if !reflect.DeepEqual(m.messages[n], want) {
						t.Errorf("seed %d: reader %d has %+v, the pages have %+v", seed, i, m.messages[n], want)
					}
				}
				t.Fatalf("seed %d: reader %d is at %d of %d, and has %d messages of %d", seed, i, m.n, last, len(m.messages), len(pages.messages))
			}
		}
		var edited, gone, replies int
		for _, m := range pages.messages {
			switch {
			case m.Gone:
				gone++
			case m.Edited > 0:
				edited++
			}
			if m.Re > 0 {
				replies++
			}
		}
		if edited == 0 || len(pages.messages) == int(last) {
			t.Errorf("seed %d: of %d messages %d were edited, %d deleted, and %d are replies; that is too few for a test", seed, len(pages.messages), edited, gone, replies)
		}
	}
}
