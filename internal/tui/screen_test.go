package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// TestScreens are the screens as they look, at several sizes.
func TestScreens(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {20, 6}, {200, 60}} {
		at := fmt.Sprintf("-%dx%d", size[0], size[1])
		st := newStage(t, size[0], size[1], nil)
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
		st.hear(client.Disconnected{Err: errors.New("connection refused"), Wait: 4 * time.Second})
		st.golden("broken" + at)
	}
}

// TestOwn follows what is said: on its way, saved, refused.
func TestOwn(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	st.types("hello")
	st.press("enter")
	st.asked(`say lobby "hello"`)
	st.has("… hello")
	st.hear(wire.Saved{Room: wire.Lobby, ID: "id-1", N: 4, At: wire.TimeOf(start)})
	st.has("✓ hello")
	st.hear(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), By: "me", From: "anna", ID: "id-1", Text: "hello"})
	if strings.Count(st.shown(), "hello") != 1 {
		t.Fatalf("it is there more than once, or not:\n%s", st.shown())
	}
	st.types("no")
	st.press("enter")
	st.hear(wire.Refused{Room: wire.Lobby, ID: "id-2", Code: wire.RateLimited, Reason: "too fast", RetryAfterMS: 5})
	st.has("… no")
	st.hasNot("too fast")
	st.hear(wire.Refused{Room: wire.Lobby, ID: "id-2", Code: wire.Unavailable, Reason: "the disk is full", RetryAfterMS: 5})
	st.has("… no", "not yet: the disk is full")
	st.hear(wire.Refused{Room: wire.Lobby, ID: "id-2", Code: wire.NotAllowed, Reason: "not here"})
	st.has("✗ no", "not here")
	st.press("esc")
	st.hasNot("✗ no")
	st.press("up")
	st.has("› no") // so that it can be said again

	st.types(strings.Repeat("x", 4000))
	st.press("enter")
	st.has("4002 bytes; at most 4000")
	if len(st.unsaved()) != 0 {
		t.Fatal("it was said all the same")
	}
}

// TestBack: nothing that comes moves a view that is scrolled back.
func TestBack(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 300)
	st.has("message 300")
	st.press("pgup")
	held := strings.Split(st.shown(), "\n")[1:20]
	for range 12 {
		st.says("budi", "news that is long enough to be wrapped, which would move whatever is above it, if anything could")
	}
	if got := strings.Split(st.shown(), "\n")[1:20]; strings.Join(got, "\n") != strings.Join(held, "\n") {
		t.Fatalf("the view moved to\n%s", strings.Join(got, "\n"))
	}
	st.has("12 new ↓")
	// Nor does what it is made of: more than there is room for.
	for i := range 2 * maxItems {
		st.says("budi", fmt.Sprintf("flood %d", i))
	}
	if got := strings.Split(st.shown(), "\n")[1:20]; strings.Join(got, "\n") != strings.Join(held, "\n") {
		t.Fatalf("the flood moved the view to\n%s", strings.Join(got, "\n"))
	}
	if r := st.room(); len(r.items) > maxItems || r.attached {
		t.Fatalf("the window has %d items", len(r.items))
	}
	st.has("2,012 new ↓")
	st.press("end")
	st.has("flood 1999")
	st.hasNot("new ↓")
	st.press("alt+u")
	st.has("── new ──", "message 300", "news that is long")
}

// TestPast: the past has no end upwards but its beginning, and the view stays where it is while it is fetched.
func TestPast(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 300)
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
		t.Fatalf("%d messages were seen on the way up, not 300", len(seen))
	}
	if n := len(st.chat.asked); n < 3 || n > 6 {
		t.Errorf("the past took %d requests", n)
	}
	for range 100 {
		st.press("pgdown")
	}
	st.has("message 300")
	if st.room().anchor != nil {
		t.Error("the end is not the end")
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

// TestPastGone: what the server does not keep is said to be gone.
func TestPastGone(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.hear(wire.Welcomed{By: "me", Name: "anna"}, wire.Joined{Room: wire.Lobby, Log: "log", N: 9, First: 8, Count: 1}, wire.Gap{Room: wire.Lobby, From: 1, To: 7},
		wire.Message{Room: wire.Lobby, N: 8, By: "b", Text: "kept"}, wire.Message{Room: wire.Lobby, N: 9, By: "b", Text: "too"})
	st.has("what was before 8 is gone", "kept")
	st.hear(wire.Gap{Room: wire.Lobby, From: 10, To: 1200}, wire.Message{Room: wire.Lobby, N: 1201, By: "b", Text: "after"})
	st.has("10 to 1,200 are gone", "after", "live")
}

// TestResize: a resize wraps anew and keeps its place.
func TestResize(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 300)
	for range 3 {
		st.press("pgup")
	}
	top := st.room().anchor
	for _, size := range [][2]int{{40, 10}, {20, 6}, {3, 2}, {1, 1}, {200, 60}, {100, 12}, {80, 24}} {
		st.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		if st.room().anchor != top {
			t.Fatalf("at %v the view begins elsewhere", size)
		}
	}
	st.press("end")
	st.send(tea.WindowSizeMsg{Width: 30, Height: 8})
	st.has("message 300")
}

