package tui

import (
	"errors"
	"testing"
	"time"

	"ramai/internal/commands"
	"ramai/wire"
)

// TestWhois: a command that the screen shares with line mode asks which of two senders is meant, and then acts on that one.
func TestWhois(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.says("eko", "first")
	st.receive(wire.Message{Room: wire.Lobby, N: 5, At: wire.TimeOf(st.now), SenderID: "other-eko", DisplayName: "EKO", Text: "not him"})
	st.types("/who")
	st.has("/whois PERSON")
	st.types("is ek")
	st.press("tab", "tab")
	if got := st.room().editor.String(); got != "/whois eko " && got != "/whois EKO " {
		t.Fatalf("Tab completes a name to %q", got)
	}
	st.press("enter")
	st.has("which eko?", "EKO", "othe · message 5, 14:02", "by-e · message 4, 14:02", "Up Down choose")
	st.press("down", "enter")
	st.has("sender by-eko", "newest message 4, 14:02")
	st.press("esc")
	st.types("/whois dewu")
	st.press("enter")
	st.has("nobody called dewu has posted here lately; did you mean dewi?")
}

// TestConfirm: only y does what cannot be undone, and not before the question could be read.
func TestConfirm(t *testing.T) {
	st := newLobby(t, 3, nil)
	done := 0
	ask := func(late bool) {
		st.do(st.withHost(st.room(), "", func(h commands.Host) {
			h.Confirm(commands.Confirmation{Question: "erase 3 messages of budi\x1b[2J?", Yes: "erase them", Rows: []commands.Row{{Name: "budi", Text: "buy\nnow"}}, Do: func(commands.Host) { done++ }})
		}))
		if late {
			st.panel.openedAt = st.now
		}
	}
	ask(false)
	st.has("Please confirm", "erase 3 messages of budi?", "budi  buy now", "y erase them", "Esc cancel")
	st.press("n")
	if ask(false); done != 0 {
		t.Fatal("n does it")
	}
	st.press("x")
	if st.press("y"); done != 0 || st.room().editor.String() != "xy" {
		t.Fatalf("another key leaves the question open: done %d times, the draft is %q", done, st.room().editor.String())
	}
	if ask(false); done != 0 {
		t.Fatal("done before the answer")
	}
	if st.press("y"); done != 1 || st.panel != nil {
		t.Fatalf("y does it %d times", done)
	}
	ask(true)
	st.now = st.now.Add(confirmGrace - time.Millisecond)
	if st.press("y"); done != 1 {
		t.Fatal("a key that was meant for the draft confirms")
	}
	ask(true)
	st.now = st.now.Add(confirmGrace)
	if st.press("y"); done != 2 {
		t.Fatal("y does not confirm")
	}
}

// TestAnswer: what the server answers to a command is a notice or a panel, and so is an error.
func TestAnswer(t *testing.T) {
	st := newLobby(t, 3, nil)
	st.send(commandAnswer{room: st.room(), err: errors.New("no")})
	st.has("no")
	answer := func(a commands.Answer) func(commands.Host) commands.Answer {
		return func(commands.Host) commands.Answer { return a }
	}
	st.send(commandAnswer{room: st.room(), answer: answer(commands.Answer{Title: "nothing\x07 here"})})
	st.has("nothing here")
	st.send(commandAnswer{room: st.room(), answer: answer(commands.Answer{Title: "the rules", Rows: []commands.Row{{Text: "slow: 10 seconds"}}})})
	st.has("the rules", "slow: 10 seconds")
}
