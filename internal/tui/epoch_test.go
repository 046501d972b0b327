package tui

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// TestReadMarkIsProved: a read mark belongs to an epoch. In a later epoch the server is asked whether the mark is still
// part of its history; if not, the mark is dropped and the user is informed.
func TestReadMarkIsProved(t *testing.T) {
	for name, c := range map[string]struct {
		kept     RoomState
		gone     bool
		fail     error
		asked    string // empty: no request
		notified bool
		want     RoomState
	}{
		"from this epoch":         {kept: RoomState{HistoryID: "log", Epoch: "two", Read: 6}, want: RoomState{HistoryID: "log", Epoch: "two", Read: 6}},
		"from an earlier epoch":   {kept: RoomState{HistoryID: "log", Epoch: "one", Read: 6}, asked: "prove tea log:one:6", want: RoomState{HistoryID: "log", Epoch: "one", Read: 6}},
		"server was rolled back":  {kept: RoomState{HistoryID: "log", Epoch: "one", Read: 6}, gone: true, asked: "prove tea log:one:6", notified: true, want: RoomState{HistoryID: "log", Epoch: "two", Read: 8}},
		"server does not answer":  {kept: RoomState{HistoryID: "log", Epoch: "one", Read: 6}, gone: true, fail: errors.New("no"), asked: "prove tea log:one:6", want: RoomState{HistoryID: "log", Epoch: "one", Read: 6}},
		"from an older program":   {kept: RoomState{HistoryID: "log", Read: 6}, gone: true, want: RoomState{HistoryID: "log", Read: 6}},
		"from another log":        {kept: RoomState{HistoryID: "other", Epoch: "one", Read: 6}, notified: true, want: RoomState{HistoryID: "log", Epoch: "two", Read: 8}},
		"above the newest number": {kept: RoomState{HistoryID: "log", Epoch: "one", Read: 9}, notified: true, want: RoomState{HistoryID: "log", Epoch: "two", Read: 8}},
		"at the newest number":    {kept: RoomState{HistoryID: "log", Epoch: "one", Read: 8}, gone: true, asked: "prove tea log:one:8", notified: true, want: RoomState{HistoryID: "log", Epoch: "two", Read: 8}},
		"none":                    {want: RoomState{HistoryID: "log", Epoch: "two", Read: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			c.kept.Name, c.want.Name = "tea", "tea"
			st := newHarness(t, 80, 24, func(config *Config, f *fakeChat) {
				f.epoch, f.gone = "two", c.gone
				config.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby}, c.kept}}
			})
			st.welcome("anna", 3)
			st.fillHistory("tea", 8)
			st.chat.asked, st.chat.fail = nil, c.fail
			st.receive(wire.Joined{Room: "tea", HistoryID: "log", Epoch: "two", N: 8, First: 1, Count: 1})
			if got := strings.Join(st.chat.asked, ", "); got != c.asked {
				t.Errorf("the request is %q, want %q", got, c.asked)
			}
			if notified := strings.Contains(st.shown(), anotherHistory); notified != c.notified {
				t.Errorf("the user was informed: %t, want %t:\n%s", notified, c.notified, st.shown())
			}
			if got := st.snapshot().room("tea"); !reflect.DeepEqual(got, c.want) {
				t.Errorf("the stored state is %+v, want %+v", got, c.want)
			}
			for _, m := range st.chat.history["tea"] {
				st.receive(m)
			}
			st.press("alt+2")
			if c.want.Read == 6 {
				st.has("── new ──")
			} else {
				st.hasNot("── new ──")
			}
		})
	}
}

// TestReadMarkMoves: the epoch of a read mark is the one in which its message was seen.
func TestReadMarkMoves(t *testing.T) {
	st := newHarness(t, 80, 24, func(_ *Config, f *fakeChat) { f.epoch = "one" })
	st.welcome("anna", 3)
	mark := func(epoch string, n uint64) {
		t.Helper()
		if p := st.snapshot().Rooms[0]; p.Epoch != epoch || p.Read != n {
			t.Errorf("the stored state is %+v, want %s and %d", p, epoch, n)
		}
	}
	mark("one", 3)
	again := func(epoch string, reset bool) {
		st.receive(client.Disconnected{Err: errors.New("gone")}, wire.Welcome{SenderID: "me", Session: "s", Name: "anna", Limits: wire.Limits{Text: 4000, Rooms: 8}},
			wire.Joined{Room: wire.Lobby, HistoryID: "log", Epoch: epoch, N: 3, First: 1, Count: 3, Reset: reset})
	}
	again("two", false)
	mark("one", 3)
	st.says("budi", "hello")
	mark("two", 4)
	st.send(tea.BlurMsg{})
	again("three", false)
	st.says("budi", "nobody looks")
	mark("two", 4)
	again("four", true)
	mark("four", 3)
}

