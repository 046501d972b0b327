package session

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

var changeSeeds = flag.Int("change-seeds", 15, "number of seeds of TestSameRoom")

// materialized is a client's copy of a room, built as described in PROTOCOL.md.
type materialized struct {
	n        uint64
	messages map[uint64]wire.Message
	settings map[string]wire.Value
	joinedAt uint64 // number of the newest joined
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
	case wire.Joined:
		m.settings, m.joinedAt = map[string]wire.Value{}, f.N
		maps.Copy(m.settings, f.State)
	case wire.Tally:
		next(f.N)
		for n, counts := range f.Of {
			if message := m.messages[n]; !message.Gone && message.Tallied < f.N {
				if message.Tally, message.Tallied = counts, f.N; len(counts) == 0 {
					message.Tally = nil
				}
				m.messages[n] = message
			}
		}
	case wire.State:
		switch next(f.N); {
		case f.N <= m.joinedAt: // old news
		case f.Value.IsNull():
			delete(m.settings, f.Key)
		default:
			m.settings[f.Key] = f.Value
		}
	case wire.Message:
		next(f.N)
		m.messages[f.N] = f
	case wire.Changed:
		next(f.N)
		if f.Text == nil {
			delete(m.settings, fmt.Sprint(wire.PollPrefix, f.Of.One()))
			delete(m.settings, fmt.Sprint(wire.QuestionPrefix, f.Of.One()))
		}
		message, known := m.messages[f.Of.One()]
		if !known || message.Edited >= f.N {
			return
		}
		if message.Edited = f.N; f.Text != nil {
			message.Text, message.EditedAt = *f.Text, f.At
		} else {
			message = wire.Message{Room: message.Room, N: message.N, At: message.At, SenderID: message.SenderID, DisplayName: message.DisplayName, ID: message.ID, Edited: f.N, Gone: true}
		}
		m.messages[f.Of.One()] = message
	}
}

