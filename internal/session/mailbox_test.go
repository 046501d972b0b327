package session

import (
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestMailboxHoldsNoText: an outcome that waits for a blocked client holds neither the text nor the rows of its command.
func TestMailboxHoldsNoText(t *testing.T) {
	s := newHarness(t, setting{}).joined(wire.Lobby).s
	s.deliver(&eventlog.Submission{}, &eventlog.Outcome{
		Command: eventlog.Command{Kind: eventlog.Say, Room: wire.Lobby, ID: "a", Text: "secret"}, Status: eventlog.Saved, N: 1, Body: "secret",
		Renamed: []string{"anna"}, Replaced: []eventlog.Record{{Body: "secret"}},
	})
	held := s.mailbox.Load().reply
	if held.Command.Text != "" || held.Body != "" || held.Replaced != nil || held.Renamed != nil {
		t.Errorf("the mailbox holds %+v", held.Outcome)
	}
	if held.Command.ID != "a" || held.N != 1 {
		t.Errorf("the mailbox has lost what the answer needs: %+v", held.Outcome)
	}
	s.ensurePublisher().inFlight = 1 // of the command that is answered
}
