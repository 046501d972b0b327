package tui

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// twoRooms returns a harness in the rooms lobby and team, with histories as long as requested.
func twoRooms(t *testing.T, width, height int, change func(*Config, *fakeChat)) *harness {
	st := newHarness(t, width, height, func(c *Config, f *fakeChat) {
		c.Rooms = []string{"team"}
		if change != nil {
			change(c, f)
		}
	})
	st.welcome("anna", 10)
	return st
}

// inTeam posts a message in team.
func (st *harness) inTeam(n int, by, from, text string) {
	st.receive(wire.Message{Room: "team", N: uint64(n), At: wire.TimeOf(st.now), SenderID: by, DisplayName: from, ID: fmt.Sprint("t", n), Text: text})
}

// TestUnreadDeleted: messages that the server no longer has are not unread, and the divider is above the first one that
// exists.
func TestUnreadDeleted(t *testing.T) {
	st := twoRooms(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Rooms: []RoomState{{Name: "team", HistoryID: "log", Read: 10}}}
	})
	st.receive(wire.Joined{Room: "team", HistoryID: "log", N: 10_000, First: 9981, Count: 3})
	for n := 9981; n <= 10_000; n++ {
		st.inTeam(n, "b", "budi", fmt.Sprint("kept ", n))
	}
	st.has("team 20 ")
	st.press("ctrl+n")
	st.has("Alt-U first unread")
	st.press("alt+u")
	st.has("── new ──", "kept 9981")
	st.hasNot("Alt-U")
	st.press("end")
	if r := st.room(); r.timeline.firstUnread() != 9981 || r.timeline.behind() != 0 {
		t.Errorf("the first unread is %d, and %d are still to arrive", r.timeline.firstUnread(), r.timeline.behind())
	}
	for n := 10_001; n <= 10_040; n++ {
		st.inTeam(n, "b", "budi", fmt.Sprint("kept ", n))
	}
	st.has("Alt-U first unread")
	st.press("alt+u")
	st.has("── new ──", "kept 9981")
	st.hasNot("Alt-U")

	// An empty room has nothing new either.
	st = twoRooms(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Rooms: []RoomState{{Name: "team", HistoryID: "log", Read: 10}}}
	})
	st.receive(wire.Joined{Room: "team", HistoryID: "log", N: 50, First: 51, Count: 3})
	if r := st.rooms.all[1]; r.unread() != 0 || r.timeline.unreadDivider || r.timeline.behind() != 0 {
		t.Errorf("in an empty room, %d are unread and %d still to arrive; divider: %v", r.unread(), r.timeline.behind(), r.timeline.unreadDivider)
	}
}

// TestUnreadOwn: messages that this user posted elsewhere are not unread, nor are records that are not shown.
func TestUnreadOwn(t *testing.T) {
	st := twoRooms(t, 80, 16, nil)
	st.receive(wire.Joined{Room: "team", HistoryID: "log", N: 0, First: 1, Count: 3})
	unread := func(want uint64) {
		t.Helper()
		if got := st.rooms.all[1].unread(); got != want {
			t.Fatalf("%d are unread, want %d", got, want)
		}
	}
	st.inTeam(1, "me", "anna", "from my telephone")
	unread(0)
	st.receive(wire.Unknown{Room: "team", N: 2})
	unread(0)
	st.inTeam(3, "b", "budi", "hello")
	st.inTeam(4, "me", "anna", "hello, budi")
	unread(1)
	st.hasNot("team 2")
	st.press("ctrl+n")
	unread(0)
	st.press("ctrl+p")
	st.inTeam(5, "me", "anna", "more")
	st.inTeam(6, "b", "budi", "more")
	unread(1)
	st.receive(wire.Unknown{Room: "team", N: 6}) // once more
	unread(1)
}

