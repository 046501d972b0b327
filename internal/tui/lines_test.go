package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// pasted returns a screen on which 500 lines were pasted, and a function that confirms or rejects the next one.
func pasted(t *testing.T) (st *harness, answer func(state client.State, reason string)) {
	st = newLobby(t, 3, nil)
	var lines strings.Builder
	for i := range 500 {
		fmt.Fprintf(&lines, "line %d\n", i+1)
	}
	st.send(tea.PasteMsg{Content: lines.String()})
	st.press("l", "enter")
	answered := 0
	return st, func(state client.State, reason string) {
		answered++
		st.receive(client.Sent{Room: wire.Lobby, ID: fmt.Sprintf("id-%d", answered), State: state, N: uint64(3 + answered), Reason: reason})
	}
}

// TestPastedLines: the next lines of a long paste are sent as earlier ones are confirmed.
func TestPastedLines(t *testing.T) {
	st, answer := pasted(t)
	if st.chat.count != linesInFlight {
		t.Fatalf("%d lines were sent at once, want %d", st.chat.count, linesInFlight)
	}
	st.has("posting line 8 of 500 · Esc stops")
	answer(client.Sending, "")
	if st.chat.count != linesInFlight {
		t.Error("a line was sent although none was confirmed")
	}
	for st.chat.count < 500 {
		before := st.chat.count
		st.receive(client.Sent{Room: wire.Lobby, ID: fmt.Sprintf("id-%d", before-linesInFlight+1), State: client.Saved, N: uint64(before)})
		if st.chat.count != before+1 {
			t.Fatalf("after a confirmation %d lines were sent, want 1", st.chat.count-before)
		}
	}
	st.asked(`say lobby "line 500"`)
	st.hasNot("posting line")
}

// TestPastedLinesStopped: Esc stops the lines that are not sent yet, and they can be pasted again.
func TestPastedLinesStopped(t *testing.T) {
	st, answer := pasted(t)
	answer(client.Saved, "")
	st.press("esc")
	st.has("491 lines were not posted (Ctrl-Y brings them back)")
	for range linesInFlight {
		answer(client.Saved, "")
	}
	st.asked(`say lobby "line 9"`)
	st.press("ctrl+y")
	if got := st.room().editor.String(); !strings.HasPrefix(got, "line 10\nline 11\n") || !strings.HasSuffix(got, "\nline 500") {
		t.Errorf("Ctrl-Y restores %q", got)
	}
}

// TestPastedLinesFail: nothing is posted after a line that failed, and the rest counts as unsaved.
func TestPastedLinesFail(t *testing.T) {
	st, answer := pasted(t)
	if n := len(st.rooms.unsaved()); n != 500 {
		t.Errorf("%d lines are unsaved, want 500", n)
	}
	answer(client.Failed, "the room is locked")
	for range linesInFlight - 1 {
		answer(client.Saved, "")
	}
	st.asked(`say lobby "line 8"`)
	st.has("the room is locked; 492 lines were not posted", "✗ line 1")
}
