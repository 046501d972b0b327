package tui

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// TestMouse: the wheel scrolls, and a click shows a room or a folded message, or goes to the newest message.
func TestMouse(t *testing.T) {
	st := newLobby(t, 3, func(c *Config, _ *fakeChat) { c.Mouse, c.Rooms = true, []string{"tea"} })
	if mode := st.View().MouseMode; mode != tea.MouseModeCellMotion {
		t.Errorf("the mouse mode is %v", mode)
	}
	click := func(words string) {
		t.Helper()
		for y, line := range strings.Split(st.shown(), "\n") {
			if before, _, ok := strings.Cut(line, words); ok {
				st.send(tea.MouseClickMsg{X: st.method.StringWidth(before), Y: y, Button: tea.MouseLeft})
				return
			}
		}
		t.Fatalf("%q is not on the screen:\n%s", words, st.shown())
	}
	first := st.room().name
	other := st.rooms.all[1-st.rooms.current].name
	click(other)
	if st.room().name != other {
		t.Errorf("a click on %s shows %s", other, st.room().name)
	}
	click(first)
	st = newLobby(t, 100, func(c *Config, _ *fakeChat) { c.Mouse = true })
	st.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	if st.room().timeline.anchor == nil {
		t.Fatal("the wheel does not scroll")
	}
	click("↓")
	if st.room().timeline.anchor != nil {
		t.Error("a click on the rule does not go to the newest message")
	}
	st.says("budi", strings.Repeat("x\n", 40)+"last")
	click("more lines")
	st.press("end")
	st.has("last")
	if newHarness(t, 80, 24, nil).View().MouseMode != tea.MouseModeNone {
		t.Error("the mouse is used without the option")
	}
}

// TestSidebar: from 120 columns on, rooms and people have a column of their own, and the cursor is placed beside it.
func TestSidebar(t *testing.T) {
	st := newHarness(t, 120, 24, func(c *Config, _ *fakeChat) { c.Mouse = true })
	st.welcome("anna", 3)
	st.says("dewi", "hello")
	st.has(" Rooms ", " lobby ", " 3 here", " dewi ", " anna (you)")
	if x := st.View().Cursor.X; x != sidebarWidth+2 {
		t.Errorf("the cursor is in column %d", x)
	}
	for y, line := range strings.Split(strings.TrimSuffix(st.shown(), "\n"), "\n") {
		if r := []rune(line); len(r) <= sidebarWidth-2 || r[sidebarWidth-2] != '│' {
			t.Errorf("row %d has no line beside the sidebar: %q", y, line)
		}
	}
	st.receive(wire.Presence{Room: wire.Lobby, Count: 5002, Names: []string{"anna", "budi", "dewi"}})
	st.has("5,002 here", "and 4,999 more")
	st.send(tea.WindowSizeMsg{Width: 119, Height: 24})
	st.hasNot("│")
}

// TestTitle: the title contains the room and the unread count.
func TestTitle(t *testing.T) {
	st := newLobby(t, 3, func(c *Config, _ *fakeChat) { c.Title = true })
	title := func(want string) {
		t.Helper()
		if got := st.View().WindowTitle; got != want {
			t.Errorf("the title is %q, want %q", got, want)
		}
	}
	title("lobby - ramai")
	st.send(tea.BlurMsg{})
	st.says("budi", "one")
	title("(1) lobby - ramai")
	st.says("budi", "@anna two")
	title("(@1) lobby - ramai")
	st.send(tea.FocusMsg{})
	title("lobby - ramai")
}

// TestNotify: a mention while the terminal has no focus causes a notification. The message's text cannot add control
// characters or turn the sequence into another command.
func TestNotify(t *testing.T) {
	for kind, want := range map[Notify]string{
		NoNotification: "",
		OSC9:           "\x1b]9;ramai: 4 1 in lobby: @anna a b\x1b\\",
		OSC777:         "\x1b]777;notify;ramai: 4 1 in lobby;@anna a b\x1b\\",
	} {
		st := newLobby(t, 3, func(c *Config, _ *fakeChat) { c.Notify, c.Bell = kind, false })
		m := wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(st.now), SenderID: "b", DisplayName: "4;1", Text: "@anna a\nb\x1b]0;c\a\u009c"}
		if got := st.wants(batch{events: []client.Event{{Frame: m}}}); len(got) > 0 {
			t.Errorf("%s: a user who sees the screen is notified: %q", kind, got)
		}
		st.send(tea.BlurMsg{})
		st.now, m.N = st.now.Add(time.Minute), 5
		got := st.wants(batch{events: []client.Event{{Frame: m}}})
		if want == "" && len(got) > 0 || want != "" && !reflect.DeepEqual(got, []tea.Msg{tea.RawMsg{Msg: want}}) {
			t.Errorf("%s: the commands are %q, want %q", kind, got, want)
		}
	}
}

// TestCopy: /copy writes a message to the clipboard, if that is allowed.
func TestCopy(t *testing.T) {
	st := newLobby(t, 3, func(c *Config, _ *fakeChat) { c.Clipboard = true })
	st.types("/copy 2")
	if got := st.wants(keyPress("enter")); len(got) != 1 || fmt.Sprint(got[0]) != "message 2" {
		t.Errorf("it copies %q", got)
	}
	st.types("/copy")
	st.press("esc")
	st.Clipboard = false
	st.types("/copy 2")
	st.press("enter")
	st.has("--clipboard turns it on")
}

