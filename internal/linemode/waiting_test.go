package linemode

import (
	"testing"

	"ramai/client"
	"ramai/wire"
)

// TestWaiting: a moderator reads once what waits, and none of the messages of the moderators' room.
func TestWaiting(t *testing.T) {
	room := wire.ModeratorsRoom(wire.Lobby)
	held := func(n uint64) wire.Message {
		return wire.Message{Room: room, N: n, As: wire.HeldMessage, Text: "held"}
	}
	report := wire.Message{Room: room, N: 5, As: wire.ReportMessage, Text: "spam"}
	gone := func(n uint64, from, to uint64) wire.Changed {
		return wire.Changed{Room: room, N: n, Of: wire.Targets{{From: from, To: to}}}
	}
	const two, one = "2 messages wait for a moderator: /approve, /reject\n", "1 message waits for a moderator: /approve, /reject\n"

	r, out, notes := newRunner(0)
	r.Commands, r.inRoom, r.role, r.waiting.joined = true, true, wire.RoleModerator, true
	for i, s := range []struct {
		frame wire.Frame
		want  string
	}{
		{wire.Joined{Room: room, N: 3, First: 1}, ""},
		{held(1), ""}, {wire.Message{Room: room, N: 2, As: wire.ActionMessage}, ""}, {held(3), two},
		{held(4), ""}, {report, "1 report: /report\n"},
		{wire.Joined{Room: room, N: 6, First: 1}, ""}, {held(6), ""}, // after a reconnect
		{gone(7, 1, 4), ""}, {gone(8, 6, 6), ""}, {held(9), one},
		{client.RequestFailed{Request: wire.Join{Room: room}, Error: wire.Error{Reason: "too many rooms"}}, ""},
		{wire.Left{Room: room, Code: wire.NotAllowed, Reason: "no"}, ""},
	} {
		notes.Reset()
		if err := r.handle(client.Event{Frame: s.frame}); err != nil {
			t.Fatalf("%d: the run ends: %v", i, err)
		}
		if notes.String() != s.want {
			t.Errorf("%d: the notes after %+v are %q, want %q", i, s.frame, notes, s.want)
		}
	}
	if out.Len() > 0 || r.shown > 0 || r.waiting.joined {
		t.Errorf("the output is %q, shown up to %d; joined: %t", out, r.shown, r.waiting.joined)
	}
}
