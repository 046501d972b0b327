package tui

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// TestScreens compares the screens with golden files, at several sizes.
func TestScreens(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {20, 6}, {200, 60}} {
		at := fmt.Sprintf("-%dx%d", size[0], size[1])
		st := newHarness(t, size[0], size[1], nil)
		st.golden("waiting" + at)
		st.welcome("anna", 0)
		st.golden("empty" + at)
		for _, m := range [][2]string{
			{"budi", "Good morning! Has anybody seen the numbers of last night? They are at https://example.org/bench?run=7, and I do not believe them."},
			{"budi", "@anna?"}, {"dewi", "おはようございます。新しいページはとても速いです。この文章は長いので折り返されます。"},
			{"dewi", "```\nfunc main() {\n\tprintln(1)\n}\n```"}, {"山田太郎", "family 👩‍👩‍👧, flag 🇩🇪, heart ❤️, नमस्ते, שלום"},
			{"somebody-with-a-long-name", "yes"},
		} {
			st.now = st.now.Add(40 * time.Second)
			st.says(m[0], m[1])
		}
		st.types("I have, and I do.")
		st.press("enter")
		st.golden("talk" + at)
		st.press("f1")
		st.golden("help" + at)
		st.press("esc")
		st.types("/l")
		st.golden("palette" + at)
		st.press("ctrl+u")
		st.send(tea.PasteMsg{Content: "one\ntwo\nthree\n"})
		st.golden("paste" + at)
		st.press("c")
		st.receive(client.Disconnected{Err: errors.New("connection refused"), Wait: 4 * time.Second})
		st.golden("broken" + at)
	}
}

// TestOwnMessages follows posted messages: sending, saved, refused.
func TestOwnMessages(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("hello")
	st.press("enter")
	st.asked(`say lobby "hello"`)
	st.has("… hello")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Saved, N: 4, At: start})
	st.has("✓ hello")
	st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: "id-1", Text: "hello"})
	if strings.Count(st.shown(), "hello") != 1 {
		t.Fatalf("the message is not there exactly once:\n%s", st.shown())
	}
	st.types("no")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", Code: wire.RateLimited, Reason: "too fast", RetryAfter: 5})
	st.has("… no")
	st.hasNot("too fast")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", Code: wire.Unavailable, Reason: "the disk is full", RetryAfter: 5})
	st.has("… no", "not yet: the disk is full")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", Code: wire.NotAllowed, Reason: "not here", State: client.Failed})
	st.has("✗ no", "not here")
	st.press("esc")
	st.hasNot("✗ no")
	st.press("up")
	st.has("› no") // so that it can be posted again

	st.room().editor.insert(strings.Repeat("x", 4000), false)
	st.press("enter")
	st.has("4002 bytes; at most 4000")
	if len(st.rooms.unsaved()) != 0 {
		t.Fatal("it was posted all the same")
	}
}

// TestBell: the bell can be turned off.
func TestBell(t *testing.T) {
	st := newLobby(t, 1, func(c *Config, _ *fakeChat) { c.Bell = false })
	st.says("budi", "@anna")
	if st.bell != 0 {
		t.Error("the bell rang")
	}
	st = newLobby(t, 1, nil)
	for range 30 {
		st.says("budi", "@anna")
		st.now = st.now.Add(100 * time.Millisecond)
	}
	if st.bell != 2 {
		t.Errorf("in 3 s the bell rang %d times", st.bell)
	}
}