// TestUnread follows what is new, here and in other rooms.
func TestUnread(t *testing.T) {
	st := newStage(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.Memory = Memory{Room: "team", Rooms: []Place{{Name: "lobby", Log: "log", Read: 298}, {Name: "team", Log: "log", Read: 2}}}
	})
	st.welcome("anna", 300)
	st.asked("join team 50")
	st.has("── new ──")
	st.hear(wire.Joined{Room: "team", Log: "log", N: 3, First: 1, Count: 1})
	st.hear(wire.Message{Room: "team", N: 1, By: "b", Text: "1"}, wire.Message{Room: "team", N: 2, By: "b", Text: "2"}, wire.Message{Room: "team", N: 3, By: "b", Text: "@anna 3"})
	st.has(" team @1 ")
	if st.bell != 0 {
		t.Error("what is old rang the bell")
	}
	st.hear(wire.Message{Room: "team", N: 4, By: "b", Text: "4"}, wire.Message{Room: "team", N: 5, By: "b", Text: "hey @ANNA!"})
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
		t.Errorf("what came while nobody looked is not below the rule:\n%s", shown)
	}
	st.types("hi")
	st.press("enter")
	st.hasNot("── new ──")
	m := st.memory()
	if m.Room != "lobby" || m.Rooms[0].Read != 302 || m.Rooms[1].Read != 5 {
		t.Errorf("remembered is %+v", m)
	}
}

// TestBell: it can be turned off.
func TestBell(t *testing.T) {
	st := newStage(t, 80, 24, func(c *Config, _ *fakeChat) { c.Bell = false })
	st.welcome("anna", 1)
	st.says("budi", "@anna")
	if st.bell != 0 {
		t.Error("the bell rang")
	}
}

// TestCommands does each, and has its request looked at.
func TestCommands(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	run := func(line string) {
		st.types(line)
		st.press("enter")
	}
	run("/join tea")
	st.asked("join tea 50")
	st.has("lobby  tea", "say something in tea", "waiting for the server")
	run("/join Not/A/Room")
	st.has("a room's name is")
	run("/leave")
	st.asked("leave tea")
	st.has("left tea", "say something in lobby")
	run("/leave")
	st.has("the only room")
	run("/name budi")
	st.asked("name budi")
	st.hear(client.Failed{Request: wire.Name{Name: "budi"}, Fault: wire.Fault{Code: wire.NameTaken, Reason: "somebody has it"}})
	st.has("the name budi: somebody has it")
	run("/name -")
	st.asked("name ")
	st.hear(wire.Name{})
	st.has("you have no name now")
	run("/name dewi")
	st.hear(wire.Name{Name: "dewi"})
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
		t.Error("it left although something is not saved")
	}
	st.has("2 messages are not saved yet")
	st.press("ctrl+d")
	if !st.quit {
		t.Error("it did not leave")
	}
}

// TestPalette chooses commands.
func TestPalette(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	st.types("/")
	st.has("/join ROOM", "go to a room", "Alt-J")
	st.press("down", "down", "down", "enter")
	st.asked("who lobby")
	st.types("/se")
	st.press("enter")
	st.has("› /search")
	st.press("esc")
	st.has("› say something")
}

