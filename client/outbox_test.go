package client

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

// TestOldTextsAreNotSentAgain: a text that may have been saved is sent again while the server is certain to know its id,
// and not later. One that was never sent counts as new, however old it is.
func TestOldTextsAreNotSentAgain(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := opened(t, 0)
	old := c.say("lobby", "old")
	if got := sent(c, now); len(got) != 1 {
		t.Fatalf("sent %q", got)
	}
	again := func() (texts []string, failed []Sent) {
		c.disconnected(now, errCut)
		c.connected()
		feed(t, c, now, welcome(""), welcome(""))
		heard(c)
		for _, b := range sent(c, now) {
			if strings.Contains(b, `"say"`) {
				r, _ := wire.ParseRequest([]byte(b))
				texts = append(texts, r.Frame.(wire.Say).Text)
			}
		}
		_, states := events(c)
		for _, s := range states {
			if s.State == Failed {
				failed = append(failed, s)
			}
		}
		return texts, failed
	}
	now = now.Add(6 * 24 * time.Hour)
	if texts, failed := again(); !slices.Equal(texts, []string{"old"}) || len(failed) != 0 {
		t.Errorf("in time: sent %q, failed %v", texts, failed)
	}
	c.disconnected(now, errCut)
	fresh := c.say("lobby", "fresh")
	now = now.Add(time.Minute)
	texts, failed := again()
	if !slices.Equal(texts, []string{"fresh"}) || len(failed) != 1 || failed[0].ID != old || !failed[0].Unknown {
		t.Errorf("too late: sent %q, failed %v", texts, failed)
	}
	feed(t, c, now, wire.Saved{Room: "lobby", ID: fresh, N: 1})
	if got := len(c.outbox.says); got != 0 {
		t.Errorf("%d are left in the outbox", got)
	}
}

func TestRefusedMessagesResentInOrder(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := opened(t, 0)
	var ids []string
	for i := range 4 {
		ids = append(ids, c.say("lobby", strconv.Itoa(i)))
	}
	if got := sent(c, now); len(got) != 4 {
		t.Fatalf("sent %d says", len(got))
	}
	refuse := func(i int) wire.Refused {
		return wire.Refused{Room: "lobby", ID: ids[i], Code: wire.RateLimited, RetryAfterMS: 200}
	}
	final := wire.Refused{Room: "lobby", ID: ids[2], Code: wire.TooLong}
	got := feed(t, c, now, wire.Saved{Room: "lobby", ID: ids[0], N: 1}, refuse(1), final, refuse(3))
	if len(got) != 2 || !reflect.DeepEqual(got[1], wire.Frame(refuse(1))) {
		t.Fatalf("events %v, want the saved frame and the first refusal", got)
	}
	if got := sent(c, now.Add(199*time.Millisecond)); got != nil {
		t.Fatalf("sent %q too early", got)
	}
	now = now.Add(200 * time.Millisecond)
	var order []string
	for range 3 { // the window grows again, one by one
		for _, s := range sent(c, now) {
			r, _ := wire.ParseRequest([]byte(s))
			f := r.Frame
			order = append(order, f.(wire.Say).Text)
			if text := f.(wire.Say).Text; text == "2" {
				feed(t, c, now, final)
			} else {
				feed(t, c, now, wire.Saved{Room: "lobby", ID: f.(wire.Say).ID, N: 2})
			}
		}
	}
	if want := []string{"1", "2", "3"}; !slices.Equal(order, want) {
		t.Errorf("resent %q, want %q", order, want)
	}
	if n := len(c.outbox.says); n != 0 {
		t.Errorf("%d are not settled", n)
	}
}

func TestWindow(t *testing.T) {
	c := newCore()
	c.connected()
	w := welcome("")
	w.Limits = wire.Limits{Rate: 5, Burst: 20}
	feed(t, c, time.Time{}, w)
	for range 50 {
		c.say("lobby", "x")
	}
	if got := len(sent(c, time.Time{})); got != 20 {
		t.Errorf("%d in flight, want a burst of 20", got)
	}
}

func TestTextTooLargeForAFrame(t *testing.T) {
	c := newCore()
	c.connected()
	w := welcome("")
	w.Limits.Frame = 200
	feed(t, c, time.Time{}, w)
	c.say("lobby", strings.Repeat("x", 200))
	c.say("lobby", "short")
	if got := sent(c, time.Time{}); len(got) != 1 || !strings.Contains(got[0], "short") {
		t.Errorf("sent %q", got)
	}
	_, got := events(c)
	if len(got) != 2 || got[0].State != Failed || got[0].Code != wire.TooLong || got[1].State != Sending {
		t.Errorf("states %v", got)
	}
}
