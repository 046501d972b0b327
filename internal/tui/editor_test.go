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

// TestPalette chooses commands from the palette.
func TestPalette(t *testing.T) {
	st := newLobby(t, 3, nil)
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

// TestComplete cycles through candidates.
func TestComplete(t *testing.T) {
	st := newHarness(t, 80, 24, nil)
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
	st.has("› @budi:") // bert posted last
	st.press("tab")
	st.has("› @bert:")
}

// TestPaste answers the question about a long paste.
func TestPaste(t *testing.T) {
	st := newLobby(t, 0, nil)
	st.send(tea.PasteMsg{Content: "short\n"})
	st.has("› short")
	if len(st.chat.asked) != 0 {
		t.Fatal("the newline at the end of a paste posted it")
	}
	st.press("ctrl+u")
	st.send(tea.PasteMsg{Content: "one\r\ntwo\n\nthree\x1b[31m\n"})
	st.has("pasted 3 lines", "o one message")
	st.press("enter", "x") // not answers to this question
	st.has("pasted 3 lines")
	st.now = st.now.Add(time.Second)
	st.press("o")
	st.has("› one", "  two", "three[31m")
	st.press("enter")
	st.asked(`say lobby "one\ntwo\n\nthree[31m"`)
	st.send(tea.PasteMsg{Content: "one\ntwo"})
	st.press("l", "enter")
	st.asked(`say lobby "two"`)
	st.send(tea.PasteMsg{Content: strings.Repeat("word ", 1000)})
	st.has("too much for one message")
	st.hasNot("o one message")
	st.press("o", "l", "enter")
	for _, a := range st.chat.asked[len(st.chat.asked)-2:] {
		if len(a) > 4020 || !strings.HasPrefix(a, `say lobby "word word`) {
			t.Errorf("the request is %q", a)
		}
	}
	st.send(tea.PasteMsg{Content: "a\nb"})
	n := len(st.chat.asked)
	st.press("c")
	if len(st.chat.asked) != n || !st.room().editor.empty() {
		t.Error("the question is still open after it was cancelled")
	}
}

// TestReadline edits a line with the keys of readline.
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
		var c editor
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
			t.Errorf("%q and %v: got %q, want %q", test.text, test.keys, got, test.want)
		}
	}
}

// TestRecalledTexts goes through the posted texts.
func TestRecalledTexts(t *testing.T) {
	st := newLobby(t, 0, nil)
	st.receive(wire.Message{Room: wire.Lobby, N: 1, SenderID: "me", DisplayName: "anna", ID: "old", Text: "from another day"})
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
	st.has("no match")
	st.press("esc")
	st.has("› make bench")
}

// TestTypedTextKept checks that a text that cannot be posted stays where it was typed.
func TestTypedTextKept(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("/me ")
	for range 10 {
		st.send(tea.PasteMsg{Content: strings.Repeat("z", 450)})
	}
	st.press("enter")
	if got := st.room().editor.String(); len(got) != 4504 {
		t.Errorf("of the text that is too long, %d bytes are left", len(got))
	}

	// A room that is refused keeps its draft and its messages, and none of them is posted elsewhere.
	st = newLobby(t, 3, nil)
	st.types("/join tea")
	st.press("enter")
	st.types("secret for tea")
	st.receive(client.RequestFailed{Request: wire.Join{Room: "tea"}, Error: wire.Error{Reason: "too many rooms"}})
	st.types(" only")
	st.press("enter")
	st.send(tea.PasteMsg{Content: "a\nb"})
	st.receive(client.RequestFailed{Request: wire.Join{Room: "tea"}, Error: wire.Error{Reason: "too many rooms"}})
	st.press("l", "enter")
	for _, asked := range st.chat.asked {
		if strings.HasPrefix(asked, "say "+wire.Lobby) {
			t.Errorf("posted in the wrong room: %s", asked)
		}
	}
	if got := st.rooms.unsaved(); len(got) != 3 || got[0] != "secret for tea only" {
		t.Errorf("the unsaved texts are %q", got)
	}

	// /leave asks first, and texts that are not saved are reported at the end.
	st.types("/leave")
	st.press("enter")
	if st.rooms.index("tea") < 0 {
		t.Error("/leave did not ask")
	}
	st.types("/leave")
	st.press("enter")
	if got := st.rooms.unsaved(); st.rooms.index("tea") >= 0 || len(got) != 3 {
		t.Errorf("after leaving, the unsaved texts are %q", got)
	}
}

// TestDraftBesideHistory: the draft survives while the user goes through the history, whatever arrives meanwhile, and is
// what is stored.
func TestDraftBesideHistory(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("first")
	st.press("enter")
	st.types("my draft")
	st.press("up")
	if got := st.snapshot().Rooms[0].Draft; got != "my draft" {
		t.Errorf("the stored draft is %q", got)
	}
	st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: "zz", Text: "from a phone"})
	if got := st.room().editor.String(); got != "first" {
		t.Errorf("the entry that is shown is %q", got)
	}
	st.press("down", "down", "down")
	if got := st.room().editor.String(); got != "my draft" {
		t.Errorf("the draft is %q", got)
	}
}

