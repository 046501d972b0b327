package connlimit

import (
	"errors"
	"net/netip"
	"testing"
)

func TestLimiter(t *testing.T) {
	addr := netip.MustParseAddr
	l := NewShared(10, 3, 5)
	take := func(want error, addrs ...netip.Addr) {
		t.Helper()
		for _, a := range addrs {
			if err := l.Acquire(a); !errors.Is(err, want) {
				t.Fatalf("%v: %v, want %v", a, err, want)
			}
		}
	}
	one := []netip.Addr{addr("2001:db8::1"), addr("2001:db8::2"), addr("2001:db8::ffff")} // one network
	take(nil, one...)
	take(ErrShare, addr("2001:db8::3"))
	here := addr("127.0.0.1")
	take(nil, here, addr("::ffff:127.0.0.1"), here, here, here)
	take(ErrShare, here)
	take(nil, addr("127.0.0.2"), addr("2001:db8:0:1::1"))
	take(ErrFull, addr("192.0.2.1"), here)
	l.Release(one[0])
	take(nil, one[1])
	l.Release(here)
	take(nil, netip.Addr{})
	l.Add(one[0]) // although no slot is free
	if l.InUse() != 11 {
		t.Errorf("%d slots in use", l.InUse())
	}
	for _, a := range append(one, one[0], here, here, here, here, addr("127.0.0.2"), addr("2001:db8:0:1::1"), netip.Addr{}) {
		l.Release(a)
	}
	if l.InUse() != 0 || len(l.byNetwork) != 0 {
		t.Errorf("%d slots in use by %d networks", l.InUse(), len(l.byNetwork))
	}
	for range 5 { // unknown addresses have no share
		take(nil, netip.Addr{})
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct{ slots, share, want, local int }{
		{3840, 0, 960, 2880}, {100, 0, 512, 512}, {3840, 50, 50, 50}, {20000, 0, 5000, 15000},
	} {
		if l := New(c.slots, c.share); l.share != c.want || l.local != c.local {
			t.Errorf("%+v: %d and %d", c, l.share, l.local)
		}
		if w := New(c.slots, c.share).Widened(64); w.max != c.slots+64 || w.share != c.want+64 || w.local != c.local+64 {
			t.Errorf("%+v, wider: %+v", c, w)
		}
	}
}
