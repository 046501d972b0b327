package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// newEditable is a lobby with n messages, on a server where messages can be changed for 15 minutes.
func newEditable(t *testing.T, n int, change func(*Config, *fakeChat)) *harness {
	t.Helper()
	st := newLobby(t, n, change)
	st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: "anna", Limits: wire.Limits{Text: 4000, Rooms: 8, EditWindow: 900_000}})
	return st
}

// next is the number of the next record of the lobby.
func (st *harness) next() uint64 { return st.room().timeline.received + 1 }

// posts makes this user say something, that arrives.
func (st *harness) posts(text string) (n uint64) {
	n = st.next()
	st.receive(wire.Message{Room: wire.Lobby, N: n, At: wire.TimeOf(st.now), SenderID: "me", DisplayName: "anna", ID: text, Text: text})
	return n
}

// edits makes somebody change a message; text is nil to delete it.
func (st *harness) edits(of uint64, text *string) {
	st.receive(wire.Changed{Room: wire.Lobby, N: st.next(), At: wire.TimeOf(st.now), Of: wire.Target(of), Text: text})
}

func pointer(s string) *string { return &s }

// row is the first row of the screen that has the words.
func (st *harness) row(words string) string {
	for line := range strings.Lines(st.shown()) {
		if strings.Contains(line, words) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestEditsArrive: what others change is shown, and counts neither as unread nor as missing.
func TestEditsArrive(t *testing.T) {
	st := newEditable(t, 3, nil)
	st.edits(2, pointer("message two"))
	st.has("message two (edited)")
	st.hasNot("message 2")
	st.edits(3, nil)
	st.has("message deleted")
	st.hasNot("message 3")
	st.edits(3, pointer("back again")) // deleted messages stay deleted
	st.hasNot("back again")
	if r := st.room(); r.unread() != 0 || r.timeline.behind() != 0 {
		t.Errorf("%d unread, %d behind", r.unread(), r.timeline.behind())
	}
	st.now = st.now.Add(2 * time.Minute)
	st.edits(2, pointer("message zwei"))
	st.press("alt+v", "up")
	st.selects("message zwei")
	st.has("message 2 · ", "· edited 14:04")
	st.press("down")
	st.has("message 3 · ", "· deleted")
	st.hasNot("c copy", "r reply")
}

// TestEditsOfUnread: a deleted message is read like others, and other records are not unread.
func TestEditsOfUnread(t *testing.T) {
	st := newEditable(t, 3, nil)
	st.send(tea.BlurMsg{})
	st.says("budi", "one")
	st.receive(wire.Unknown{Kind: "tally", Room: wire.Lobby, N: st.next()})
	st.edits(1, pointer("changed"))
	if got := st.room().unread(); got != 1 {
		t.Errorf("%d are unread, not 1", got)
	}
}

// TestMessagesOfPages: pages of history, and changes that arrive while one is read, end with the newest text.
func TestMessagesOfPages(t *testing.T) {
	st := newEditable(t, 200, nil)
	old := st.chat.history[wire.Lobby]
	cmd := st.room().timeline.load(page{kind: older}, before(st.room().timeline.lowest()))
	st.edits(120, pointer("overtook the page"))
	st.do(cmd)
	i, _ := st.room().timeline.find(120)
	if got := st.room().timeline.items[i].text; got != "overtook the page" {
		t.Errorf("the page brought %q", got)
	}
	old[19].Text, old[19].Edited = "edited long ago", 50
	st.types("/history 20")
	st.press("enter")
	st.has("edited long ago (edited)")
}

// TestReplicaForgets: the copy of the room is not larger than its window.
func TestReplicaForgets(t *testing.T) {
	st := newEditable(t, 10, nil)
	for n := range 3 * maxItems {
		m := wire.Message{Room: wire.Lobby, N: st.next(), At: wire.TimeOf(st.now), SenderID: "by-budi", Text: "more"}
		if n%100 == 0 {
			m.Re = 5
		}
		st.receive(m)
	}
	t.Log(len(st.room().timeline.items))
	if got := len(st.room().timeline.replica.Messages(nil)); got > len(st.room().timeline.items)+1 {
		t.Errorf("%d messages are kept for a window of %d", got, len(st.room().timeline.items))
	}
	if _, ok := st.room().timeline.replica.Message(5, nil); !ok {
		t.Error("the original of a reply was dropped")
	}
}

// TestEditByKey: e puts a message into the composer, Enter saves it, and the draft comes back.
func TestEditByKey(t *testing.T) {
	st := newEditable(t, 3, nil)
	n := st.posts("a tpyo")
	st.types("a draft")
	st.press("alt+v", "e")
	st.has("editing message 4", "› a tpyo", "Enter save", "Esc cancel")
	if got := st.room().draft(); got != "a draft" {
		t.Errorf("the draft that is kept is %q", got)
	}
	st.press("backspace", "backspace", "backspace", "backspace")
	st.types("typo")
	st.press("enter")
	st.asked(`edit lobby 4 "a typo"`)
	st.has("› a draft", "a typo")
	st.hasNot("(edited)", "editing message")
	if got := st.row("a typo"); !strings.Contains(got, "…") {
		t.Errorf("an edit that is not saved is drawn as %q", got)
	}
	if st.rooms.sending() != 1 {
		t.Error("the edit does not count as not saved")
	}
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Of: n, Text: "a typo", State: client.Saved, N: 5, At: start})
	st.receive(wire.Changed{Room: wire.Lobby, N: 5, At: wire.TimeOf(start), Of: wire.Target(n), Text: pointer("a typo")})
	st.has("a typo (edited)")
	if st.rooms.sending() != 0 || len(st.room().timeline.unsavedChanges()) != 0 {
		t.Error("a saved edit counts as not saved")
	}
	st.press("alt+v", "e", "esc")
	st.has("› a draft")
	st.press("alt+v", "e", "ctrl+c")
	st.has("› a draft")
}

