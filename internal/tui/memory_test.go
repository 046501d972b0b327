package tui

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// restarted is a harness that starts with the state that st has stored.
func (st *harness) restarted() *harness {
	m := st.snapshot()
	return newHarness(st.t, st.width, st.height, func(c *Config, _ *fakeChat) { c.State = m })
}

// TestReadMark: messages that nobody has seen are not read, wherever the view jumps to.
func TestReadMark(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Read: 170, At: 121}}}
	})
	st.welcome("anna", 200)
	st.has("message 121", "30 new ↓")
	if m := st.snapshot(); m.Rooms[0].Read != 170 {
		t.Errorf("the read mark is %d", m.Rooms[0].Read)
	}
	st.press("alt+u")
	st.has("── new ──", "message 171")

	// A jump to a search result in a room with more unread messages does not mark them as read either.
	st = newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Read: 3}, {Name: "tea", HistoryID: "log", Read: 100}}}
	})
	st.welcome("anna", 3)
	st.fillHistory("tea", 300)
	st.receive(wire.Joined{Room: "tea", HistoryID: "log", N: 300, First: 1, Count: 1})
	for _, m := range st.chat.history["tea"][250:] {
		st.receive(m)
	}
	st.openPanel(showPanel{panel: st.foundPanel("x", wire.SearchResponse{Hits: []wire.Hit{{Room: "tea", N: 40, Snippet: "x"}}})})
	st.press("enter")
	st.has("▶ message 40", "200 new ↓")
	if n := st.room().unread(); n != 200 {
		t.Errorf("%d messages are unread", n)
	}
	st.press("end")
	if n := st.room().unread(); n != 0 {
		t.Errorf("at the end %d messages are unread", n)
	}
}

// TestUnconfirmed: messages that were not confirmed are shown in the next run, until the user dismisses them.
func TestUnconfirmed(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.receive(client.Disconnected{Err: errors.New("gone"), Wait: time.Second})
	for _, text := range []string{"one", "two\nlines"} {
		st.send(tea.PasteMsg{Content: text})
		st.press("o", "enter")
	}
	st.types("one")
	st.press("enter")
	st.types("a draft")
	for range 3 {
		if st = st.restarted(); len(st.rooms.unsaved()) != 0 {
			t.Errorf("unconfirmed messages of the last run are reported again: %q", st.rooms.unsaved())
		}
		st.welcome("anna", 3)
		st.has("✗ one", "✗ two", "not confirmed", "› a draft")
	}
	st.press("ctrl+u", "up", "up")
	st.has("› two", "  lines")
	st.press("esc")
	if st = st.restarted(); len(st.room().timeline.outbox) != 0 {
		t.Error("a dismissed message is back")
	}

	// A refused message stays too, whatever is posted after it, and is reported at the end.
	st.welcome("anna", 3)
	st.press("ctrl+c")
	st.types("refused")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Code: wire.NotAllowed, Reason: "not here", State: client.Failed})
	st.types("next")
	st.press("enter")
	st.has("✗ refused", "not here", "… next")
	if got := st.rooms.unsaved(); !reflect.DeepEqual(got, []string{"refused", "next"}) {
		t.Errorf("the unsaved texts are %q", got)
	}
}

// TestSavedAndDeleted: a message that was saved, but deleted before the client reconnects, does not wait for its echo.
func TestSavedAndDeleted(t *testing.T) {
	st := newLobby(t, 10, nil)
	st.types("hello")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Saved, N: 11, At: st.now}, client.Disconnected{Err: errors.New("gone")},
		wire.Welcome{SenderID: "me", Session: "s", Name: "anna", Limits: wire.Limits{Text: 4000, Rooms: 8}},
		wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 30, First: 21, Count: 3}, wire.Gap{Room: wire.Lobby, From: 11, To: 20})
	if n := len(st.room().timeline.outbox); n != 0 {
		t.Errorf("%d wait:\n%s", n, st.shown())
	}
}

