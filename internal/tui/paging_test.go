package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// TestBack: new messages do not move a view that is scrolled back.
func TestBack(t *testing.T) {
	st := newLobby(t, 300, nil)
	st.has("message 300")
	st.press("pgup")
	held := strings.Split(st.shown(), "\n")[1:20]
	for range 12 {
		st.says("budi", "news that is long enough to be wrapped, which would move the lines above it if anything could")
	}
	if got := strings.Split(st.shown(), "\n")[1:20]; strings.Join(got, "\n") != strings.Join(held, "\n") {
		t.Fatalf("the view moved to\n%s", strings.Join(got, "\n"))
	}
	st.has("12 new ↓")
	// Nor do more new messages than the window can hold.
	for i := range 2 * maxItems {
		st.says("budi", fmt.Sprintf("flood %d", i))
	}
	if got := strings.Split(st.shown(), "\n")[1:20]; strings.Join(got, "\n") != strings.Join(held, "\n") {
		t.Fatalf("the flood moved the view to\n%s", strings.Join(got, "\n"))
	}
	if r := st.room(); len(r.timeline.items) > maxItems || r.timeline.attached {
		t.Fatalf("the window has %d items", len(r.timeline.items))
	}
	st.has("2,012 new ↓")
	st.press("end")
	st.has("flood 1999")
	st.hasNot("new ↓")
	st.press("alt+u")
	st.has("── new ──", "message 300", "news that is long")
}

// TestHistory: scrolling up continues to the beginning of the room, and the view does not move while a page is fetched.
func TestHistory(t *testing.T) {
	st := newLobby(t, 300, nil)
	seen := map[string]bool{}
	last := ""
	for range 100 {
		for _, row := range strings.Split(st.shown(), "\n") {
			if i := strings.Index(row, "message "); i >= 0 {
				seen[strings.TrimSpace(row[i:])] = true
			}
		}
		if st.shown() == last {
			break
		}
		last = st.shown()
		st.press("pgup")
	}
	st.has("the beginning of lobby", "message 1")
	if len(seen) != 300 {
		t.Fatalf("%d messages were seen while scrolling up, want 300", len(seen))
	}
	if n := len(st.chat.asked); n < 3 || n > 6 {
		t.Errorf("the history took %d requests", n)
	}
	for range 100 {
		st.press("pgdown")
	}
	st.has("message 300")
	if st.room().timeline.anchor != nil {
		t.Error("End does not show the newest message")
	}
	st.types("/history 150")
	st.press("enter")
	st.has("▶ message 150")
	st.press("esc")
	st.hasNot("▶")
	st.types("/history 301")
	st.press("enter")
	st.has("there is no message 301")
	st.types("/last 100")
	st.press("enter")
	st.has("message 201")
}

// TestHistoryDeleted: messages that the server no longer has are shown as a gap.
func TestHistoryDeleted(t *testing.T) {
	st := newHarness(t, 80, 24, nil)
	st.receive(wire.Welcome{SenderID: "me", Name: "anna"}, wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 9, First: 8, Count: 1}, wire.Gap{Room: wire.Lobby, From: 1, To: 7},
		wire.Message{Room: wire.Lobby, N: 8, SenderID: "b", Text: "kept"}, wire.Message{Room: wire.Lobby, N: 9, SenderID: "b", Text: "too"})
	st.has("messages before 8 are no longer", "kept")
	st.receive(wire.Gap{Room: wire.Lobby, From: 10, To: 1200}, wire.Message{Room: wire.Lobby, N: 1201, SenderID: "b", Text: "after"})
	st.has("10 to 1,200 are no longer", "after", "live")
}

// TestResize: a resize wraps the text again and keeps the position.
func TestResize(t *testing.T) {
	st := newLobby(t, 300, nil)
	for range 3 {
		st.press("pgup")
	}
	top := st.room().timeline.anchor
	for _, size := range [][2]int{{40, 10}, {20, 6}, {3, 2}, {1, 1}, {200, 60}, {100, 12}, {80, 24}} {
		st.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		if st.room().timeline.anchor != top {
			t.Fatalf("at %v the view begins elsewhere", size)
		}
	}
	st.press("end")
	st.send(tea.WindowSizeMsg{Width: 30, Height: 8})
	st.has("message 300")
}