// TestComplete goes through candidates.
func TestComplete(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("zoe", 3)
	st.says("bert", "hi")
	for text, want := range map[string]string{"b": "› @bert: ", "hey @b": "› hey @bert ", "/jo": "› /join ", "/join lo": "› /join lobby ", ":smile": "› 😄 ", "see #lo": "› see #lobby "} {
		st.types(text)
		st.press("tab")
		st.has(strings.TrimRight(want, " "))
		st.press("ctrl+e", "ctrl+u")
	}
	st.types("b")
	st.press("tab", "tab")
	st.has("› @budi:") // bert spoke last
	st.press("tab")
	st.has("› @bert:")
}

// TestPaste asks what to do with much.
func TestPaste(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 0)
	st.send(tea.PasteMsg{Content: "short\n"})
	st.has("› short")
	if len(st.chat.asked) != 0 {
		t.Fatal("the newline at the end of a paste said it")
	}
	st.press("ctrl+u")
	st.send(tea.PasteMsg{Content: "one\r\ntwo\n\nthree\x1b[31m\n"})
	st.has("pasted 3 lines", "o one message")
	st.press("enter", "x") // no answers
	st.has("pasted 3 lines")
	st.press("o")
	st.has("› one", "  two", "three[31m")
	st.press("enter")
	st.asked(`say lobby "one\ntwo\n\nthree[31m"`)
	st.send(tea.PasteMsg{Content: "one\ntwo"})
	st.press("l")
	st.asked(`say lobby "two"`)
	st.send(tea.PasteMsg{Content: strings.Repeat("word ", 1000)})
	st.has("too much for one message")
	st.hasNot("o one message")
	st.press("o", "l")
	for _, a := range st.chat.asked[len(st.chat.asked)-2:] {
		if len(a) > 4020 || !strings.HasPrefix(a, `say lobby "word word`) {
			t.Errorf("said was %q", a)
		}
	}
	st.send(tea.PasteMsg{Content: "a\nb"})
	n := len(st.chat.asked)
	st.press("c")
	if len(st.chat.asked) != n || !st.room().composer.empty() {
		t.Error("cancelled and not gone")
	}
}

// TestConnection tells how it is.
func TestConnection(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.has("connecting")
	st.welcome("anna", 3)
	st.has("3 here   live")
	st.types("a draft")
	st.hear(client.Disconnected{Err: errors.New("the connection broke off"), Wait: 3500 * time.Millisecond})
	st.has("again in 4 s", "the connection broke off")
	st.now = st.now.Add(time.Second)
	st.has("again in 3 s")
	st.now = st.now.Add(3 * time.Second)
	st.has("connecting")
	st.hear(wire.Welcomed{By: "me", Name: "anna"}, wire.Joined{Room: wire.Lobby, Log: "log", N: 1503, First: 1, Count: 2})
	st.has("1,500 behind", "connected again", "› a draft")
	for n := uint64(4); n <= 1503; n++ {
		st.hear(wire.Message{Room: wire.Lobby, N: n, By: "b", Text: "x"})
	}
	st.has("live")
	st.hear(wire.Joined{Room: wire.Lobby, Log: "other", N: 1, First: 1, Reset: true, Count: 2}, wire.Message{Room: wire.Lobby, N: 1, By: "b", Text: "another world"})
	st.has("another history", "another world", "live")
	st.send(batch{err: &client.RefusedError{Status: 403}})
	if !st.quit || st.err == nil {
		t.Error("the client ended and the screen did not")
	}
}

