package chat

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ramai/wire"
)

var remote = netip.MustParseAddrPort("192.0.2.7:40000")

// Rooms that an address may create per minute, and names that its keys may register per hour.
const (
	roomsAMinute = 10
	namesAnHour  = 6
)

// usual are the default limits, except that an address has no more than a sender, so that few senders exhaust it.
var usual = RateLimits{PerSecond: 5, Burst: 20, Address: 1, Rooms: roomsAMinute, Names: namesAnHour}

func TestRates(t *testing.T) {
	start := time.Unix(0, 0)
	const sender = "by"
	takes := func(r *Rates, now time.Time, by, addr string, n int) (taken int) {
		for range n {
			if r.Take(now, by, netip.MustParseAddr(addr), 1) == 0 {
				taken++
			}
		}
		return taken
	}
	for name, c := range map[string]struct {
		first, second  [2]string // sender and address
		want           int       // how many of 20 the second can take after the first took 20
		wantAfter1s    int
		wantAfter1Hour int
	}{
		"the same":                {[2]string{"a", "192.0.2.1"}, [2]string{"a", "192.0.2.1"}, 0, 5, 20},
		"a sender elsewhere":      {[2]string{"a", "192.0.2.1"}, [2]string{"a", "192.0.2.2"}, 0, 5, 20},
		"an address's others":     {[2]string{"a", "192.0.2.1"}, [2]string{"b", "192.0.2.1"}, 0, 5, 20},
		"others":                  {[2]string{"a", "192.0.2.1"}, [2]string{"b", "192.0.2.2"}, 20, 5, 20},
		"of one /64":              {[2]string{"a", "2001:db8::1"}, [2]string{"b", "2001:db8::ffff:1:2:3"}, 0, 5, 20},
		"of two /64":              {[2]string{"a", "2001:db8::1"}, [2]string{"b", "2001:db8:0:1::1"}, 20, 5, 20},
		"IPv4 in IPv6":            {[2]string{"a", "192.0.2.1"}, [2]string{"b", "::ffff:192.0.2.1"}, 0, 5, 20},
		"two of IPv4 in IPv6":     {[2]string{"a", "::ffff:192.0.2.1"}, [2]string{"b", "::ffff:192.0.2.2"}, 20, 5, 20},
		"zones of one /64":        {[2]string{"a", "fe80::1%a"}, [2]string{"b", "fe80::1%b"}, 0, 5, 20},
		"loopback's others":       {[2]string{"a", "127.0.0.1"}, [2]string{"b", "127.0.0.1"}, 20, 5, 20},
		"loopback's others, IPv6": {[2]string{"a", "::1"}, [2]string{"b", "::1"}, 20, 5, 20},
		"loopback's same sender":  {[2]string{"a", "127.0.0.1"}, [2]string{"a", "::1"}, 0, 5, 20},
		"nobodies elsewhere":      {[2]string{"", "192.0.2.1"}, [2]string{"", "192.0.2.2"}, 20, 5, 20},
		"nobody and an address's": {[2]string{"", "192.0.2.1"}, [2]string{"a", "192.0.2.1"}, 0, 5, 20},
	} {
		r := NewRates(usual)
		if got := takes(r, start, c.first[0], c.first[1], 25); got != 20 {
			t.Errorf("%s: a burst of %d, want 20", name, got)
		}
		for i, want := range []int{c.want, c.wantAfter1s, c.wantAfter1Hour} {
			now := start.Add([]time.Duration{0, time.Second, time.Hour}[i])
			if got := takes(r, now, c.second[0], c.second[1], 20); got != want {
				t.Errorf("%s: %v later %d, want %d", name, now.Sub(start), got, want)
			}
		}
	}
	if got := takes(NewRates(usual), start, "", "127.0.0.1", 100); got != 100 {
		t.Errorf("no sender, from loopback: %d of 100", got)
	}
	off := NewRates(RateLimits{})
	if got := takes(off, start, sender, "192.0.2.1", 1000); got != 1000 {
		t.Errorf("without a limit %d of 1000", got)
	}
}

func TestRatesReturnWait(t *testing.T) {
	r, now, addr := NewRates(usual), time.Unix(0, 0), netip.MustParseAddr("192.0.2.1")
	for range 20 {
		r.Take(now, "a", addr, 1)
	}
	for range 3 { // asking costs nothing
		if got := r.Take(now, "a", addr, 2); got != 400*time.Millisecond {
			t.Errorf("two events in %v, want 400ms", got)
		}
	}
	if got := r.Take(now.Add(400*time.Millisecond), "a", addr, 2); got != 0 {
		t.Errorf("after that time another %v", got)
	}
	if got := r.Take(now.Add(time.Hour), "a", addr, 1000); got != 0 {
		t.Errorf("more than a burst is never allowed: %v", got)
	}
}

func TestIdleSendersForgotten(t *testing.T) {
	r, now := NewRates(usual), time.Unix(0, 0)
	for i := range 100_000 {
		now = now.Add(10 * time.Millisecond)
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if i < 2000 {
			r.TakeName(now, addr)
		} else if i == 2000 {
			now = now.Add(2 * time.Hour)
		}
		r.Take(now, fmt.Sprint(i), addr, 1)
	}
	if n := r.entries(); n > 2048 {
		t.Errorf("%d shares are remembered", n)
	}
}

