package chat

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ramai/wire"
)

// One request of a sender undoes something at a time, and a limited number of all senders. None begins to work after the stop.
func TestUndoing(t *testing.T) {
	u := newUndoing()
	refusal := func(senderID string) (code wire.Code) {
		var refused *wire.CodedError
		if errors.As(u.begin(senderID), &refused) {
			code = refused.Code
		}
		return code
	}
	if got := refusal("anna"); got != "" {
		t.Fatalf("the first request is refused: %s", got)
	}
	if got := refusal("anna"); got != wire.RateLimited {
		t.Errorf("another one of the same sender: %q", got)
	}
	for i := range maxUndoWaiting - 1 {
		if got := refusal(fmt.Sprint(i)); got != "" {
			t.Fatalf("request %d is refused: %s", i, got)
		}
	}
	if got := refusal("budi"); got != wire.Unavailable {
		t.Errorf("one more than wait: %q", got)
	}
	u.end("anna")
	if got := refusal("budi"); got != "" {
		t.Errorf("after one has ended: %q", got)
	}
	u.stop()
	if err := (&undoPlan{}).read(u.ctx, nil); err == nil {
		t.Error("records are read after the stop")
	}
}

// What follows from a request is charged in full, also beyond the burst.
func TestCharge(t *testing.T) {
	r, now, by := NewRates(RateLimits{PerSecond: 2, Burst: 10, Address: 4}), time.Unix(1_000_000, 0), wire.SenderIDOf("AAAAAAAAAAAAAAAAAAAAAA")
	for _, addr := range []string{"198.51.100.7", "127.0.0.1"} {
		addr := netip.MustParseAddr(addr)
		r.Charge(now, by, addr, 30)
		if wait := r.Take(now, by, addr, 1); wait < 10*time.Second {
			t.Errorf("%v: 30 commands were charged and 10 are free at 2 a second, and the next one waits %v", addr, wait)
		}
		now = now.Add(time.Hour)
	}
}