// TestPlain does what the plain door can.
func TestPlain(t *testing.T) {
	st := newStage(t, 80, 24, func(_ *Config, f *fakeChat) { f.plain = true })
	st.hear(wire.Welcomed{Text: wire.Welcome})
	st.has("live, plain")
	st.hear(client.Line{Text: "hello from afar"})
	st.types("hi")
	st.press("enter")
	st.has("… hi")
	st.hear(client.Line{Text: "hi", ID: "id-1"})
	st.has("✓ hi", "hello from afar")
	st.types("lost")
	st.press("enter")
	st.hear(client.Unconfirmed{ID: "id-2", Text: "lost"})
	st.has("✗ lost", "it was said or it was not")
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

// TestReadline edits a line.
func TestReadline(t *testing.T) {
	for _, test := range []struct {
		text string
		keys []string
		want string
	}{
		{"hello world", []string{"ctrl+w"}, "hello |"},
		{"hello world", []string{"ctrl+a", "alt+d"}, "| world"},
		{"hello world", []string{"alt+b", "ctrl+k", "ctrl+a", "ctrl+y"}, "world|hello "},
		{"hello world", []string{"alt+b", "ctrl+u"}, "|world"},
		{"ab", []string{"ctrl+t"}, "ba|"},
		{"abc", []string{"ctrl+b", "ctrl+b", "ctrl+d"}, "a|c"},
		{"abc", []string{"ctrl+w", "ctrl+_"}, "abc|"},
		{"abc def", []string{"ctrl+_"}, "abc |"},
		{"ab", []string{"alt+enter", "x", "up", "end", "!"}, "ab!|\nx"},
		{"👩‍👩‍👧x", []string{"left", "backspace"}, "|x"},
		{"e", []string{"\u0301", "left", "backspace"}, "|e\u0301"},
		{"a.b c", []string{"alt+backspace", "alt+backspace"}, "a.|"},
	} {
		var c composer
		for _, s := range split(test.text) {
			c.insert(s, true)
		}
		for _, k := range test.keys {
			if !c.edit(k) {
				c.insert(k, true)
			}
		}
		got := strings.Join(c.text[:c.cursor], "") + "|" + strings.Join(c.text[c.cursor:], "")
		if got != test.want {
			t.Errorf("%q and %v: %q, not %q", test.text, test.keys, got, test.want)
		}
	}
}

// TestSaid goes through what was said.
func TestSaid(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 0)
	st.hear(wire.Message{Room: wire.Lobby, N: 1, By: "me", From: "anna", ID: "old", Text: "from another day"})
	for _, text := range []string{"make bench", "git status", "make test"} {
		st.types(text)
		st.press("enter")
	}
	st.types("wip")
	st.press("up", "up")
	st.has("› git status")
	st.press("down", "down")
	st.has("› wip")
	st.press("ctrl+r")
	st.types("MAKE")
	st.has("? MAKE  → make test")
	st.press("ctrl+r")
	st.has("? MAKE  → make bench")
	st.press("ctrl+r", "enter")
	st.has("› make bench")
	st.press("ctrl+r")
	st.types("other day")
	st.has("→ from another day")
	st.types("z")
	st.has("you did not say that")
	st.press("esc")
	st.has("› make bench")
}

// TestKeys: they can be chosen.
func TestKeys(t *testing.T) {
	st := newStage(t, 80, 24, func(c *Config, _ *fakeChat) { c.Keys = []string{"who=alt+q", "next=ctrl+o"} })
	st.welcome("anna", 0)
	st.press("alt+q")
	st.asked("who lobby")
	st.press("esc", "f1")
	st.has("Alt-Q", "Ctrl-O")
	for _, wrong := range []string{"who", "who=", "whom=alt+q"} {
		if err := CheckKeys([]string{wrong}); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

// TestColours: light and dark differ, few colours are few, and NO_COLOR has none. A name keeps its colour.
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
	st := newStage(t, 80, 24, func(c *Config, _ *fakeChat) { c.Environ = []string{"TERM=xterm-256color", "NO_COLOR=yes"} })
	if st.profile != colorprofile.ASCII {
		t.Errorf("NO_COLOR leaves %v", st.profile)
	}
}

// TestWidths measures as the terminal draws.
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
			t.Errorf("%q (%d): %q of %d cells, not %q of %d", test.text, test.method, got, w, test.want, test.width)
		}
	}
}

// TestLinks: only http and https are.
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
			t.Errorf("%q leads to %q, not %q", text, got, want)
		}
	}
}