// TestCommands runs each command and checks its request.
func TestCommands(t *testing.T) {
	st := newLobby(t, 3, nil)
	run := func(line string) {
		st.types(line)
		st.press("enter")
	}
	run("/join tea")
	st.asked("join tea 50")
	st.has("lobby  tea", "say something in tea", "Waiting for the server")
	run("/join Not/A/Room")
	st.has("no room can have that name; try /join ")
	run("/leave")
	st.asked("leave tea")
	st.has("left tea", "say something in lobby")
	run("/leave")
	st.has("the only room")
	run("/name budi")
	st.asked("name budi")
	st.receive(client.RequestFailed{Request: wire.Name{Name: "budi"}, Error: wire.Error{Code: wire.NameTaken, Reason: "somebody has it"}})
	st.has("the name budi: somebody has it")
	run("/name -")
	st.asked("name ")
	st.receive(wire.Name{})
	st.has("you have no name now")
	run("/name dewi")
	st.receive(wire.Name{Name: "dewi"})
	st.has("your name is dewi")
	st.chat.who = wire.Who{Room: wire.Lobby, Count: 4, Names: []string{"budi", "dewi"}}
	run("/who")
	st.asked("who lobby")
	st.has("4 are in lobby, 2 by name", "dewi  you", "budi")
	st.press("esc")
	run("/link 3")
	st.has("http://127.0.0.1:2000/#n3")
	st.press("esc")
	run("/me waves")
	st.asked(`say lobby "* waves"`)
	run("//etc/passwd")
	st.asked(`say lobby "/etc/passwd"`)
	run("/nothing")
	st.has("there is no command /nothing")
	st.press("esc", "esc")
	run("/search x")
	st.has("cannot be searched")
	st.press("ctrl+c")

	st.types("a draft")
	st.press("alt+s")
	st.has("› /search")
	st.press("esc")
	st.has("› a draft")
	st.press("ctrl+c", "ctrl+y")
	st.has("› a draft")
	st.press("ctrl+u", "alt+i")
	st.has("        3", "message 3")
	st.press("ctrl+d")
	if st.quit {
		t.Error("the screen ended although something is not saved")
	}
	st.has("2 messages are not saved yet")
	st.press("ctrl+d")
	if !st.quit {
		t.Error("the screen did not end")
	}
}

// TestConnection shows the state of the connection.
func TestConnection(t *testing.T) {
	st := newHarness(t, 80, 24, nil)
	st.has("connecting")
	st.welcome("anna", 3)
	st.has("3 here   live")
	st.types("a draft")
	st.receive(wire.Restarting{})
	st.has("the server has stopped") // whether it starts again is unknown
	st.receive(client.Disconnected{Err: errors.New("the connection broke off"), Wait: 3500 * time.Millisecond})
	st.has("Offline · retry in 4 s", "the connection broke off")
	st.now = st.now.Add(time.Second)
	st.has("retry in 3 s")
	st.now = st.now.Add(3 * time.Second)
	st.has("connecting")
	st.receive(wire.Welcome{SenderID: "me", Name: "anna"}, wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 1503, First: 1, Count: 2})
	st.has("1,500 behind", "connected again", "› a draft")
	for n := uint64(4); n <= 1503; n++ {
		st.receive(wire.Message{Room: wire.Lobby, N: n, SenderID: "b", Text: "x"})
	}
	st.has("live")
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "other", N: 1, First: 1, Reset: true, Count: 2}, wire.Message{Room: wire.Lobby, N: 1, SenderID: "b", Text: "another world"})
	st.has("history was replaced", "another world", "live")
	// A name that is lost is not shown, whichever frame reports the loss.
	st.receive(client.Disconnected{Err: errors.New("broken"), Wait: time.Second}, wire.Welcome{SenderID: "me"})
	if st.self.name != "" {
		t.Errorf("the name is %q", st.self.name)
	}
	st.receive(wire.Name{Name: "anna"}, wire.Name{})
	st.has("the name anna is no longer yours")
	st.send(batch{err: &client.RefusedError{Status: 403}})
	if !st.quit || st.err == nil {
		t.Error("the client ended, but the screen did not")
	}
}