// TestEditRefused: an edit that was refused leaves the message as it is, says why, and its text can be brought back.
func TestEditRefused(t *testing.T) {
	st := newEditable(t, 3, nil)
	n := st.posts("first")
	st.types("/edit last second text")
	st.press("enter")
	st.asked(`edit lobby 4 "second text"`)
	st.has("second text")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Of: n, Text: "second text", State: client.Failed, Code: wire.NotAllowed, Reason: "too late"})
	st.has("message 4 was not edited: too late", "✓ first")
	st.press("ctrl+r")
	st.types("second")
	st.has("→ second text")
}

// TestEditOfSlash: the text of a message that begins with a slash is no command.
func TestEditOfSlash(t *testing.T) {
	st := newEditable(t, 3, nil)
	st.posts("/etc/passwd")
	st.press("up")
	st.has("› //etc/passwd")
	st.press("enter")
	if slices.ContainsFunc(st.chat.asked, func(s string) bool { return strings.HasPrefix(s, "edit") }) {
		t.Errorf("an unchanged text was saved: %q", st.chat.asked)
	}
	st.press("up")
	st.types("!")
	st.press("enter")
	st.asked(`edit lobby 4 "/etc/passwd!"`)
}

// TestEditByUp: Up edits the last message while that is possible, and the next Up goes on to the history.
func TestEditByUp(t *testing.T) {
	st := newEditable(t, 3, nil)
	st.posts("one")
	st.posts("two")
	st.press("up")
	st.has("editing message 5", "› two")
	st.press("down")
	st.has("› say something")
	st.press("up", "up")
	st.hasNot("editing")
	st.has("› two")
	st.press("up")
	st.has("› one")
	st.press("ctrl+c", "up")
	st.send(clearNotice{})
	st.types("!")
	st.press("up") // changed: it is no history
	st.has("editing message 5", "› two!")
	st.press("esc")
	st.now = st.now.Add(time.Hour)
	st.press("up")
	st.hasNot("editing")
	st.has("› two")
}

// TestDeleteAsks: d deletes at the second press.
func TestDeleteAsks(t *testing.T) {
	st := newEditable(t, 3, nil)
	n := st.posts("my number is 555")
	asked := len(st.chat.asked)
	st.press("alt+v", "d")
	st.has("delete this message for everyone?", "d delete", "Esc keep it")
	st.press("esc")
	st.selects("my number is 555")
	st.hasNot("delete this message")
	st.press("d", "up", "down", "d")
	if got := len(st.chat.asked); got != asked {
		t.Fatalf("asked was %q", st.chat.asked)
	}
	st.press("d")
	st.asked("delete lobby 4")
	st.has("deleting …")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Of: n, Deletes: true, State: client.Saved, N: 5, At: start})
	st.has("message deleted")
	st.hasNot("555")
	st.types("/delete 2")
	st.press("enter")
	st.has("message 2 is somebody else's")
	st.types("/delete")
	st.press("enter")
	st.has("your last message cannot be changed any more")
}