// TestOtherNames: commands can be called by the names they have in other programs, a typing error suggests the nearest one,
// and a private message is not posted.
func TestOtherNames(t *testing.T) {
	st := newLobby(t, 3, nil)
	for _, c := range [][2]string{
		{"/nick budi", "asked:name budi"}, {"/list", "1 room; /join ROOM creates another"}, {"/part", "this is the only room"},
		{"/serach x", "did you mean /search?"}, {"/nmae x", "did you mean /name?"}, {"/zzzzzz", "// posts a line that begins with a slash"},
		{"/msg budi secret", "there are no private messages"},
	} {
		st.types(c[0])
		st.press("enter")
		if want, ok := strings.CutPrefix(c[1], "asked:"); ok {
			st.asked(want)
		} else {
			st.has(c[1])
		}
		st.press("esc", "ctrl+c", "esc")
	}
	if st.chat.count > 0 {
		t.Errorf("something was posted: %q", st.chat.asked)
	}
}

// TestRecallAfterRestart: posted messages can be recalled in the next run if the option is set.
func TestRecallAfterRestart(t *testing.T) {
	for _, keep := range []bool{true, false} {
		st := newLobby(t, 3, func(c *Config, _ *fakeChat) { c.KeepHistory = keep })
		for i := range maxRecalled + 10 {
			st.types(fmt.Sprint("post ", i))
			st.press("enter")
			st.receive(client.Sent{Room: wire.Lobby, ID: fmt.Sprintf("id-%d", i+1), State: client.Saved, N: uint64(4 + i)},
				wire.Message{Room: wire.Lobby, N: uint64(4 + i), SenderID: "me", DisplayName: "anna", ID: fmt.Sprintf("id-%d", i+1), Text: fmt.Sprint("post ", i)})
		}
		kept := st.snapshot()
		if n := len(kept.room(wire.Lobby).History); keep && n != maxRecalled || !keep && n != 0 {
			t.Errorf("keep %t: %d entries are stored", keep, n)
		}
		next := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) { c.State = kept })
		next.welcome("anna", 3)
		next.press("up")
		if got := next.room().editor.String(); (got == fmt.Sprint("post ", maxRecalled+9)) != keep {
			t.Errorf("keep %t: up recalls %q", keep, got)
		}
	}
}

// TestMergeHistory: two screens of one person keep the posted messages of both.
func TestMergeHistory(t *testing.T) {
	if got := mergeHistory([]string{"b", "c"}, []string{"a", "b"}); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("merged is %q", got)
	}
}

// TestRetry: Ctrl-R and /retry connect at once while there is no connection.
func TestRetry(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.receive(client.Disconnected{Err: errors.New("gone"), Wait: 2 * time.Second})
	st.has("Offline · retry in 2 s", "Ctrl-R retry now")
	st.press("ctrl+r")
	st.asked("retry")
	st.chat.asked = nil
	st.types("/retry")
	st.press("enter")
	st.asked("retry")
	st.receive(wire.Welcome{SenderID: "me", Name: "anna"})
	st.press("ctrl+r")
	if !st.room().editor.searching {
		t.Error("with a connection Ctrl-R does not search")
	}
}

// TestEmptyRoom: an empty room explains itself and shows how others can join.
func TestEmptyRoom(t *testing.T) {
	st := newLobby(t, 0, nil)
	st.has("No messages yet", "This is the room lobby.", "without an account", "http://127.0.0.1:2000/", "on this machine only")
}

// TestManyTyping: three or more people are shown as a number.
func TestManyTyping(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.receive(wire.Typing{Room: wire.Lobby, By: []wire.Sender{{SenderID: "a", DisplayName: "budi"}, {SenderID: "b", DisplayName: "dewi"}, {SenderID: "me"}}})
	st.has("budi and dewi are typing")
	st.receive(wire.Typing{Room: wire.Lobby, By: []wire.Sender{{SenderID: "a"}, {SenderID: "b"}, {SenderID: "c"}}})
	st.has("3 people are typing")
}

// TestReadInView: messages are read if they were in view while somebody looked; one's own are not new; a room that was
// empty can have unread messages.
func TestReadInView(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log"}}}
	})
	st.send(tea.BlurMsg{})
	st.welcome("anna", 40)
	r := st.room()
	if r.unread() != 40 {
		t.Errorf("a room that was empty has %d unread, want 40", r.unread())
	}
	st.press("pgup") // a key, but the terminal still has no focus
	st.send(tea.FocusMsg{})
	if n := r.unread(); n == 0 || n >= 40 {
		t.Errorf("%d are unread after some were seen", n)
	}
	st.press("end")
	if n := r.unread(); n != 0 {
		t.Errorf("%d are unread after all were seen", n)
	}
	st.press("pgup")
	st.receive(wire.Message{Room: wire.Lobby, N: 41, At: wire.TimeOf(st.now), SenderID: "me", DisplayName: "anna", ID: "other", Text: "from my phone"})
	st.hasNot("1 new")
	st.press("end", "esc")
	st.send(tea.BlurMsg{})
	st.receive(wire.Message{Room: wire.Lobby, N: 42, At: wire.TimeOf(st.now), SenderID: "by-budi", DisplayName: "budi", ID: "b", Text: "while away"})
	st.send(tea.FocusMsg{})
	st.has("── new ──")
	if !r.timeline.unreadDivider || r.timeline.dividerAfter != 41 {
		t.Errorf("the divider is after %d", r.timeline.dividerAfter)
	}
}

// TestWhoAtStart: /who with a prefix lists the names that begin with it.
func TestWhoAtStart(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.chat.who = wire.Who{Room: wire.Lobby, Prefix: "bu", Count: 5002, Matching: 2, Names: []string{"budi", "bulan"}}
	st.types("/who bu")
	st.press("enter")
	st.asked("who lobby bu")
	st.has("5,002 are in lobby", "2 with bu", "bulan")
}