// TestWhoTypes: every size shows the name under which this user posts, or that there is none.
func TestWhoTypes(t *testing.T) {
	for _, test := range []struct {
		width, height  int
		named, without string
	}{{200, 60, "as anna   3 here   live", "without a name   3 here   live"}, {80, 24, "› say something in lobby as anna", "› say something in lobby without a name"}, {20, 6, "› as anna", "› without a name"}} {
		st := newHarness(t, test.width, test.height, func(c *Config, _ *fakeChat) { c.Name = "anna" })
		st.hasNot("anna", "without") // not known yet
		st.welcome("", 10)
		st.has(test.without)
		st.receive(wire.Name{Name: "anna"})
		st.has(test.named)
		if st.types("a"); test.width < roomy {
			st.hasNot("anna", "without")
		}
		st.press("ctrl+u")
		st.receive(wire.Name{})
		st.has(test.without)
	}
	// The plain protocol has no names.
	st := newHarness(t, 80, 24, func(_ *Config, f *fakeChat) { f.plain = true })
	st.receive(wire.Welcome{Text: wire.Greeting})
	st.has("› say something in lobby\n")
}

// TestLongNotice: a notice or question can be read to its end, at every size. It never covers a new message.
func TestLongNotice(t *testing.T) {
	rule := "a room name has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or digit"
	for _, size := range [][2]int{{200, 60}, {80, 24}, {57, 10}, {30, 8}, {20, 6}} {
		st := newHarness(t, size[0], size[1], nil)
		st.welcome("anna", 300)
		read := func(words string) {
			t.Helper()
			if got := strings.Join(strings.Fields(strings.NewReplacer("─", " ", "\n", " ").Replace(st.shown())), " "); !strings.Contains(got, words) {
				t.Fatalf("%v: %q cannot be read:\n%s", size, words, st.shown())
			}
		}
		st.types("/join Not/A/Room")
		st.press("enter")
		read("no room can have that name; try /join not-a-room")
		st.press("ctrl+u")
		st.types("/join é")
		st.press("enter")
		read(rule)
		if len(st.status.notice)/(size[0]-2)+2 < st.messageRows() {
			st.has("message 300") // the end is above the notice
		}
		st.press("ctrl+c", "esc")
		st.has("message 300")
		st.press("ctrl+c")
		read("press Ctrl-C again to leave")
		st.press("esc", "pgup", "pgup")
		top := strings.Split(st.shown(), "\n")[1]
		st.says("budi", "one more")
		st.types("/join é")
		st.press("enter")
		if size[0] > 20 {
			read(rule)
			st.has("1 new ↓")
			st.send(notice{text: strings.Repeat("x", st.width-2), isError: true})
			read(st.status.notice)
			st.has("1 new ↓")
		}
		if got := strings.Split(st.shown(), "\n")[1]; got != top && size[1] > 8 {
			t.Errorf("%v: the view moved from %q to %q", size, top, got)
		}
		st.send(tea.PasteMsg{Content: "one\n" + strings.Repeat("two ", 1100)})
		read("too much for one message")
		st.press("c", "f1")
		st.send(notice{text: rule, isError: true})
		if read(rule); size[1] > 6 {
			st.has("Keys and commands")
		}
	}
	// A long notice stays longer.
	st := newHarness(t, 80, 24, nil)
	st.send(notice{text: strings.Repeat("long ", 40), isError: true})
	st.now = st.now.Add(noticeTime + time.Second)
	st.status.ticking = false
	st.send(tick{})
	st.has("long long")
	st.now = st.now.Add(10 * time.Second)
	st.status.ticking = false
	st.send(tick{})
	st.hasNot("long long")
}

// TestPresenceOffline: without a connection, the number of people is not shown.
func TestPresenceOffline(t *testing.T) {
	st := newLobby(t, 10, nil)
	st.has("3 here")
	st.receive(client.Disconnected{Err: errors.New("gone"), Wait: time.Second})
	st.hasNot("here ")
}