// TestPlainBack: with the plain protocol nothing can be fetched, so nothing below a reader is dropped, and the view can
// return to the end.
func TestPlainBack(t *testing.T) {
	st := newHarness(t, 80, 24, func(_ *Config, f *fakeChat) { f.plain = true })
	st.receive(wire.Welcome{Text: wire.Greeting})
	line := 0
	come := func(n int) {
		for n > 0 {
			var lines []wire.Frame
			for range min(n, 50) { // together, as in a flood: drawing each of them takes long
				line++
				lines = append(lines, client.Line{Text: fmt.Sprint("line ", line)})
			}
			st.receive(lines...)
			n -= len(lines)
		}
	}
	come(100)
	st.press("pgup", "pgup")
	held := strings.Split(st.shown(), "\n")[1:20]
	come(2000)
	if got := strings.Split(st.shown(), "\n")[1:20]; strings.Join(got, "\n") != strings.Join(held, "\n") {
		t.Fatalf("the view moved to\n%s", strings.Join(got, "\n"))
	}
	st.has("2,000 new ↓")
	come(plainFactor * maxItems)
	if n := len(st.room().timeline.items); n > plainFactor*(maxItems+1) {
		t.Errorf("%d lines are held", n)
	}
	st.press("end")
	st.has(fmt.Sprint("line ", line))
	come(1)
	st.has(fmt.Sprint("line ", line))
	if n := len(st.room().timeline.items); n > maxItems {
		t.Errorf("at the end %d lines are held", n)
	}
}

// TestDraftPerRoom: /leave asks if the room has a draft. A message that is recalled and then changed becomes the draft.
func TestDraftPerRoom(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("/join tea")
	st.press("enter")
	st.types("for tea")
	st.press("alt+x")
	st.has("› for tea", "again leaves anyway")
	st.now = st.now.Add(warningTime)
	st.press("alt+x") // the warning has expired
	st.has("› for tea", "again leaves anyway")
	st.press("alt+x")
	if st.rooms.index("tea") >= 0 {
		t.Error("the room is not left")
	}

	st.types("hello")
	st.press("enter")
	st.types("begun")
	st.press("up")
	if got := st.snapshot().Rooms[0].Draft; got != "begun" {
		t.Errorf("the draft is %q", got)
	}
	st.types(", changed")
	if got := st.snapshot().Rooms[0].Draft; got != "hello, changed" {
		t.Errorf("the draft is %q", got)
	}
	st.press("up", "down", "down")
	st.has("› hello, changed")
	st.press("ctrl+u", "ctrl+y")
	st.press("ctrl+u")
	st.types("a draft")
	st.press("alt+m")
	st.room().editor.insert(strings.Repeat("x", 4000), false)
	st.press("enter")
	st.has("at most 4000")
	st.press("esc")
	st.has("› a draft")
	st.press("ctrl+u")
	st.types("/history abc")
	st.press("enter", "up")
	st.has("› /history abc")
}

// TestQuestionWhileTyping: keys that were meant for a text post nothing.
func TestQuestionWhileTyping(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.send(tea.PasteMsg{Content: "password1\npassword2"})
	st.types("hello")
	st.press("enter")
	for _, asked := range st.chat.asked {
		if strings.HasPrefix(asked, "say") {
			t.Errorf("it was posted: %s", asked)
		}
	}
	st.has("pasted 2 lines")
	st.press("esc")
	st.send(tea.PasteMsg{Content: "one\ntwo"})
	st.send(tea.PasteMsg{Content: "three"}) // while the question is open
	st.has("pasted 3 lines")
	st.press("l")
	st.has("Enter posts 3 messages")
	st.press("x", "enter")
	st.has("pasted 3 lines")
	st.now = st.now.Add(time.Second)
	st.press("l", "enter")
	st.asked(`say lobby "three"`)
}

// TestMerged: two screens of the same person do not delete each other's state.
func TestMerged(t *testing.T) {
	before := State{Room: "a", Rooms: []RoomState{{Name: "a", HistoryID: "l", Read: 5, Draft: "mine"}, {Name: "b", HistoryID: "l"}, {Name: "left", HistoryID: "l"}}}
	stored := State{Room: "b", Rooms: []RoomState{{Name: "a", HistoryID: "l", Read: 9, Draft: "theirs", Unsaved: []string{"theirs"}}, {Name: "b", HistoryID: "l", Draft: "theirs"},
		{Name: "left", HistoryID: "l"}, {Name: "new", HistoryID: "l"}}}
	mine := State{Room: "a", Rooms: []RoomState{{Name: "a", HistoryID: "l", Read: 7, Draft: "mine", Unsaved: []string{"mine"}}, {Name: "b", HistoryID: "m", Read: 3, Draft: "changed"}}}
	want := State{Room: "a", Rooms: []RoomState{{Name: "a", HistoryID: "l", Read: 9, Draft: "theirs", Unsaved: []string{"mine", "theirs"}},
		{Name: "b", HistoryID: "m", Read: 3, Draft: "changed"}, {Name: "new", HistoryID: "l"}}}
	if got := mine.merged(before, before, stored); !reflect.DeepEqual(got, want) {
		t.Errorf("the merged state is\n%+v, want\n%+v", got, want)
	}
}

