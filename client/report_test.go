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