// TestResetMarks: after a reset, jump targets and mentions of the former history are dropped.
func TestResetMarks(t *testing.T) {
	st := twoRooms(t, 80, 24, nil)
	st.receive(wire.Joined{Room: "team", HistoryID: "log", N: 0, First: 1, Count: 1})
	st.inTeam(1, "b", "budi", "@anna")
	st.types("/history 5")
	st.press("enter")
	st.has("▶ message 5", "team @1")
	st.receive(wire.Joined{Room: "team", HistoryID: "other", N: 0, First: 1, Count: 1, Reset: true}, wire.Joined{Room: wire.Lobby, HistoryID: "other", N: 5, First: 1, Count: 1, Reset: true})
	for n := uint64(1); n <= 5; n++ {
		st.receive(wire.Message{Room: wire.Lobby, N: n, At: wire.TimeOf(st.now), SenderID: "b", DisplayName: "budi", Text: fmt.Sprint("other ", n)})
	}
	st.has("other 5")
	st.hasNot("▶", "@1")
}

// TestDeletedAbove: messages that are shown are not reported as deleted.
func TestDeletedAbove(t *testing.T) {
	for at, want := range map[int]string{1: "the beginning of lobby", 300: "messages before 271 are no longer"} {
		st := newHarness(t, 80, 12, nil)
		st.welcome("anna", 500)
		st.types(fmt.Sprint("/history ", at))
		st.press("enter")
		st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 700, First: 651, Count: 3}, wire.Gap{Room: wire.Lobby, From: 501, To: 650})
		for range 10 {
			st.press("pgup")
		}
		st.has(want)
		st.hasNot("before 651")
	}
}

// TestGapDays: day headings stay in order across deleted messages.
func TestGapDays(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.now = st.now.Add(72 * time.Hour)
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 12, First: 11, Count: 3}, wire.Gap{Room: wire.Lobby, From: 4, To: 10})
	st.receive(wire.Message{Room: wire.Lobby, N: 11, At: wire.TimeOf(st.now.Add(-24 * time.Hour)), SenderID: "b", DisplayName: "budi", Text: "yesterday"},
		wire.Gap{Room: wire.Lobby, From: 12, To: 13},
		wire.Message{Room: wire.Lobby, N: 14, At: wire.TimeOf(st.now.Add(-23 * time.Hour)), SenderID: "b", DisplayName: "budi", Text: "later"},
		wire.Message{Room: wire.Lobby, N: 15, At: wire.TimeOf(st.now), SenderID: "b", DisplayName: "budi", Text: "today"})
	rest := st.shown()
	for _, words := range []string{"Wednesday, 25", "message 3", "4 to 10 are no longer", "Friday, 27", "yesterday", "12 to 13 are no longer", "later", "Saturday, 28", "today"} {
		_, after, ok := strings.Cut(rest, words)
		if !ok {
			t.Fatalf("%q does not stand where it should:\n%s", words, st.shown())
		}
		rest = after
	}
	if n := strings.Count(st.shown(), "2026"); n != 3 {
		t.Errorf("there are %d day headings:\n%s", n, st.shown())
	}
}

// TestLeaveOther: /leave can name another joined room, and refuses one that is not joined.
func TestLeaveOther(t *testing.T) {
	st := twoRooms(t, 80, 24, nil)
	run := func(line string) {
		st.types(line)
		st.press("enter")
	}
	run("/leave tea")
	st.has("you are not in tea", "lobby  team")
	run("/leave #Team")
	st.asked("leave team")
	st.has("left team", "say something in lobby")
	run("/join tea")
	run("/join pantry")
	st.types("/leave lo")
	st.press("tab")
	st.has("› /leave lobby")
	st.press("enter")
	st.asked("leave lobby")
	st.has("say something in pantry", "tea  pantry")
	st.types("/leave")
	st.press("enter")
	st.asked("leave pantry")
}

