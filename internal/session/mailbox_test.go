package session

import (
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestMailboxHoldsNoText: a reply that waits for a blocked client does not hold the text of its command.
func TestMailboxHoldsNoText(t *testing.T) {
	for _, c := range []eventlog.Command{
		{Kind: eventlog.Say, Text: "secret", Body: eventlog.SayAs{Options: []string{"secret"}}},
		{Kind: eventlog.Change, Body: eventlog.ChangeBody{Of: 1, Text: new("secret")}},
		{Kind: eventlog.Set, Body: eventlog.SetBody{Key: "topic"}},
	} {
		c.ID = "a"
		s := newHarness(t, setting{}).joined(wire.Lobby).s
		s.deliver(&eventlog.Submission{}, &eventlog.Outcome{Command: &c, Status: eventlog.Saved, N: 1})
		held := s.mailbox.Load().reply
		if held.body != nil {
			t.Errorf("%v: the mailbox holds %+v", c.Kind, held.body)
		}
		if held.id != "a" || held.n != 1 {
			t.Errorf("%v: the mailbox has lost what the answer needs: %q %d", c.Kind, held.id, held.n)
		}
		s.ensurePublisher().inFlight = 1 // of the command that is answered
	}
}
