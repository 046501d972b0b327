package client

import (
	"testing"
	"time"

	"ramai/wire"
)

// TestWithdraw: a held message is withdrawn by its id, and fails then with the code gone, once: the server may say so before it
// answers the withdrawal, or after.
func TestWithdraw(t *testing.T) {
	gone := wire.Refused{Room: wire.Lobby, ID: "h1", Code: wire.Gone, Reason: "you have withdrawn the message"}
	for name, answers := range map[string]func(id string) []wire.Frame{
		"the message first":    func(id string) []wire.Frame { return []wire.Frame{gone, wire.Saved{Room: wire.Lobby, ID: id}} },
		"the withdrawal first": func(id string) []wire.Frame { return []wire.Frame{wire.Saved{Room: wire.Lobby, ID: id}, gone} },
		"the withdrawal only":  func(id string) []wire.Frame { return []wire.Frame{wire.Saved{Room: wire.Lobby, ID: id}} },
	} {
		t.Run(name, func(t *testing.T) {
			c := opened(t, 3)
			c.post(say{room: wire.Lobby, id: "h1", text: "one"})
			sent(c, time.Time{})
			feed(t, c, time.Time{}, wire.HeldBack{Room: wire.Lobby, ID: "h1"})
			id := c.post(say{room: wire.Lobby, withdraws: "h1"})
			want := `{"type":"change","room":"lobby","id":"` + id + `","text":null,"held":"h1","ref":"` + id + `"}`
			if got := sent(c, time.Time{}); len(got) != 1 || got[0] != want {
				t.Fatalf("sends %q, want %s", got, want)
			}
			heard(c)
			withdrawn, saved := 0, 0
			for _, s := range states(t, c, answers(id)...) {
				switch {
				case s.ID == "h1" && s.Withdrawn():
					withdrawn++
				case s.ID == id && s.State == Saved && s.Withdraws == "h1" && !s.IsMessage() && !s.Changes():
					saved++
				default:
					t.Errorf("an event %+v", s)
				}
			}
			if withdrawn != 1 || saved != 1 || len(c.outbox.messages()) != 0 {
				t.Errorf("%d times withdrawn, %d saved, %d in the outbox", withdrawn, saved, len(c.outbox.messages()))
			}
		})
	}
}

// TestWithdrawTooLate: a message that was approved before the withdrawal stays.
func TestWithdrawTooLate(t *testing.T) {
	c := opened(t, 3)
	c.post(say{room: wire.Lobby, id: "h1", text: "one"})
	sent(c, time.Time{})
	feed(t, c, time.Time{}, wire.HeldBack{Room: wire.Lobby, ID: "h1"})
	id := c.post(say{room: wire.Lobby, withdraws: "h1"})
	sent(c, time.Time{})
	now := map[string]State{}
	for _, s := range states(t, c, wire.Saved{Room: wire.Lobby, ID: "h1", N: 4}, wire.Refused{Room: wire.Lobby, ID: id, Code: wire.Gone, Reason: "it was approved"}) {
		now[s.ID] = s.State
		if s.Withdrawn() {
			t.Errorf("%+v counts as withdrawn", s)
		}
	}
	if now["h1"] != Saved || now[id] != Failed {
		t.Errorf("the states are %v", now)
	}
}

// TestWithdrawChecks: a withdrawal has an id and no text.
func TestWithdrawChecks(t *testing.T) {
	text := "new"
	for _, change := range []Change{{Room: wire.Lobby}, {Room: wire.Lobby, Held: "h1", Text: &text}, {Room: wire.Lobby, Held: "h1", Of: 1}, {Room: wire.Lobby, Held: "no spaces"}} {
		if _, err := new(Client).Change(change); err == nil {
			t.Errorf("%+v is accepted", change)
		}
	}
}
