package client

import (
	"slices"
	"testing"
	"time"

	"ramai/wire"
)

func TestPlainProtocol(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newCore()
	c.plain, c.room, c.name = true, "lobby", "zoe"
	c.connected()
	one, two, three := c.say("lobby", "same"), c.say("lobby", "same"), c.say("lobby", "")
	if got := sent(c, now); got != nil {
		t.Fatalf("sent %q before the welcome", got)
	}
	c.line(now, []byte("Hello there"))
	if got := heard(c); len(got) != 1 || got[0].(wire.Welcome).Text != "Hello there" {
		t.Fatalf("heard %v", got)
	}
	if got := sent(c, now); !slices.Equal(got, []string{"same", "same", ""}) {
		t.Fatalf("sent %q", got)
	}
	for _, l := range []string{"tom: same", "! same", "zoe: same", ""} {
		c.line(now, []byte(l))
	}
	want := []wire.Frame{Line{Text: "tom: same"}, Line{Text: "! same"}, Line{Text: "zoe: same", ID: one}, Line{ID: three}}
	if got := heard(c); !slices.Equal(got, want) {
		t.Fatalf("events %v\nwant   %v", got, want)
	}
	c.disconnected(now, errCut)
	four := c.say("lobby", "later")
	if _, got := events(c); len(got) != 1 || got[0].ID != two || got[0].State != Failed || !got[0].Unknown {
		t.Fatalf("states %v", got)
	}
	c.connected()
	c.line(now, []byte("Hello there"))
	if got := sent(c, now); !slices.Equal(got, []string{"later"}) {
		t.Fatalf("sent %q: an unconfirmed line must not be sent again, an unsent one must be", got)
	}
	heard(c)
	c.line(now, []byte("later"))
	if got := heard(c); !slices.Equal(got, []wire.Frame{Line{Text: "later", ID: four}}) {
		t.Fatalf("heard %v", got)
	}
}

func TestPlainNotice(t *testing.T) {
	c := newCore()
	c.plain, c.room = true, "lobby"
	c.connected()
	c.line(time.Time{}, []byte(wire.Greeting))
	c.say("lobby", "fine")
	bad := c.say("lobby", "be\all")
	sent(c, time.Time{})
	heard(c)
	c.line(time.Time{}, []byte("! no control characters"))
	got := heard(c)
	if len(got) != 1 || got[0].(wire.Refused).ID != bad || got[0].(wire.Refused).Reason != "no control characters" {
		t.Fatalf("heard %v", got)
	}
	c.line(time.Time{}, []byte("! somebody's text"))
	if got := heard(c); !slices.Equal(got, []wire.Frame{Line{Text: "! somebody's text"}}) {
		t.Fatalf("heard %v", got)
	}
}

func TestPlainWindowWithoutEchoes(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newCore()
	c.plain, c.room = true, "lobby"
	c.connected()
	c.line(now, []byte(wire.Greeting))
	for range 100 {
		c.say("lobby", "x")
	}
	if got := len(sent(c, now)); got != plainMaxInFlight {
		t.Fatalf("sent %d lines at once", got)
	}
	if got := c.wake(now); !got.Equal(now.Add(echoTimeout)) {
		t.Fatalf("wakes at %v", got)
	}
	if got := len(sent(c, now.Add(echoTimeout))); got != 100-plainMaxInFlight {
		t.Errorf("sent %d more lines", got)
	}
}