// TestPlain uses everything that the plain protocol supports.
func TestPlain(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, f *fakeChat) { c.Name, f.plain = "anna", true })
	st.receive(wire.Welcome{Text: wire.Greeting})
	st.has("live, plain", "this server has no names")
	st.receive(client.Line{Text: "hello from afar"})
	st.types("hi")
	st.press("enter")
	st.has("… hi")
	st.receive(client.Line{Text: "hi", ID: "id-1"})
	st.has("✓ hi", "hello from afar")
	st.types("lost")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", State: client.Failed, Reason: "unknown", Unknown: true})
	st.has("✗ lost", "unknown")
	for _, line := range []string{"/join tea", "/who", "/name x", "/search x", "/history 1"} {
		st.types(line)
		st.press("enter", "esc", "esc")
	}
	for _, a := range st.chat.asked {
		if !strings.HasPrefix(a, "say") {
			t.Errorf("a plain server was asked for %s", a)
		}
	}
}

// TestKeys: keys can be configured.
func TestKeys(t *testing.T) {
	st := newHarness(t, 80, 40, func(c *Config, _ *fakeChat) { c.Keys = []string{"who=alt+q", "next=ctrl+o"} })
	st.welcome("anna", 0)
	st.press("alt+q")
	st.asked("who lobby")
	st.press("esc", "f1")
	st.has("Alt-Q", "Ctrl-O")
	for _, wrong := range []string{"who", "who=", "whom=alt+q", "who=x", "who=enter", "who=ctrl+c", "who=alt+1", "who=hyper+x", "who=alt+ctrl+x", "who=ctrl+",
		"who=alt+nothing", "who=shift+x", "who=alt+q,help=alt+q"} {
		if err := CheckKeys(strings.Split(wrong, ",")); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
	for _, a := range actions() {
		for _, k := range a.keys {
			if err := CheckKeys([]string{a.name + "=" + k}); err != nil {
				t.Error(err) // existing keys can be assigned
			}
		}
	}
}

// TestColours: light and dark themes differ, 16-colour terminals get few colours, and NO_COLOR gets none. A name keeps its
// colour.
func TestColours(t *testing.T) {
	for _, profile := range []colorprofile.Profile{colorprofile.ASCII, colorprofile.ANSI, colorprofile.ANSI256} {
		light, dark := paletteFor(false, profile), paletteFor(true, profile)
		if light.nameStyle("x").Styled("a") == dark.nameStyle("x").Styled("a") {
			t.Errorf("%v: names look the same on light and dark", profile)
		}
		if dark.nameStyle("me").String() != paletteFor(true, profile).nameStyle("me").String() {
			t.Errorf("%v: a name changes its colour", profile)
		}
	}
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) { c.Environ = []string{"TERM=xterm-256color", "NO_COLOR=yes"} })
	if st.profile != colorprofile.ASCII {
		t.Errorf("NO_COLOR leaves %v", st.profile)
	}
}

// TestWidths measures texts as the terminal draws them.
func TestWidths(t *testing.T) {
	for _, test := range []struct {
		text   string
		method ansi.Method
		want   string
		width  int
	}{
		{"👩‍👩‍👧", ansi.GraphemeWidth, "👩‍👩‍👧", 2},
		{"👩‍👩‍👧", ansi.WcWidth, "👩👩👧", 6},
		{"❤️", ansi.GraphemeWidth, "❤️", 2},
		{"❤️", ansi.WcWidth, "❤", 1},
		{"🇩🇪", ansi.WcWidth, "🇩🇪", 2},
		{"क्\u200dष", ansi.WcWidth, "क्\u200dष", 2},
		{"今日", ansi.WcWidth, "今日", 4},
		{"a\u00ad\u200bb\tc", ansi.WcWidth, "ab    c", 7},
	} {
		got := clean(test.text, test.method)
		if w := test.method.StringWidth(got); got != test.want || w != test.width {
			t.Errorf("%q (%d): %q of %d cells, want %q of %d", test.text, test.method, got, w, test.want, test.width)
		}
	}
}