func TestRoomsAMinute(t *testing.T) {
	r, now := NewRates(usual), time.Unix(0, 0)
	rooms := 0
	made := func(now time.Time, addr string) (n int) {
		for range 100 {
			rooms++
			if r.TakeRoom(now, netip.MustParseAddr(addr), fmt.Sprint("room", rooms)) == 0 {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		addr  string
		want  int
	}{
		{0, "192.0.2.1", 10}, {0, "192.0.2.2", 10}, {6 * time.Second, "192.0.2.1", 1}, {time.Hour, "192.0.2.1", 10},
		{0, "2001:db8::1", 10}, {0, "2001:db8::2", 0}, {0, "127.0.0.1", 100},
	} {
		if got := made(now.Add(c.after), c.addr); got != c.want {
			t.Errorf("%s after %v: %d rooms, want %d", c.addr, c.after, got, c.want)
		}
	}
}

func TestNamesAnHour(t *testing.T) {
	now := time.Unix(0, 0)
	owned := func(r *Rates, now time.Time, addr string) (n int) {
		for range 100 {
			if r.TakeName(now, netip.MustParseAddr(addr)) == 0 {
				n++
			}
		}
		return n
	}
	r := NewRates(usual)
	for _, c := range []struct {
		after time.Duration
		addr  string
		want  int
	}{
		{0, "192.0.2.1", 6}, {0, "192.0.2.2", 6}, {9 * time.Minute, "192.0.2.1", 0}, {10 * time.Minute, "192.0.2.1", 1}, {2 * time.Hour, "192.0.2.1", 6},
		{0, "2001:db8::1", 6}, {0, "2001:db8::2", 0}, {0, "127.0.0.1", 100},
	} {
		if got := owned(r, now.Add(c.after), c.addr); got != c.want {
			t.Errorf("%s after %v: %d names, want %d", c.addr, c.after, got, c.want)
		}
	}
	for _, r := range []*Rates{NewRates(RateLimits{5, 20, 1, roomsAMinute, 0, 0}), NewRates(RateLimits{0, 20, 1, roomsAMinute, namesAnHour, 0})} {
		if got := owned(r, now, "192.0.2.1"); got != 100 {
			t.Errorf("without a limit %d names, want 100", got)
		}
	}
}

// TestGlobalRoomRate: all addresses together also have a rate of creating rooms: a tenth of the maximum at once, and a
// quarter per hour.
func TestGlobalRoomRate(t *testing.T) {
	limits := usual
	limits.AllRooms = 1000
	r := NewRates(limits)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	addr := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	made := 0
	for i := range 10_000 {
		wait := r.TakeRoom(now, addr(i), fmt.Sprint("room", i))
		switch {
		case wait == 0:
			made++
		case wait > 15*time.Second:
			t.Fatalf("room %d has to wait for %v", i, wait)
		case r.TakeRoom(now, addr(i), wire.Lobby) != 0:
			t.Fatal("the lobby cannot be created")
		}
		now = now.Add(time.Second)
	}
	if want := 100 + 10_000*250/3600; made < want-2 || made > want+2 {
		t.Errorf("%d rooms were created in %d s, want %d", made, 10_000, want)
	}
	if wait := r.TakeRoom(now, netip.MustParseAddr("127.0.0.1"), "mine"); wait == 0 {
		t.Error("loopback is not charged")
	}
	// Rooms that an address could not create are available to others.
	now = now.Add(24 * time.Hour)
	for i := range roomsAMinute + 1000 {
		r.TakeRoom(now, addr(7), fmt.Sprint("more", i))
	}
	left := 0
	for i := range 1000 {
		if r.TakeRoom(now, addr(i), fmt.Sprint("others", i)) == 0 {
			left++
		}
	}
	if left != 100-roomsAMinute {
		t.Errorf("%d rooms are left to others, want %d", left, 100-roomsAMinute)
	}
}

// TestNamesOfAnAddress: the clients of one address can reserve a limited number of names at once, and per hour.
func TestNamesOfAnAddress(t *testing.T) {
	r := NewRates(usual)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	school, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	had := 0
	for range 3600 {
		for r.TakeHold(now, school) == 0 {
			had++
		}
		now = now.Add(time.Second)
	}
	if wait := r.TakeHold(now, other); had < 2*maxNamesHeld-1 || had > 2*maxNamesHeld || wait != 0 {
		t.Errorf("%d names were reserved in an hour, want %d; another address waits %v", had, 2*maxNamesHeld, wait)
	}
}

// TestMoreWorkThanTheBurst: work beyond the burst is admitted when the bucket is full: otherwise it never would be.
func TestMoreWorkThanTheBurst(t *testing.T) {
	r, now := NewRates(RateLimits{PerSecond: 5, Burst: 1, Address: 20}), time.Unix(0, 0)
	if wait := r.Work(now, key("a"), remote.Addr(), 400); wait != 0 {
		t.Errorf("it has to wait %v", wait)
	}
	if wait := r.Work(now, key("a"), remote.Addr(), 1); wait == 0 {
		t.Error("it took nothing")
	}
}