// TestUnread counts unread messages, in this room and in others.
func TestUnread(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: "team", Rooms: []RoomState{{Name: "lobby", HistoryID: "log", Read: 298}, {Name: "team", HistoryID: "log", Read: 2}}}
	})
	st.welcome("anna", 300)
	st.asked("join team 50")
	st.has("── new ──")
	st.receive(wire.Joined{Room: "team", HistoryID: "log", N: 3, First: 1, Count: 1})
	st.receive(wire.Message{Room: "team", N: 1, SenderID: "b", Text: "1"}, wire.Message{Room: "team", N: 2, SenderID: "b", Text: "2"}, wire.Message{Room: "team", N: 3, SenderID: "b", Text: "@anna 3"})
	st.has(" team @1 ")
	if st.bell != 0 {
		t.Error("an old message rang the bell")
	}
	st.receive(wire.Message{Room: "team", N: 4, SenderID: "b", Text: "4"}, wire.Message{Room: "team", N: 5, SenderID: "b", Text: "hey @ANNA!"})
	st.has(" team @2 3 ")
	if st.bell != 1 {
		t.Errorf("a mention rang the bell %d times", st.bell)
	}
	st.press("ctrl+n")
	st.has("── new ──", "@anna 3", "lobby  team")
	st.press("ctrl+p")
	st.hasNot("@2")

	st.send(tea.BlurMsg{})
	st.says("budi", "while away")
	st.says("budi", "and more")
	st.send(tea.FocusMsg{})
	if shown := st.shown(); !strings.Contains(shown, "── new ──") || strings.Index(shown, "new ──") > strings.Index(shown, "while away") {
		t.Errorf("messages that came while nobody looked are not below the divider:\n%s", shown)
	}
	st.types("hi")
	st.press("enter")
	st.hasNot("── new ──")
	m := st.snapshot()
	if m.Room != "lobby" || m.Rooms[0].Read != 302 || m.Rooms[1].Read != 5 {
		t.Errorf("the stored state is %+v", m)
	}
}

// TestFullWindow: a full window does not fetch pages at its top forever.
func TestFullWindow(t *testing.T) {
	st := newHarness(t, 200, 180, nil)
	st.welcome("anna", 3000)
	for i := range st.chat.history[wire.Lobby] { // as long as possible, and one line each
		st.chat.history[wire.Lobby][i].Text = "a" + strings.Repeat("\u0301", 1999)
	}
	st.press("pgup", "pgdown", "pgup")
	if n := len(st.chat.asked); n > 60 {
		t.Errorf("%d pages were requested", n)
	}
}

// TestJumpWhileLoading: a page that is being fetched does not block a jump.
func TestJumpWhileLoading(t *testing.T) {
	st := newLobby(t, 3000, nil)
	st.types("/history 10")
	st.press("enter")
	r := st.room()
	r.timeline.loading = true // and its page is dropped when it comes
	over := r.timeline.generation
	st.press("end")
	st.send(page{room: r.name, generation: over, kind: older})
	if !r.timeline.attached || r.timeline.anchor != nil {
		t.Errorf("the view is not at the end: attached %t, at the end %t", r.timeline.attached, r.timeline.anchor == nil)
	}
}

// TestJoinedAgain: messages from before a room was left and joined again are not shown twice.
func TestJoinedAgain(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("/join tea")
	st.press("enter")
	late := wire.Message{Room: "tea", N: 3, At: wire.TimeOf(start), SenderID: "budi", Text: "late"}
	st.receive(late)
	st.receive(wire.Joined{Room: "tea", HistoryID: "log", N: 3, First: 1})
	for n := range uint64(3) {
		st.receive(wire.Message{Room: "tea", N: n + 1, At: wire.TimeOf(start), SenderID: "budi", Text: "again"})
	}
	st.receive(late)
	if got := len(st.room().timeline.items); got != 3 || st.room().timeline.items[2].text != "again" {
		t.Errorf("there are %d messages", got)
	}
}