// TestSentences checks the wording of notices.
func TestSentences(t *testing.T) {
	st := newLobby(t, 0, nil)
	run := func(line string, words ...string) {
		t.Helper()
		st.types(line)
		st.press("enter")
		st.has(words...)
		st.press("ctrl+c", "esc")
	}
	run("/history 5", "no messages here yet")
	run("/history abc", "invalid message number abc")
	st.chat.fail = &client.RefusedError{Status: 400, Reason: "that is not how to ask"}
	run("/who", "─ that is not how to ask ─")
	st.receive(client.Disconnected{Err: fmt.Errorf("the connection broke off: %w", io.ErrUnexpectedEOF)})
	st.has("─ the connection broke ─")
	st.receive(wire.Welcome{SenderID: "me", Name: "anna"}, client.Disconnected{Err: errors.New("the server closed the connection: 1012 it restarts")})
	st.has("─ the server closed the connection: it restarts ─")
	st.receive(client.RequestFailed{Request: wire.Name{Name: "hh"}, Error: wire.Error{Reason: `the name "hh" is held by somebody else`}})
	st.has(`─ the name "hh" is held by somebody else ─`)
	st.receive(client.RequestFailed{Request: wire.Name{Name: "hh"}, Error: wire.Error{Reason: "too fast"}})
	st.has("─ the name hh: too fast ─")
}

// TestCalled: a name after @, or at the beginning before a punctuation mark, mentions its owner.
func TestCalled(t *testing.T) {
	for text, want := range map[string]bool{
		"anna: hello": true, "Anna, hello": true, "ANNA?": true, "anna": true, "ask @anna": true, "anna：hello": true, "\u200banna: hello": true,
		"anna is late": false, "annabel: hello": false, "ask anna: she knows": false, "mail@anna": false, "hello": false, "": false,
		strings.Repeat("é", 2000) + " @anna": true, strings.Repeat("é", 2000): false,
	} {
		if got := mentionsMe(text, "anna"); got != want {
			t.Errorf("%.40q calls anna: %v", text, got)
		}
		if mentionsMe(text, "") {
			t.Errorf("%.40q calls somebody without a name", text)
		}
	}
	st := twoRooms(t, 80, 24, nil)
	st.receive(wire.Joined{Room: "team", HistoryID: "log", N: 0, First: 1, Count: 1})
	st.inTeam(1, "b", "budi", "anna: come here")
	st.has("team @1")
	st.says("dewi", "anna: and here")
	if content := st.View().Content; st.bell != 1 || !strings.Contains(content, st.style.textStyles[mine].Styled("anna")+": and") {
		t.Errorf("the bell rang %d times, and the screen is\n%s", st.bell, content)
	}
}

// BenchmarkReceive measures the cost of receiving a long text without mentions.
func BenchmarkReceive(b *testing.B) {
	st := newHarness(b, 120, 40, nil)
	st.welcome("anna", 50)
	m := wire.Message{Room: wire.Lobby, N: 50, SenderID: "b", DisplayName: "budi", Text: strings.Repeat("a\u0301\u0323", 799)}
	for b.Loop() {
		m.N++
		st.room().message(m)
	}
}

// TestTallMessage: a view that is higher than the first messages is filled without a key press, and without repeated
// requests.
func TestTallMessage(t *testing.T) {
	st := newHarness(t, 80, 70, nil)
	st.welcome("anna", 300)
	st.has("message 240")
	st.hasNot("earlier", "nobody")
	if n := len(st.chat.asked); n != 1 {
		t.Errorf("there were %d requests: %q", n, st.chat.asked)
	}
	st.chat.fail = errors.New("not now")
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "other", N: 300, First: 1, Reset: true})
	for _, m := range st.chat.history[wire.Lobby][250:] {
		st.receive(m)
	}
	for range 10 {
		st.says("budi", "more")
	}
	if n := len(st.chat.asked); n != 2 {
		t.Errorf("after a refusal there were %d requests: %q", n, st.chat.asked)
	}
}

// TestRejoin: after a room was left and joined again, only the new join's answer counts.
func TestRejoin(t *testing.T) {
	st := newLobby(t, 100, func(c *Config, _ *fakeChat) { c.Last, c.Rooms = 10, []string{"team"} })
	st.asked("history lobby before 91") // 10 arrived, and do not fill the view
	st.press("alt+x")
	st.types("/join lobby")
	st.press("enter")
	st.asked("join lobby 50")
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 100, First: 1, Count: 3})
	for _, m := range st.chat.history[wire.Lobby][50:] {
		st.receive(m)
	}
	if n := len(st.room().timeline.items); n != 50 {
		t.Errorf("%d of 50 messages are there", n)
	}
}