// TestReply: a reply has a line of the original, which it leads to.
func TestReply(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}, {40, 15}} {
		st := newHarness(t, size[0], size[1], nil)
		st.welcome("anna", 30)
		st.press("alt+v", "up")
		st.selects("message 29")
		st.press("r")
		st.has("reply to ", "message 29", "Esc no reply")
		st.types("/who")
		st.press("esc", "esc")
		st.hasNot("reply to ")
		st.types("/reply 28 quite so")
		st.press("enter")
		st.asked(`say lobby "quite so" re 28`)
		st.has("↳ ", "quite so")
		st.press("alt+v", "r")
		st.types("yes")
		st.press("enter")
		st.asked(`say lobby "yes" re 30`)
		st.receive(wire.Message{Room: wire.Lobby, N: 31, At: wire.TimeOf(start), SenderID: "by-budi", DisplayName: "budi", Text: "I agree", Re: 3})
		st.has("I agree", "message 3") // from history
		st.press("alt+v", "enter")
		st.selects("")
		if got := st.room().timeline.jumpTarget; got != 3 {
			t.Errorf("%d: Enter went to %d", size, got)
		}
		st.press("esc", "end")
		st.edits(3, nil)
		st.has("↳ message deleted")
		st.room().timeline.first = 10
		st.room().restyle()
		st.has("↳ the original message is no long")
	}
}

// TestReplyIsMention: a reply to this user rings the bell, also if the original has to be fetched first. So does an edit that
// newly mentions this user; the next one does not.
func TestReplyIsMention(t *testing.T) {
	st := newEditable(t, 300, nil)
	past := st.chat.history[wire.Lobby]
	past[9].SenderID, past[9].DisplayName = "me", "anna"
	reply := func(re uint64) {
		st.now = st.now.Add(time.Minute)
		st.receive(wire.Message{Room: wire.Lobby, N: st.next(), At: wire.TimeOf(st.now), SenderID: "by-budi", DisplayName: "budi", Text: "so", Re: re})
	}
	st.send(tea.BlurMsg{})
	for i, c := range []struct {
		do   func()
		bell int
	}{
		{func() { reply(299) }, 0},
		{func() { reply(st.posts("mine")) }, 1},
		{func() { reply(10) }, 2},
		{func() { reply(11) }, 2},
		{func() { st.now = st.now.Add(time.Minute); st.edits(300, pointer("@anna look")) }, 3},
		{func() { st.now = st.now.Add(time.Minute); st.edits(300, pointer("@anna look here")) }, 3},
	} {
		if c.do(); st.bell != c.bell {
			t.Fatalf("step %d: the bell rang %d times, not %d", i, st.bell, c.bell)
		}
	}
	if got := st.room().read.mentions; got != 3 {
		t.Errorf("%d mentions, not 3", got)
	}
	st.edits(300, pointer("look"))
	st.send(tea.FocusMsg{})
	if got := st.room().read.mentions; got != 0 {
		t.Errorf("%d mentions are left", got)
	}
}

// TestSelectByClick: a click selects a message.
func TestSelectByClick(t *testing.T) {
	st := newEditable(t, 30, func(c *Config, _ *fakeChat) { c.Mouse = true })
	click := func(words string) {
		before, _, _ := strings.Cut(st.shown(), words)
		st.send(tea.MouseClickMsg{X: 30, Y: strings.Count(before, "\n"), Button: tea.MouseLeft})
	}
	click("message 25")
	st.selects("message 25")
	st.posts("a reply")
	st.receive(wire.Message{Room: wire.Lobby, N: st.next(), At: wire.TimeOf(st.now), SenderID: "by-budi", Text: "so", Re: 25})
	st.press("esc")
	click("↳ ")
	if got := st.room().timeline.jumpTarget; got != 25 {
		t.Errorf("a click on the line of the original went to %d:\n%s", got, st.shown())
	}
}