// TestHitElsewhere: a search result in a room that is not joined is shown once the room is joined.
func TestHitElsewhere(t *testing.T) {
	st := newLobby(t, 3, nil)
	message := func(n uint64) wire.Message {
		return wire.Message{Room: "other", N: n, At: wire.TimeOf(start), SenderID: "budi", Text: fmt.Sprint("message ", n)}
	}
	for n := range uint64(150) {
		st.chat.history["other"] = append(st.chat.history["other"], message(n+1))
	}
	st.do(st.join("other", 7))
	st.receive(wire.Joined{Room: "other", HistoryID: "log", N: 150, First: 1})
	for n := uint64(101); n <= 150; n++ {
		st.receive(message(n))
	}
	if r := st.room(); r.name != "other" || r.timeline.jumpTarget != 7 || r.timeline.anchor == nil || !strings.Contains(st.shown(), "message 7") {
		t.Errorf("in %s, at %d:\n%s", r.name, r.timeline.jumpTarget, st.shown())
	}
}

// TestPositionRestored: a run begins at the position of the previous one, every time.
func TestPositionRestored(t *testing.T) {
	memory := State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Read: 300, At: 280}}}
	for range 3 {
		st := newLobby(t, 300, func(c *Config, _ *fakeChat) { c.State = memory })
		if memory = st.snapshot(); memory.Rooms[0].At != 280 {
			t.Fatalf("the view begins at %d", memory.Rooms[0].At)
		}
	}
}

// TestGrownView: a view that becomes higher for a while stays scrolled back only while there is something below it, and
// then returns to its position.
func TestGrownView(t *testing.T) {
	st := newHarness(t, 80, 12, nil)
	st.welcome("anna", 100)
	st.press("pgup", "pgup")
	top := st.room().timeline.anchor
	if top == nil {
		t.Fatal("the view is at the end")
	}
	st.send(tea.WindowSizeMsg{Width: 80, Height: 60})
	if st.room().timeline.anchor != nil {
		t.Error("everything fits up to the end, but the view is scrolled back")
	}
	st.send(tea.WindowSizeMsg{Width: 80, Height: 12})
	if st.room().timeline.anchor != top {
		t.Errorf("the view is not where it was:\n%s", st.shown())
	}
	st.send(tea.WindowSizeMsg{Width: 80, Height: 60})
	st.says("budi", "and on it goes")
	st.send(tea.WindowSizeMsg{Width: 80, Height: 12})
	st.has("and on it goes") // a view at the end stays at the end

	st.types("one")
	st.press("alt+enter", "alt+enter")
	st.press("shift+up", "shift+up")
	if st.room().timeline.anchor == nil {
		t.Fatal("the view is at the end")
	}
	st.press("backspace", "backspace")
	if st.room().timeline.anchor != nil {
		t.Errorf("the composer has shrunk, and the view is scrolled back with nothing below it:\n%s", st.shown())
	}
}

// TestRule: read messages are no longer new once the user has shown another room, or pressed Esc.
func TestRule(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Read: 298}, {Name: "team", HistoryID: "log"}}}
	})
	st.welcome("anna", 300)
	st.has("── new ──")
	st.press("ctrl+n", "ctrl+p")
	st.hasNot("── new ──")
	st.send(tea.BlurMsg{})
	st.says("budi", "while away")
	st.send(tea.FocusMsg{})
	st.has("── new ──")
	st.press("esc")
	st.hasNot("── new ──")
}

// TestNewerServer: numbers that are not messages are not fetched again and again.
func TestNewerServer(t *testing.T) {
	st := newLobby(t, 100, nil)
	st.press("pgup")
	for range maxItems + 10 {
		st.says("budi", "more")
	}
	st.receive(wire.Unknown{Room: wire.Lobby, N: st.room().timeline.received + 1})
	if st.room().timeline.attached {
		t.Fatal("the view still has the newest")
	}
	st.chat.asked = nil
	st.press("end")
	if n := len(st.chat.asked); n > 1 || !st.room().timeline.attached {
		t.Errorf("there were %d requests: %.3q", n, st.chat.asked)
	}
	st.receive(wire.Message{Room: wire.Lobby, N: st.room().timeline.received + 1, At: wire.TimeOf(start), SenderID: "b", Text: "after it"})
	st.has("after it")
}