// TestSameRoom: while an author posts, replies, edits, deletes and sets, and readers mark and vote, a client that disconnects
// and resumes ends with the same room as one that stays connected, and as one that only loads pages. The counts are those of
// the marks that the readers were told they have.
func TestSameRoom(t *testing.T) {
	for seed := range uint64(*changeSeeds) {
		rng := rand.New(rand.NewPCG(seed, 15))
		st := newHarness(t, setting{seed: seed, buffer: []int64{1, 2 << 10, 4 << 20}[rng.IntN(3)], batch: []int{0, 1, 3}[rng.IntN(3)]})
		author := st.connect(Client{Protocol: chat.V1})
		rooms := [2]materialized{{messages: map[uint64]wire.Message{}}, {messages: map[uint64]wire.Message{}}}
		voters := newVoters(t, st)
		join := func(i int) *link {
			l := st.connect(Client{Protocol: chat.V1})
			l.onFrame = func(f wire.Frame) { rooms[i].apply(t, f) }
			l.writeSize, l.max = []int{0, 1 + rng.IntN(300)}[rng.IntN(2)], 1+rng.IntN(5000)
			l.send(wire.Join{Room: wire.Lobby, After: &wire.Position{HistoryID: st.store.HistoryID(), N: rooms[i].n}})
			return l
		}
		staying, roaming := join(0), join(1)
		ids := 0
		for range 200 {
			ids++
			if last := st.store.Bounds(wire.Lobby).Last; last > 0 && rng.IntN(2) == 0 {
				voters[rng.IntN(len(voters))].mark(rng, last)
			}
			if rng.IntN(4) == 0 {
				st.clock = st.clock.Add(time.Duration(rng.IntN(1200)) * time.Millisecond)
			}
			st.submitTallies()
			id, last := fmt.Sprint("id", ids), st.store.Bounds(wire.Lobby).Last
			text := fmt.Sprint("text ", ids)
			switch k := rng.IntN(20); {
			case k < 4 || last == 0:
				author.send(wire.Say{Room: wire.Lobby, ID: id, Text: text})
			case k < 6:
				say := wire.Say{Room: wire.Lobby, ID: id, Text: text, As: wire.Question}
				if rng.IntN(2) == 0 {
					say.As, say.Options = wire.Poll, []string{"yes", "no"}
				}
				author.send(say)
			case k < 8:
				author.send(wire.Say{Room: wire.Lobby, ID: id, Text: text, Re: 1 + rng.Uint64N(last)})
			case k < 11:
				set := wire.Set{Room: wire.Lobby, ID: id, Key: wire.TopicKey, Value: wire.TextValue(text)}
				switch n := last - rng.Uint64N(min(last, 30)); rng.IntN(7) {
				case 0:
				case 6:
					set.Key, set.Value = []string{wire.TopicKey, wire.PinKey, wire.StageKey}[rng.IntN(3)], wire.Value{}
				case 1:
					set.Key, set.Value = wire.PinKey, wire.Value{Numbers: []uint64{n}}
				case 2:
					set.Key, set.Value = wire.StageKey, wire.NumberValue(n)
				case 3:
					set.Key, set.Value = fmt.Sprint(wire.QuestionPrefix, n), wire.TextValue(wire.Answered)
				default:
					set.Key, set.Value = fmt.Sprint(wire.PollPrefix, n), wire.TextValue([]string{wire.Open, wire.PollOver, wire.Hidden}[rng.IntN(3)])
				}
				author.send(set)
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
		for st.settle(); st.store.PendingTallies() != nil; st.settle() {
			st.clock = st.clock.Add(time.Second)
			st.submitTallies()
		}
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
		settings := materialized{settings: map[string]wire.Value{}}
		pager.onFrame = func(f wire.Frame) {
			page, ok := f.(wire.Settings)
			if !ok {
				return
			}
			for _, one := range page.Settings {
				settings.settings[one.Key] = one.Value
			}
			if more = page.More; more {
				pager.send(wire.StateRequest{Room: wire.Lobby, After: page.Settings[len(page.Settings)-1].Key, Limit: 1 + rng.IntN(10)})
			}
		}
		pager.send(wire.StateRequest{Room: wire.Lobby, Limit: 1 + rng.IntN(10)})
		st.settle()
		pages.settings = notOpen(settings.settings)
		verifyVotes(t, voters, &pages)
		for n := uint64(1); n <= last; n++ {
			if numbers[n] != 1 {
				t.Fatalf("seed %d: number %d is in %d pages", seed, n, numbers[n])
			}
		}
		for i, m := range []materialized{rooms[0], rooms[1]} {
			if got := notOpen(m.settings); !maps.EqualFunc(got, pages.settings, wire.Value.Equal) {
				t.Fatalf("seed %d: reader %d has the settings %s, the pages have %s", seed, i, showSettings(got), showSettings(pages.settings))
			}
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

// notOpen returns settings without those of polls and questions that are open, of which clients are not told.
func notOpen(settings map[string]wire.Value) map[string]wire.Value {
	settings = maps.Clone(settings)
	maps.DeleteFunc(settings, func(key string, v wire.Value) bool {
		q := post{key: key}
		return q.isStatus() && *v.Text == wire.Open
	})
	return settings
}

// voter is a client that marks messages and votes, and remembers what it was told of its marks.
type voter struct {
	*link
	mine map[uint64]map[string]bool
}

func newVoters(t *testing.T, st *harness) []*voter {
	var voters []*voter
	for range 3 {
		v := &voter{st.connect(Client{Protocol: chat.V1}), map[uint64]map[string]bool{}}
		v.onFrame = func(f wire.Frame) {
			switch f := f.(type) {
			case wire.Marked:
				if v.mine[f.Of] == nil {
					v.mine[f.Of] = map[string]bool{}
				}
				if v.mine[f.Of][f.Key] = true; !f.On {
					delete(v.mine[f.Of], f.Key)
				}
			case wire.Error:
				if f.Code != wire.BadRequest && f.Code != wire.Gone && f.Code != wire.Closed {
					t.Fatalf("a mark is refused: %s: %s", f.Code, f.Reason)
				}
			}
		}
		voters = append(voters, v)
	}
	return voters
}

// mark marks one of the newest numbers of the room.
func (v *voter) mark(rng *rand.Rand, last uint64) {
	v.send(wire.Mark{Room: wire.Lobby, Of: last - rng.Uint64N(min(last, 30)), Key: []string{"👍", "up", "0", "1"}[rng.IntN(4)], On: rng.IntN(4) > 0})
}

// verifyVotes compares the counts of messages with the marks that voters were told they have.
func verifyVotes(t *testing.T, voters []*voter, room *materialized) {
	t.Helper()
	for n, m := range room.messages {
		if m.Gone {
			continue
		}
		want := wire.Counts{}
		for _, v := range voters {
			if v.mine[n]["0"] && v.mine[n]["1"] {
				t.Fatalf("a voter has two votes in %+v", m)
			}
			for key := range v.mine[n] {
				want[key]++
			}
		}
		if status := room.settings[fmt.Sprint(wire.PollPrefix, n)].Text; status != nil && *status == wire.Hidden {
			delete(want, "0")
			delete(want, "1")
		}
		if !maps.Equal(m.Tally, want) {
			t.Fatalf("%+v has marks with the counts %v", m, want)
		}
	}
}