// TestLateProof: the view does not go to the first unread message before the server has confirmed the read mark. Messages
// seen in the meantime count as read.
func TestLateProof(t *testing.T) {
	for _, gone := range []bool{false, true} {
		for _, at := range []uint64{0, 121} {
			st := newHarness(t, 80, 24, func(c *Config, f *fakeChat) {
				f.epoch, f.gone = "two", gone
				c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Epoch: "one", Read: 190, At: at}}}
			})
			st.fillHistory(wire.Lobby, 200)
			b := batch{events: []client.Event{{Frame: wire.Welcome{SenderID: "me", Session: "s", Limits: wire.Limits{Text: 4000, Rooms: 8}}},
				{Frame: wire.Joined{Room: wire.Lobby, HistoryID: "log", Epoch: "two", N: 200, First: 1}}}}
			for _, m := range st.chat.history[wire.Lobby][150:] {
				b.events = append(b.events, client.Event{Frame: m})
			}
			_, asked := st.Update(b)
			st.has("message 200")
			st.do(asked)
			read, epoch := uint64(200), "two"
			switch {
			case gone:
				st.has("message 200", anotherHistory)
				st.hasNot("── new ──")
			case at > 0:
				st.has("message 121", "10 new ↓")
				read, epoch = 190, "one"
			default:
				st.has("message 200", "── new ──")
			}
			if p := st.snapshot().Rooms[0]; p.Read != read || p.Epoch != epoch {
				t.Errorf("rolled back %t, at %d: the stored state is %+v", gone, at, p)
			}
		}
	}
}

// TestLeftBeforeProof: an answer that arrives after the room was left changes nothing.
func TestLeftBeforeProof(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, f *fakeChat) {
		f.epoch, f.gone = "two", true
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Epoch: "two"}, {Name: "tea", HistoryID: "log", Epoch: "one", Read: 2}}}
	})
	st.welcome("anna", 3)
	_, asked := st.Update(batch{events: []client.Event{{Frame: wire.Joined{Room: "tea", HistoryID: "log", Epoch: "two", N: 3, First: 1}}}})
	st.press("alt+2", "alt+x")
	st.do(asked)
	st.hasNot(anotherHistory)
}

// TestMergedMarks: numbers of two epochs may belong to two histories, so the larger one is not necessarily further.
func TestMergedMarks(t *testing.T) {
	at := func(historyID, epoch string, n uint64) RoomState {
		return RoomState{HistoryID: historyID, Epoch: epoch, Read: n}
	}
	for name, c := range map[string]struct{ was, now, mine, want RoomState }{
		"same epoch, theirs is further": {at("l", "e", 1), at("l", "e", 3), at("l", "e", 2), at("l", "e", 3)},
		"same epoch, mine is further":   {at("l", "e", 1), at("l", "e", 2), at("l", "e", 3), at("l", "e", 3)},
		"without epochs":                {at("l", "", 1), at("l", "", 3), at("l", "", 2), at("l", "", 3)},
		"mine moved":                    {at("l", "e", 9), at("l", "e", 9), at("l", "f", 3), at("l", "f", 3)},
		"theirs moved":                  {at("l", "e", 9), at("l", "f", 3), at("l", "e", 9), at("l", "f", 3)},
		"both moved":                    {at("l", "e", 9), at("l", "f", 3), at("l", "g", 2), at("l", "g", 2)},
		"mine moved to another log":     {at("l", "e", 9), at("l", "e", 9), at("m", "e", 3), at("m", "e", 3)},
	} {
		if c.mine.mergeRead(c.was, c.now); !reflect.DeepEqual(c.mine, c.want) {
			t.Errorf("%s: %+v, want %+v", name, c.mine, c.want)
		}
	}
}

// TestJumpTarget: the address of a message leads to it, wherever the view was in the last run.
func TestJumpTarget(t *testing.T) {
	for _, gone := range []bool{false, true} {
		for _, kept := range []RoomState{{}, {Name: wire.Lobby, HistoryID: "log", Epoch: "one", Read: 190, At: 121}, {Name: wire.Lobby, HistoryID: "other", Read: 190, At: 121}} {
			st := newHarness(t, 80, 24, func(c *Config, f *fakeChat) {
				f.epoch, f.gone, c.JumpTo = "two", gone, 40
				c.State = State{Rooms: []RoomState{kept}}
			})
			st.welcome("anna", 200)
			st.has("▶ message 40")
			st.hasNot("message 121")
		}
	}
}