// behind simulates that n messages were posted while there was no connection, and that those up to first have arrived
// since.
func (st *harness) behind(n, first int) {
	st.receive(client.Disconnected{Err: errors.New("gone"), Wait: time.Second})
	all := st.chat.history[wire.Lobby]
	from := len(all)
	for i := from + 1; i <= from+n; i++ {
		all = append(all, wire.Message{Room: wire.Lobby, N: uint64(i), At: wire.TimeOf(start), SenderID: "b", DisplayName: "budi", ID: fmt.Sprint(i), Text: fmt.Sprint("message ", i)})
	}
	st.chat.history[wire.Lobby] = all
	st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: "anna", Limits: wire.Limits{Text: 4000, Rooms: 8}},
		wire.Joined{Room: wire.Lobby, HistoryID: "log", N: uint64(from + n), First: 1, Count: 3})
	st.receiveFrom(from, from+first)
}

// receiveFrom delivers messages that the history has.
func (st *harness) receiveFrom(from, to int) {
	for _, m := range st.chat.history[wire.Lobby][from:to] {
		st.receive(m)
	}
}

// TestJumpWhileBehind: a message that a page has already brought is not added again.
func TestJumpWhileBehind(t *testing.T) {
	for _, before := range []string{"", "/history 100"} {
		st := newLobby(t, 500, nil)
		st.types(before)
		st.press("enter")
		st.behind(2500, 100)
		st.types("/last 3")
		st.press("enter", "end")
		st.receiveFrom(600, 3000)
		last := uint64(0)
		for _, it := range st.room().timeline.items {
			if it.n <= last {
				t.Fatalf("%d comes after %d", it.n, last)
			}
			last = it.n
		}
		if last != 3000 || !st.room().timeline.attached {
			t.Errorf("the last is %d", last)
		}
		st.says("budi", "news")
		st.has("news")
	}
}

// TestNothingUnsaved: messages that the server no longer has are not requested again and again.
func TestNothingUnsaved(t *testing.T) {
	st := newLobby(t, 500, nil)
	st.types("/history 100")
	st.press("enter")
	st.behind(100, 0)
	st.chat.history[wire.Lobby] = nil
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 600, First: 601, Count: 3}, wire.Gap{Room: wire.Lobby, From: 501, To: 600})
	st.chat.asked = nil
	for range 20 {
		st.press("pgdown")
	}
	if n := len(st.chat.asked); n > 5 {
		t.Errorf("%d requests: %.3q", n, st.chat.asked)
	}
}

// TestJumpGivenUp: another history, posting, and End each cancel a jump that is in progress.
func TestJumpGivenUp(t *testing.T) {
	for _, end := range []func(*harness){
		func(st *harness) {
			st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log2", N: 0, First: 1, Count: 1, Reset: true})
		},
		func(st *harness) {
			st.types("hello")
			st.press("enter")
		},
		func(st *harness) { st.press("end") },
	} {
		st := newLobby(t, 500, nil)
		under := st.screen.toNumber("10")
		end(st)
		st.do(under)
		r := st.room()
		st.receive(wire.Message{Room: wire.Lobby, N: r.timeline.received + 1, At: wire.TimeOf(start), SenderID: "b", Text: "after it"})
		if st.has("after it"); r.timeline.jumping || r.read.upTo != r.timeline.received {
			t.Errorf("jumping is %v, read %d of %d", r.timeline.jumping, r.read.upTo, r.timeline.received)
		}
	}
	// The view shows a posted message, whatever posted it.
	st := newLobby(t, 500, nil)
	for _, say := range []func(){
		func() { st.types("/me waves"); st.press("enter") },
		func() { st.send(tea.PasteMsg{Content: "one\ntwo"}); st.press("l", "enter") },
	} {
		st.types("/history 10")
		st.press("enter")
		if say(); st.room().timeline.anchor != nil || !st.room().timeline.attached {
			t.Errorf("the posted message is not in view:\n%s", st.shown())
		}
	}
}

// TestOwnIsNotNew: the divider is never above one's own message.
func TestOwnIsNotNew(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Read: 3}}}
	})
	st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: "anna", Limits: wire.Limits{Text: 4000, Rooms: 8}})
	st.fillHistory(wire.Lobby, 3)
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 4, First: 1, Count: 3})
	st.receiveFrom(0, 3)
	st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: "z", Text: "mine"})
	st.hasNot("── new")
}
