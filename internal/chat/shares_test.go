package chat

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ramai/internal/store/search"
	"ramai/wire"
)

// shared are the default limits.
var shared = RateLimits{PerSecond: 5, Burst: 20, Address: 20, Rooms: 30, Names: 30}

var sharedAddr = netip.MustParseAddrPort("203.0.113.7:40000")

// TestAddressShares: one sender has at most its own share, and many senders together have the address's.
func TestAddressShares(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	took := func(by string, now time.Time, tries int) (n int) {
		for range tries {
			if r.Take(now, by, sharedAddr.Addr(), 1) == 0 {
				n++
			}
		}
		return n
	}
	all := 0
	for i := range 100 {
		got := took(fmt.Sprint(i), now, 50)
		if i == 0 && got != 20 {
			t.Errorf("the first takes %d, want its burst, 20", got)
		}
		all += got
	}
	if all != 400 {
		t.Errorf("a hundred take %d at once, want 20 shares of 20", all)
	}
	all = 0
	for ms := 100; ms <= 10_000; ms += 100 { // each tries all the time
		for i := range 100 {
			all += took(fmt.Sprint(i), now.Add(time.Duration(ms)*time.Millisecond), 5)
		}
	}
	// At most 20 shares of 5 per second, less what heavy users leave to others.
	if all > 1000 || all < 1000-400 {
		t.Errorf("in ten seconds they take %d, want 800 to 1000", all)
	}
	if got := took("", now.Add(time.Hour), 50); got != 20 {
		t.Errorf("clients without a sender take %d, want the share of one, 20", got)
	}
}

// TestLowUseServedFirst: a sender with low use is served, whatever others at the same address do, and those share the rest.
func TestLowUseServedFirst(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	took := make([]int, 60)
	for ms := range 60_000 / 10 {
		now = now.Add(10 * time.Millisecond)
		for i := range took {
			i = (i*7 + ms) % len(took) // nobody is always first
			if r.Take(now, fmt.Sprint("flood ", i), sharedAddr.Addr(), 1) == 0 {
				took[i]++
			}
		}
		if ms%100 == 25 { // once a second
			if wait := r.Take(now, "modest", sharedAddr.Addr(), 1); wait > 0 {
				t.Fatalf("after %v a sender of one message per second has to wait %v", now.Sub(time.Unix(0, 0)), wait)
			}
		}
	}
	for i, n := range took { // a 60th of 98 per second is 1.6
		if n < 80 || n > 120 {
			t.Errorf("sender %d of 60 that never pause took %d in a minute", i, n)
		}
	}
}

// TestWaitIsLongEnough: the returned wait is long enough if nobody else comes, even if the address is exhausted.
func TestWaitIsLongEnough(t *testing.T) {
	for _, others := range []int{0, 15, 19, 21, 40} {
		for _, own := range []int{0, 1, 10, 20} {
			r, now := NewRates(shared), time.Unix(0, 0)
			for range own {
				r.Take(now, "own", sharedAddr.Addr(), 1)
			}
			for i := range others * 20 {
				r.Take(now, fmt.Sprint(i/20), sharedAddr.Addr(), 1)
			}
			for _, cost := range []int{1, 4, 20} {
				wait := r.Take(now, "own", sharedAddr.Addr(), float64(cost))
				now = now.Add(wait)
				if again := r.Take(now, "own", sharedAddr.Addr(), float64(cost)); wait > 0 && again > 0 {
					t.Errorf("%d others, own %d: after %v for %d another %v", others, own, wait, cost, again)
				}
				if wait > 30*time.Second {
					t.Errorf("%d others, own %d: %d takes %v", others, own, cost, wait)
				}
			}
		}
	}
}

// TestLoopbackIsChargedForWork: loopback is charged for work like any other address, with ten times the share.
func TestLoopbackIsChargedForWork(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	took := func(addr string) (n int) {
		for i := range 2000 {
			by := [wire.SenderIDLen]byte{1, byte(i), byte(i >> 8)}
			for r.Work(now, by, netip.MustParseAddr(addr), 32) == 0 {
				n += 32
			}
		}
		return n
	}
	share := shared.Burst * workPerEvent * shared.Address
	if got := took("192.0.2.1"); got != share {
		t.Errorf("many senders of an address do %d, want %d", got, share)
	}
	if got := took("127.0.0.1"); got != loopbackShare*share {
		t.Errorf("many senders on loopback do %d, want %d", got, loopbackShare*share)
	}
	if got := NewRates(RateLimits{}).Work(now, [wire.SenderIDLen]byte{1}, sharedAddr.Addr(), 1<<30); got != 0 {
		t.Errorf("without a limit, work waits %v", got)
	}
}

// TestChargingAllocatesNothing: charging requests allocates nothing.
func TestChargingAllocatesNothing(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	by := [wire.SenderIDLen]byte{1}
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		r.Work(now, by, sharedAddr.Addr(), 1)
		r.Worked(now, by, sharedAddr.Addr(), 1)
		r.Take(now, "0123456789abcdef", sharedAddr.Addr(), 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSearchesAreChargedByTime: a search is charged by its time, to the sender and to its address.
func TestSearchesAreChargedByTime(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 5, Burst: 20, Address: 20})
	var want netip.Prefix
	c.search = func(q search.Query) {
		if q.From != want {
			t.Errorf("it is from %v, want %v", q.From, want)
		}
		q.Ran(1500 * time.Millisecond)
	}
	find := func(by string, addr netip.AddrPort) *wire.CodedError {
		want = Network(addr.Addr())
		_, err := c.Search(t.Context(), &Actor{SenderID: by, Addr: addr}, search.Query{})
		return Refusal(err)
	}
	for i, ok := range []bool{true, true, false} { // 2 s at once, and a tenth of the time
		if err := find("one", sharedAddr); (err == nil) != ok {
			t.Errorf("search %d: %v", i, err)
		}
	}
	if err := find("one", sharedAddr); err == nil || err.Code != wire.RateLimited || err.RetryAfter < 9*time.Second || err.RetryAfter > 10*time.Second {
		t.Errorf("the wait after one second too much is %+v", err)
	}
	if err := c.Say(&Actor{SenderID: "one", Addr: sharedAddr}, &Message{Room: wire.Lobby, ID: "1", Text: "x"}, Reply{}); err != nil {
		t.Errorf("a message after a search: %v", err)
	}
	some := 0
	for i := range 40 {
		if find(fmt.Sprint(i), sharedAddr) == nil {
			some++
		}
	}
	if some == 0 || some > 10 { // 10 s at once, a part of which heavy users leave to others
		t.Errorf("%d others of the address can search at once", some)
	}
	if err := find("one", remote); err == nil {
		t.Error("the sender can search from another address")
	}
	if err := find("two", remote); err != nil {
		t.Error(err)
	}
	c.clock = c.clock.Add(time.Minute)
	if err := find("one", sharedAddr); err != nil {
		t.Errorf("a minute later %v", err)
	}
}