// TestSlash: a text that begins like a command but is none is kept like any other.
func TestSlash(t *testing.T) {
	st := newLobby(t, 3, nil)
	for _, text := range []string{"//comment", "/etc/hosts is wrong"} {
		st.send(tea.PasteMsg{Content: text})
		st.press("alt+j")
		st.has("› /join")
		st.press("esc")
		st.has("› " + text)
		st.press("ctrl+u")
	}
	st.types("//not a command")
	st.press("esc")
	st.has("› //not a command")
	st.press("ctrl+u")
	st.send(tea.PasteMsg{Content: "/etc/hosts"})
	st.press("esc")
	st.has("Ctrl-Y brings it back")
	st.press("ctrl+y")
	st.has("› /etc/hosts")
	st.press("ctrl+u")
	st.types("/search something long")
	st.press("alt+n")
	st.has("› /name")
	st.press("esc", "ctrl+u")
	if got := st.room().editor.String(); got != "" {
		t.Errorf("the composer contains %q", got)
	}
}

// TestPasteIntoSearch: a paste goes into the search while one is open.
func TestPasteIntoSearch(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("the first thing")
	st.press("enter")
	st.press("ctrl+r")
	st.send(tea.PasteMsg{Content: "first\nsecond\n"})
	st.has("? first  → the first thing")
	st.press("enter")
	st.has("› the first thing")
}

// TestFull: text that does not fit is refused with a notice, whether it is pasted or typed.
func TestFull(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.room().editor.set(strings.Repeat("x", maxDraft))
	st.types("y")
	st.has("too long for one message")
}

// TestTyping: others learn that somebody is typing a message, but not that it is a command.
func TestTyping(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.types("/who")
	if len(st.chat.typing) != 0 {
		t.Error("typing a command was reported")
	}
	st.press("esc")
	st.types("hi")
	if len(st.chat.typing) != 2 || st.chat.typing[0] != wire.Lobby {
		t.Errorf("typing was reported for %q", st.chat.typing)
	}
	st.receive(client.Disconnected{Err: errors.New("broken"), Wait: time.Second})
	st.types("!")
	if len(st.chat.typing) != 2 {
		t.Error("typing was reported without a connection")
	}
}

// TestSearchWhileReceiving: messages that arrive during a search of the history do not change its result.
func TestSearchWhileReceiving(t *testing.T) {
	st := newLobby(t, 3, nil)
	c := &st.room().editor
	for i := range 65 {
		c.remember(fmt.Sprint(i) + strings.Repeat("x", 1000))
	}
	st.press("ctrl+r")
	st.types("30x")
	was := c.history[c.searchHit]
	for i := range 3 {
		st.receive(wire.Message{Room: wire.Lobby, N: uint64(4 + i), At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: fmt.Sprint("z", i), Text: strings.Repeat("y", 4000+i)})
	}
	if c.searchHit < 0 || c.history[c.searchHit] != was {
		t.Error("the search has moved to another text")
	}
	for i := range 20 {
		st.receive(wire.Message{Room: wire.Lobby, N: uint64(7 + i), At: wire.TimeOf(start), SenderID: "me", DisplayName: "anna", ID: fmt.Sprint("w", i), Text: strings.Repeat("y", 4010+i)})
	}
	st.shown()
	if c.searchHit != -1 || st.err != nil {
		t.Errorf("a deleted entry is found: %d, %v", c.searchHit, st.err)
	}
}

// TestDraftRestored: a draft is kept while an earlier message is recalled, whether that is posted again or not.
func TestDraftRestored(t *testing.T) {
	for _, keys := range [][]string{{"up", "enter"}, {"up", "ctrl+c"}, {"ctrl+r", "enter", "enter"}, {"up", "alt+n", "esc", "enter"}} {
		st := newLobby(t, 3, nil)
		st.types("one")
		st.press("enter")
		st.types("a long draft")
		st.press(keys...)
		if got := st.room().editor; got.String() != "a long draft" && got.killed != "a long draft" {
			t.Errorf("after %q the composer contains %q, and Ctrl-Y restores %q", keys, got.String(), got.killed)
		}
	}
	st := newLobby(t, 3, nil)
	st.types("kept")
	st.press("ctrl+c")
	st.types("/")
	st.press("esc", "ctrl+y")
	st.has("› kept")
	st.send(tea.PasteMsg{Content: "one\ntwo"})
	st.types("c")
	st.press("ctrl+u", "ctrl+y", "ctrl+u")
	st.send(tea.PasteMsg{Content: "one\ntwo"})
	st.press("c", "ctrl+y")
	st.has("› one", "  two")
}