// TestMergedWithTouched: a screen does not delete a draft of another one, and the screen that posted a text decides whether
// it is unsaved.
func TestMergedWithTouched(t *testing.T) {
	at := func(draft string, unsaved ...string) State {
		return State{Room: "a", Rooms: []RoomState{{Name: "a", HistoryID: "l", Draft: draft, Unsaved: unsaved}}}
	}
	one, two, nothing := at("of one"), at("of two"), at("")
	stored := one.merged(nothing, nothing, nothing)
	stored = two.merged(nothing, nothing, stored)
	stored = nothing.merged(two, nothing, stored) // two is posted
	if stored = one.merged(one, nothing, stored); stored.room("a").Draft != "of one" {
		t.Errorf("the draft is stored as %q", stored.room("a").Draft)
	}
	stored = at("", "x").merged(nothing, nothing, nothing)
	other := stored
	stored = nothing.merged(at("", "x"), nothing, stored) // x is confirmed
	if stored = other.merged(other, other, stored); len(stored.room("a").Unsaved) != 0 {
		t.Error("a confirmed text is unsaved again")
	}
}

// TestReceivedLate: a message that was not confirmed in the last run and is received now was saved.
func TestReceivedLate(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Read: 3, Unsaved: []string{"mine", "other"}}}}
	})
	st.welcome("anna", 3)
	st.has("✗ mine", "✗ other")
	st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: "z", Text: "mine"})
	st.has("✓ mine", "✗ other")
	st.hasNot("✗ mine")
}

// TestManyUnconfirmed: unconfirmed messages of the last run do not prevent new ones.
func TestManyUnconfirmed(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Unsaved: slices.Repeat([]string{"x"}, maxOutbox)}}}
	})
	st.welcome("anna", 3)
	st.types("now")
	st.press("enter")
	st.asked(`say lobby "now"`)
}

// TestPlainPosition: numbers of the plain protocol are not those of the last run.
func TestPlainPosition(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, f *fakeChat) {
		f.plain = true
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, Read: 57, At: 12, Draft: "begun"}}}
	})
	st.receive(wire.Welcome{Text: wire.Greeting})
	for i := range 40 {
		st.receive(client.Line{Text: fmt.Sprint("line ", i)})
	}
	st.press("pgup")
	st.receive(client.Line{Text: "more"})
	st.has("› begun", " 1 new ↓")
	if p := st.snapshot().Rooms[0]; p.Read != 0 || p.At != 0 || p.Draft != "begun" {
		t.Errorf("the stored state is %+v", p)
	}
}

type stored struct {
	State
	times int
}

func (s *stored) Load() State   { return s.State }
func (s *stored) Store(m State) { s.State, s.times = m, s.times+1 }

// TestKeepHistory: the state is stored while the screen runs if it has changed, and never after the last time.
func TestKeepHistory(t *testing.T) {
	shelf := &stored{State: State{Room: wire.Lobby}}
	st := newHarness(t, 80, 24, nil)
	st.screen.memory.saver, st.screen.memory.scheduled = &saver{store: shelf}, true // the test controls the clock
	st.memory.saver.load()
	st.welcome("anna", 3)
	st.types("a draft")
	for range 2 {
		st.do(st.saveNow())
	}
	if shelf.times != 1 || shelf.Rooms[0].Draft != "a draft" || shelf.Rooms[0].Read != 3 {
		t.Errorf("stored %d times, the last one %+v", shelf.times, shelf.State)
	}
	late := st.saveNow()
	st.screen.memory.scheduled = true
	st.types("!")
	st.memory.saver.save(st.snapshot(), true)
	st.do(late)
	if shelf.Rooms[0].Draft != "a draft!" {
		t.Errorf("the last stored state is %+v", shelf.State)
	}
}
