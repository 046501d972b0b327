package session

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates says who may do how much. A sender and an address each have their share; an event needs both. Loopback has no
// share of an address: whoever is on this machine, or behind a proxy on it, is told apart by sender alone.
type Rates struct {
	limit rate.Limit
	burst int
	rooms int // that an address may make in a minute, and at once
	names int // that the keys of an address may come to own in an hour, and at once; 0: no limit

	mu       sync.Mutex
	senders  map[string]*bucket       // guarded by mu
	networks map[netip.Prefix]*bucket // guarded by mu
	makers   map[netip.Prefix]*bucket // guarded by mu: who makes rooms
	owners   map[netip.Prefix]*bucket // guarded by mu: who comes to own names
	sweepAt  int                      // guarded by mu: how many entries there may be before the idle ones are dropped
}

// A bucket is one share.
type bucket struct {
	*rate.Limiter
	used time.Time
}

// NewRates allows perSecond events a second, burst at once, an address to make rooms rooms a minute, and its keys to come
// to own names names an hour; with 0 names as many as they like. With 0 events a second there is no limit of any kind.
func NewRates(perSecond float64, burst, rooms, names int) *Rates {
	r := &Rates{limit: rate.Limit(perSecond), burst: burst, rooms: rooms, names: names, sweepAt: 1024}
	r.senders, r.networks = make(map[string]*bucket), make(map[netip.Prefix]*bucket)
	r.makers, r.owners = make(map[netip.Prefix]*bucket), make(map[netip.Prefix]*bucket)
	return r
}

// Take takes cost events from the shares of a sender and an address, or nothing: then it returns how long to wait. Who
// names no sender has only an address.
func (r *Rates) Take(now time.Time, by string, addr netip.Addr, cost int) time.Duration {
	if r.limit == 0 {
		return 0
	}
	cost = min(cost, r.burst) // more than a full bucket would never come
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	var shares []*bucket
	if by != "" {
		shares = append(shares, of(r.senders, by, r.limit, r.burst, now))
	}
	if !addr.IsLoopback() {
		shares = append(shares, of(r.networks, Network(addr), r.limit, r.burst, now))
	}
	return take(now, cost, shares...)
}

// TakeRoom takes one new room from the share of an address, or returns how long to wait.
func (r *Rates) TakeRoom(now time.Time, addr netip.Addr) time.Duration {
	return r.takeNew(r.makers, r.rooms, time.Minute, now, addr)
}

// TakeName takes one name that becomes somebody's own from the share of an address, or returns how long to wait.
func (r *Rates) TakeName(now time.Time, addr netip.Addr) time.Duration {
	if r.names == 0 {
		return 0
	}
	return r.takeNew(r.owners, r.names, time.Hour, now, addr)
}

// takeNew takes one of n that an address may have in a span of time, and at once.
func (r *Rates) takeNew(shares map[netip.Prefix]*bucket, n int, span time.Duration, now time.Time, addr netip.Addr) time.Duration {
	if r.limit == 0 || addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return take(now, 1, of(shares, Network(addr), rate.Limit(float64(n)/span.Seconds()), n, now))
}

// take takes from all shares or from none.
func take(now time.Time, cost int, shares ...*bucket) time.Duration {
	var wait time.Duration
	taken := make([]*rate.Reservation, 0, 2)
	for _, b := range shares {
		t := b.ReserveN(now, cost)
		wait = max(wait, t.DelayFrom(now))
		taken = append(taken, t)
	}
	if wait > 0 {
		for _, t := range taken {
			t.CancelAt(now)
		}
	}
	return wait
}

func of[K comparable](shares map[K]*bucket, key K, limit rate.Limit, burst int, now time.Time) *bucket {
	b := shares[key]
	if b == nil {
		b = &bucket{Limiter: rate.NewLimiter(limit, burst)}
		shares[key] = b
	}
	b.used = now
	return b
}

// Network is what has one share: an IPv4 address, or the /64 of an IPv6 address.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits) // of the zero Addr: the zero Prefix, one share for all whose address is unknown
	return p
}

// sweep drops the shares that are full again, now and then. Called with mu held.
func (r *Rates) sweep(now time.Time) {
	if r.entries() < r.sweepAt {
		return
	}
	full := time.Duration(float64(r.burst) / float64(r.limit) * float64(time.Second))
	drop(r.senders, now, full)
	drop(r.networks, now, full)
	drop(r.makers, now, time.Minute)
	drop(r.owners, now, time.Hour)
	r.sweepAt = max(1024, 2*r.entries())
}

// entries is how many shares are remembered. Called with mu held.
func (r *Rates) entries() int {
	return len(r.senders) + len(r.networks) + len(r.makers) + len(r.owners)
}

func drop[K comparable](shares map[K]*bucket, now time.Time, full time.Duration) {
	for key, b := range shares {
		if now.Sub(b.used) > full {
			delete(shares, key)
		}
	}
}