// What cannot be said stays where it was written.
func TestNothingWrittenIsLost(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	st.types("/me ")
	for range 10 {
		st.send(tea.PasteMsg{Content: strings.Repeat("z", 450)})
	}
	st.press("enter")
	if got := st.room().composer.String(); len(got) != 4504 {
		t.Errorf("of what was too long there are %d bytes", len(got))
	}

	// A room that is refused keeps what was written and said in it, and nothing of that is said elsewhere.
	st = newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	st.types("/join tea")
	st.press("enter")
	st.types("secret for tea")
	st.hear(client.Failed{Request: wire.Join{Room: "tea"}, Fault: wire.Fault{Reason: "too many rooms"}})
	st.types(" only")
	st.press("enter")
	st.send(tea.PasteMsg{Content: "a\nb"})
	st.hear(client.Failed{Request: wire.Join{Room: "tea"}, Fault: wire.Fault{Reason: "too many rooms"}})
	st.press("l")
	for _, asked := range st.chat.asked {
		if strings.HasPrefix(asked, "say "+wire.Lobby) {
			t.Errorf("in the wrong room: %s", asked)
		}
	}
	if got := st.unsaved(); len(got) != 3 || got[0] != "secret for tea only" {
		t.Errorf("unsaved are %q", got)
	}

	// Leaving a room asks, and what is not saved is told at the end.
	st.types("/leave")
	st.press("enter")
	if st.indexOf("tea") < 0 {
		t.Error("the room was left without a question")
	}
	st.types("/leave")
	st.press("enter")
	if got := st.unsaved(); st.indexOf("tea") >= 0 || len(got) != 3 {
		t.Errorf("after leaving, unsaved are %q", got)
	}
}

// A draft outlives that one looks at what was said before, whatever comes meanwhile, and is what is remembered.
func TestDraftBesideHistory(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	st.types("first")
	st.press("enter")
	st.types("my draft")
	st.press("up")
	if got := st.memory().Rooms[0].Draft; got != "my draft" {
		t.Errorf("remembered is %q", got)
	}
	st.hear(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), By: "me", From: "anna", ID: "zz", Text: "from a phone"})
	if got := st.room().composer.String(); got != "first" {
		t.Errorf("what is looked at is %q", got)
	}
	st.press("down", "down", "down")
	if got := st.room().composer.String(); got != "my draft" {
		t.Errorf("the draft is %q", got)
	}
}

// A window that can hold no more at the top is not filled there for ever.
func TestFullWindow(t *testing.T) {
	st := newStage(t, 200, 180, nil)
	st.welcome("anna", 3000)
	for i := range st.chat.past[wire.Lobby] { // as long as can be, and a line each
		st.chat.past[wire.Lobby][i].Text = "a" + strings.Repeat("\u0301", 1999)
	}
	st.press("pgup", "pgdown", "pgup")
	if n := len(st.chat.asked); n > 60 {
		t.Errorf("the past was asked for %d times", n)
	}
}

// A page that is under way does not keep anybody from going elsewhere.
func TestJumpWhileLoading(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3000)
	st.types("/history 10")
	st.press("enter")
	r := st.room()
	r.loading = true // and its page is dropped when it comes
	over := r.over
	st.press("end")
	st.send(page{room: r.name, over: over, way: older})
	if !r.attached || r.anchor != nil {
		t.Errorf("the end was not gone to: attached %t, at the end %t", r.attached, r.anchor == nil)
	}
}

// Of the time before a room was left and joined again nothing is shown twice.
func TestJoinedAgain(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	st.types("/join tea")
	st.press("enter")
	late := wire.Message{Room: "tea", N: 3, At: wire.TimeOf(start), By: "budi", Text: "late"}
	st.hear(late)
	st.hear(wire.Joined{Room: "tea", Log: "log", N: 3, First: 1})
	for n := range uint64(3) {
		st.hear(wire.Message{Room: "tea", N: n + 1, At: wire.TimeOf(start), By: "budi", Text: "again"})
	}
	st.hear(late)
	if got := len(st.room().items); got != 3 || st.room().items[2].text != "again" {
		t.Errorf("there are %d messages", got)
	}
}

// A hit in a room that one is not in is gone to when the room is there.
func TestHitElsewhere(t *testing.T) {
	st := newStage(t, 80, 24, nil)
	st.welcome("anna", 3)
	message := func(n uint64) wire.Message {
		return wire.Message{Room: "other", N: n, At: wire.TimeOf(start), By: "budi", Text: fmt.Sprint("message ", n)}
	}
	for n := range uint64(150) {
		st.chat.past["other"] = append(st.chat.past["other"], message(n+1))
	}
	st.do(st.join("other", 7))
	st.hear(wire.Joined{Room: "other", Log: "log", N: 150, First: 1})
	for n := uint64(101); n <= 150; n++ {
		st.hear(message(n))
	}
	if r := st.room(); r.name != "other" || r.goal != 7 || r.anchor == nil || !strings.Contains(st.shown(), "message 7") {
		t.Errorf("in %s, at %d:\n%s", r.name, r.goal, st.shown())
	}
}