// TestLinks: only http and https addresses become links.
func TestLinks(t *testing.T) {
	for text, want := range map[string]string{
		"see https://example.org/a(b)?x=1, or": "https://example.org/a(b)?x=1", "(http://x.test)": "http://x.test", "HTTPS://A.test": "https://A.test",
		"javascript:alert(1)": "", "file:///etc/passwd": "", "http://": "", "http://[::": "", "`http://x.test`": "", "https://é.test/ü": "https://%C3%A9.test/%C3%BC",
	} {
		got := ""
		for _, s := range spansOf(text, "", nil) {
			got += s.href
		}
		if got != want {
			t.Errorf("%q leads to %q, want %q", text, got, want)
		}
	}
}

// TestLinksAndMentions runs the table that the page's test also runs.
func TestLinksAndMentions(t *testing.T) {
	table, err := os.ReadFile("testdata/links.tsv")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(table)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		cases++
		fields := strings.Split(line, "\t")
		for i, f := range fields {
			fields[i] = regexp.MustCompile(`\\u[0-9a-f]{4}`).ReplaceAllStringFunc(f, func(s string) string {
				r, _ := strconv.ParseUint(s[2:], 16, 32)
				return string(rune(r))
			})
		}
		text, want := fields[1], fields[2]
		for _, method := range []ansi.Method{ansi.WcWidth, ansi.GraphemeWidth} {
			var links, mentions []string
			for _, s := range parse(text, "", nil, method) {
				if s.kind == link {
					links = append(links, s.text)
				}
			}
			for _, s := range parse(text, want, nil, method) {
				if s.kind == mine {
					mentions = append(mentions, s.text)
				}
			}
			switch {
			case fields[0] == "link" && strings.Join(links, " ") != want:
				t.Errorf("the links of %q are %q, want %q", text, links, want)
			case fields[0] == "mention" && (len(mentions) > 0) != (fields[3] == "yes"):
				t.Errorf("%q mentions %q (as %q), want %s", text, want, mentions, fields[3])
			}
		}
	}
	if cases < 50 {
		t.Errorf("the table has %d cases", cases)
	}
}

// TestReset: a message saved in a history that no longer exists is not shown as saved.
func TestReset(t *testing.T) {
	st := newLobby(t, 3, nil)
	for i, text := range []string{"kept", "gone"} {
		st.types(text)
		st.press("enter")
		st.receive(client.Sent{Room: wire.Lobby, ID: fmt.Sprint("id-", i+1), State: client.Saved, N: uint64(4 + i), At: start})
	}
	st.has("✓ kept", "✓ gone")
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "other", N: 1, First: 1, Reset: true, Count: 1},
		wire.Message{Room: wire.Lobby, N: 1, At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: "id-1", Text: "kept"})
	st.has("✓ kept", "✗ gone", "this was saved in a history")
	st.press("esc")
	st.hasNot("gone")
	st.has("✓ kept")
}

// TestLatePanel: a panel that opens while the user types does not take a key that was meant for the text.
func TestLatePanel(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("hello")
	st.press("alt+w")
	st.has("nobody here has a name")
	st.press("enter")
	st.asked(`say lobby "hello"`)
	st.press("alt+w")
	st.now = st.now.Add(time.Second)
	st.types("x")
	st.press("alt+w")
	st.now = st.now.Add(time.Second)
	st.press("enter")
	st.hasNot("nobody here has a name")
	st.asked("who lobby")
}

// TestLowPanel: the chosen row stays visible when the terminal becomes lower.
func TestLowPanel(t *testing.T) {
	st := newHarness(t, 80, 40, nil)
	st.welcome("anna", 0)
	got := wire.SearchResponse{}
	for i := range 30 {
		got.Hits = append(got.Hits, wire.Hit{Room: wire.Lobby, N: uint64(i + 1), Snippet: fmt.Sprint("hit ", i)})
	}
	st.openPanel(showPanel{panel: st.foundPanel("hit", got)})
	st.press("end")
	st.send(tea.WindowSizeMsg{Width: 80, Height: 10})
	st.has("hit 29")
}
