package client

import (
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

// TestModerate: an erasure is sent like a message, and its answer has its number or the reason.
func TestModerate(t *testing.T) {
	c := opened(t, 3)
	erase := wire.Moderate{Erase: &wire.Selection{SenderID: "idOfBudi00000000"}, To: 3}
	id := c.post(say{room: wire.Lobby, moderate: &erase})
	want := `{"type":"moderate","room":"lobby","id":"` + id + `","erase":{"by":"idOfBudi00000000"},"to":3,"ref":"` + id + `"}`
	if got := sent(c, time.Time{}); len(got) != 1 || got[0] != want {
		t.Fatalf("sends %q, want %s", got, want)
	}
	got := states(t, c, wire.Saved{Room: wire.Lobby, ID: id, N: 4})
	if s := got[len(got)-1]; s.State != Saved || s.N != 4 || s.Moderate == nil || s.IsMessage() {
		t.Errorf("saved: %+v", s)
	}
	if len(c.outbox.says) != 0 {
		t.Error("the erasure is still in the outbox")
	}
}

// TestPreview: a preview is answered by a frame or by a refusal, and is asked for again after a wait.
func TestPreview(t *testing.T) {
	c := opened(t, 3)
	var got wire.Frame
	var failed error
	request := func() {
		got, failed = nil, nil
		c.asks = append(c.asks, &ask{frame: wire.Moderate{Room: wire.Lobby, ID: previewID, Erase: &wire.Selection{SenderID: "idOfBudi00000000"}, Dry: true}, done: func(f wire.Frame, err error) { got, failed = f, err }})
	}
	request()
	if frames := sent(c, time.Time{}); len(frames) != 1 || !strings.Contains(frames[0], `"dry":true`) {
		t.Fatalf("sends %q", frames)
	}
	feed(t, c, time.Time{}, wire.Refused{Room: wire.Lobby, ID: previewID, Code: wire.RateLimited, RetryAfterMS: 10})
	if frames := sent(c, time.Time{}.Add(time.Second)); len(frames) != 1 || got != nil || failed != nil {
		t.Fatalf("after a wait, it sends %q", frames)
	}
	feed(t, c, time.Time{}, wire.Preview{Room: wire.Lobby, ID: previewID, Count: 7})
	if p, ok := got.(wire.Preview); !ok || p.Count != 7 || len(c.asks) != 0 {
		t.Fatalf("the answer is %+v, %v", got, failed)
	}
	request()
	sent(c, time.Time{})
	feed(t, c, time.Time{}, wire.Refused{Room: wire.Lobby, ID: previewID, Code: wire.NotAllowed, Reason: "no", Rule: wire.RuleRole})
	if bad, ok := failed.(*wire.CodedError); !ok || bad.Rule != wire.RuleRole || len(c.asks) != 0 {
		t.Fatalf("the refusal is %v", failed)
	}
}