// TestKills: texts cut in a row are restored as one, in their order.
func TestKills(t *testing.T) {
	st := newLobby(t, 0, nil)
	for _, test := range []struct{ text, keys, want string }{
		{"one two three", "ctrl+w ctrl+w ctrl+y", "one two three"},
		{"one two three", "ctrl+w ctrl+w ctrl+y ctrl+y", "one two threetwo three"},
		{"one two three", "ctrl+w left right ctrl+w ctrl+y", "one two "},
		{"one two three", "ctrl+w x ctrl+w ctrl+y", "one two x"},
		{"one two three", "ctrl+a alt+d alt+d ctrl+y", "one two three"},
		{"one two three", "alt+b ctrl+w ctrl+k ctrl+y", "one two three"},
		{"one two three", "alt+b ctrl+k ctrl+u ctrl+y", "one two three"},
		{"one two three", "ctrl+w ctrl+c ctrl+w ctrl+y", "one two "},
	} {
		st.types(test.text)
		st.press(strings.Fields(test.keys)...)
		if got := st.room().editor.String(); got != test.want {
			t.Errorf("%s with %s is %q, want %q", test.text, test.keys, got, test.want)
		}
		st.press("ctrl+c")
	}
	st.types("one two")
	st.press("alt+s", "x", "ctrl+w", "esc", "ctrl+w", "ctrl+y")
	st.has("› one two\n")
	st.press("ctrl+w")
	st.send(tea.PasteMsg{Content: "pasted"})
	st.press("ctrl+w", "ctrl+y")
	st.has("› one pasted")
	st.hasNot("two")
}

// TestActive shows rooms with something new, those with mentions first.
func TestActive(t *testing.T) {
	st := newLobby(t, 10, func(c *Config, _ *fakeChat) { c.Rooms = []string{"team", "kitchen", "pantry"} })
	for _, name := range []string{"team", "kitchen", "pantry"} {
		st.receive(wire.Joined{Room: name, HistoryID: "log", N: 0, First: 1, Count: 1})
	}
	st.has("Ctrl-N next room")
	st.press("alt+a")
	st.has("no unread messages in other rooms", "say something in lobby")
	for name, text := range map[string]string{"team": "hello", "kitchen": "hello", "pantry": "anna: hello"} {
		st.receive(wire.Message{Room: name, N: 1, At: wire.TimeOf(st.now), SenderID: "b", DisplayName: "budi", ID: "1", Text: text})
	}
	st.has("Alt-A next unread room")
	for _, name := range []string{"pantry", "team", "kitchen", "kitchen"} {
		st.press("alt+a")
		st.has("say something in " + name)
	}
}

// TestNumbered: tabs show the numbers of Alt-1 to Alt-9 if there are three or more rooms and enough space.
func TestNumbered(t *testing.T) {
	st := twoRooms(t, 80, 24, nil)
	st.self.limits.Rooms = 20
	st.has(" lobby  team  ")
	for i, name := range strings.Fields("c d e f g h i j") {
		st.types("/join " + name)
		st.press("enter")
		st.receive(wire.Joined{Room: name, HistoryID: "log", N: 0, First: 1, Count: 1})
		if i == 0 {
			st.has(" 1:lobby  2:team  3:c  ")
		}
	}
	st.has(" 1:lobby  2:team  3:c  4:d  5:e  6:f  7:g  8:h  9:i  j  ")
	st.press("alt+9")
	st.has("say something in i")
	st.send(tea.WindowSizeMsg{Width: 60, Height: 24})
	st.has(" lobby  team  c  d  e  f  g  h  i  j  ")
	st.send(tea.WindowSizeMsg{Width: 40, Height: 24})
	st.has(" i  j … ")
}
