package client

import (
	"testing"
	"time"

	"ramai/wire"
)

// TestEpochs: a position keeps the epoch in which its number was received, however many epochs begin after that.
func TestEpochs(t *testing.T) {
	c := core{jitter: func(max time.Duration) time.Duration { return max }}
	now := time.Unix(1_000_000, 0)
	c.join(room{name: "tea", historyID: "log", n: 3}) // stored by an earlier client, which did not know epochs
	come := func(f wire.Frame) {
		t.Helper()
		if err := c.received(now, wire.Append(nil, f)); err != nil {
			t.Fatal(err)
		}
	}
	// again reconnects to a server that is in the given epoch, and returns the position that the client sends.
	again := func(epoch string, reset bool) wire.Position {
		t.Helper()
		if c.open {
			c.disconnected(now, nil)
		}
		c.connected()
		come(wire.Welcome{Session: "AAAAAAAAAAAAAAAAAAAAAA"})
		if c.greetings == 1 {
			come(wire.Welcome{Session: "AAAAAAAAAAAAAAAAAAAAAA"})
		}
		for {
			b, ok := c.next(now)
			if !ok {
				t.Fatal("no join")
			}
			if r, _ := wire.ParseRequest(b); r.Type == "join" {
				come(wire.Joined{Room: "tea", HistoryID: "log", Epoch: epoch, N: 9, First: 1, Reset: reset})
				return *r.Frame.(wire.Join).After
			}
		}
	}
	for i, step := range []struct {
		epoch string
		reset bool
		want  wire.Position
		then  wire.Frame
	}{
		{"one", false, wire.Position{HistoryID: "log", N: 3}, nil},
		{"one", false, wire.Position{HistoryID: "log", N: 3}, wire.Message{Room: "tea", N: 4}},
		{"two", false, wire.Position{HistoryID: "log", Epoch: "one", N: 4}, nil},
		{"three", false, wire.Position{HistoryID: "log", Epoch: "one", N: 4}, wire.Message{Room: "tea", N: 4}},
		{"four", false, wire.Position{HistoryID: "log", Epoch: "one", N: 4}, wire.Gap{Room: "tea", From: 5, To: 6}},
		{"five", false, wire.Position{HistoryID: "log", Epoch: "four", N: 6}, wire.Unknown{Kind: "new", Room: "tea", N: 7}},
		{"six", true, wire.Position{HistoryID: "log", Epoch: "five", N: 7}, nil}, // from 0
		{"seven", false, wire.Position{HistoryID: "log", Epoch: "six"}, nil},
	} {
		if got := again(step.epoch, step.reset); got != step.want {
			t.Errorf("%d: the client resumes after %+v, want %+v", i, got, step.want)
		}
		if step.then != nil {
			come(step.then)
		}
	}
	// Another server of the cluster starts. The epoch of what was received does not change.
	come(wire.Epoch{HistoryID: "another", Epoch: "none"})
	come(wire.Epoch{HistoryID: "log", Epoch: "eight"})
	if got, want := again("nine", false), (wire.Position{HistoryID: "log", Epoch: "six"}); got != want {
		t.Errorf("the client resumes after %+v, want %+v", got, want)
	}
	come(wire.Epoch{HistoryID: "log", Epoch: "ten"})
	come(wire.Message{Room: "tea", N: 1})
	if got, want := again("eleven", false), (wire.Position{HistoryID: "log", Epoch: "ten", N: 1}); got != want {
		t.Errorf("the client resumes after %+v, want %+v", got, want)
	}
}
