package client

import (
	"testing"
	"time"

	"ramai/wire"
)

// TestReport: a report is answered by saved or refused with its id.
func TestReport(t *testing.T) {
	c := opened(t, 0)
	calls, err := 0, error(nil)
	report := func() {
		c.asks = append(c.asks, &ask{frame: wire.Report{Room: wire.Lobby, ID: "report-9", Of: 9}, done: func(_ wire.Frame, failed error) { calls++; err = failed }})
		c.nextAsk(time.Time{})
	}
	report()
	feed(t, c, time.Time{}, wire.Saved{Room: wire.Lobby, ID: "another"})
	if calls != 0 {
		t.Error("answered by another id")
	}
	if feed(t, c, time.Time{}, wire.Saved{Room: wire.Lobby, ID: "report-9"}); calls != 1 || err != nil || len(c.asks) != 0 {
		t.Errorf("saved: %d calls, %v", calls, err)
	}
	report()
	if feed(t, c, time.Time{}, wire.Refused{Room: wire.Lobby, ID: "report-9", Code: wire.NotAllowed, Reason: "no"}); calls != 2 || err == nil || len(c.asks) != 0 {
		t.Errorf("refused: %d calls, %v", calls, err)
	}
}

// TestSettle: a report is deleted in the room that it is in, and the answer is not taken for that of a change in the outbox.
func TestSettle(t *testing.T) {
	c := opened(t, 0)
	calls, err := 0, error(nil)
	settle := func() {
		c.asks = append(c.asks, &ask{frame: wire.Change{Room: "~lobby", ID: "s1", Of: 9}, done: func(_ wire.Frame, failed error) { calls++; err = failed }})
		c.nextAsk(time.Time{})
	}
	settle()
	if got := states(t, c, wire.Saved{Room: "~lobby", ID: "s1", N: 10}); calls != 1 || err != nil || len(got) != 0 {
		t.Errorf("saved: %d calls, %v, %v", calls, err, got)
	}
	settle()
	if got := states(t, c, wire.Refused{Room: "~lobby", ID: "s1", Code: wire.Gone, Reason: "no"}); calls != 2 || err == nil || len(got) != 0 {
		t.Errorf("refused: %d calls, %v, %v", calls, err, got)
	}
}

// TestUndoBy: the answer says what would be undone, or what was.
func TestUndoBy(t *testing.T) {
	c := opened(t, 0)
	var got wire.Frame
	err := error(nil)
	undo := func() {
		c.asks = append(c.asks, &ask{frame: wire.Moderate{Room: wire.Lobby, ID: "u1", UndoBy: &wire.ActionsOf{SenderID: "idOfBudi00000000"}, Dry: true}, done: func(f wire.Frame, failed error) { got, err = f, failed }})
		c.nextAsk(time.Time{})
	}
	undo()
	feed(t, c, time.Time{}, wire.Preview{Room: wire.Lobby, ID: "u1"}, wire.Undone{Room: wire.Lobby, ID: "another"})
	if got != nil {
		t.Errorf("answered by %+v", got)
	}
	feed(t, c, time.Time{}, wire.Undone{Room: wire.Lobby, ID: "u1", Count: 3})
	if u, ok := got.(wire.Undone); !ok || u.Count != 3 || err != nil {
		t.Errorf("answered by %+v, %v", got, err)
	}
	undo()
	if feed(t, c, time.Time{}, wire.Refused{Room: wire.Lobby, ID: "u1", Code: wire.NotAllowed, Reason: "no"}); err == nil || len(c.asks) != 0 {
		t.Errorf("refused: %v", err)
	}
	if _, err := new(Client).Moderate(wire.Moderate{Room: wire.Lobby, ID: "u1", UndoBy: &wire.ActionsOf{SenderID: "idOfBudi00000000"}, To: 3}); err == nil {
		t.Error("Moderate takes a request that is not answered by saved")
	}
}
