package chat

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"ramai/internal/connlimit"
	"ramai/wire"
)

// RateLimits configures [NewRates].
type RateLimits struct {
	PerSecond float64 // commands a second of a sender; 0: no limits of any kind
	Burst     int     // commands of a sender at once
	Address   int     // the allowance of an address as a multiple of a sender's, at least 1
	Rooms     int     // rooms that an address may create in a minute, and at once
	Names     int     // names that the keys of an address may register in an hour, and at once; 0: no limit
	AllRooms  int     // the limit of rooms: all clients together may create a quarter of them in an hour, and a tenth at once; 0: no limit
}

// workPerEvent is how many units of work a sender may cause for each of its commands. All input counts as work: each
// frame is one unit, as is each KiB of inflated data, and each quarter of a KiB of compressed data. The longest message
// in its longest JSON form is 25 units, so a sender within the rate of commands never meets this limit.
const workPerEvent = 32

// searchPerEvent is how much time a sender may spend on searches for each of its commands: by default a tenth of the
// time, and two seconds at once.
const searchPerEvent = 0.02 // seconds

// loopbackShare is the allowance of work of loopback, as a multiple of an address's. All clients behind a proxy or a
// tunnel on this machine may share one address there, so loopback has no limit of commands at all.
const loopbackShare = 10

// usedDecay is the time in seconds after which past use counts for about a third.
const usedDecay = 10.

// addressMinWait is the shortest wait when an address has nothing left. Without it, all clients there would retry again
// and again.
const addressMinWait = 200 * time.Millisecond

// Rates limits the rates of senders and addresses. Each sender and each address has an allowance of commands, of work
// and of searching, and every request is charged to both.
//
// The allowance of an address is that of many senders, because many people may be behind it. A sender with high recent
// use leaves up to half of that allowance to others, so a sender with low recent use is served at once, and heavy users
// get equal parts. Loopback has no allowance of commands: clients on this machine, or behind a proxy on it, are
// distinguished by sender alone.
type Rates struct {
	limits                  RateLimits
	events, work, searching pace // of a sender
	newRooms, registrations pace // of an address: creating rooms, and registering names
	namesHeld               pace // of an address: senders with a name
	allNewRooms             pace // of all addresses together: creating rooms

	mu           sync.Mutex
	senders      map[[wire.SenderIDLen]byte]*share // guarded by mu
	networks     map[netip.Prefix]*network         // guarded by mu
	createdByAll bucket                            // guarded by mu: rooms created by all together
	sweepAt      int                               // guarded by mu: the number of entries at which idle ones are dropped
}

// A pace is the fill rate and the capacity of a bucket.
type pace struct{ perSecond, burst float64 }

// times returns the pace of n senders together.
func (p pace) times(n int) pace { return pace{p.perSecond * float64(n), p.burst * float64(n)} }

// A bucket is a token bucket. Its tokens are negative after charges beyond its content.
type bucket struct {
	tokens float64
	used   float64   // recent use, which decays
	at     time.Time // the time for which tokens and used hold
}

// full returns a full bucket.
func full(p pace, now time.Time) bucket { return bucket{tokens: p.burst, at: now} }

// fill adds the tokens since the last call.
func (b *bucket) fill(now time.Time, p pace) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens, b.used, b.at = min(p.burst, b.tokens+d*p.perSecond), b.used*math.Exp(-d/usedDecay), now
	}
}

// take takes cost, even if the bucket holds less.
func (b *bucket) take(cost float64) {
	b.tokens -= cost
	b.used += cost
}

// share is the allowance of a sender, or of several together.
type share struct{ events, work, searching bucket }

// network is the allowance of an address.
type network struct {
	share
	senders                 int   // the allowance of work as a multiple of a sender's
	anonymous               share // of requests without a sender, which count as one sender
	newRooms, registrations bucket
	namesHeld               bucket
	lastRoom                string // the last room charged
}

// NewRates returns Rates with full allowances.
func NewRates(l RateLimits) *Rates {
	events := pace{l.PerSecond, float64(l.Burst)}
	return &Rates{
		limits: l, events: events,
		work:          events.times(workPerEvent),
		searching:     pace{events.perSecond * searchPerEvent, events.burst * 5 * searchPerEvent},
		newRooms:      pace{float64(l.Rooms) / time.Minute.Seconds(), float64(l.Rooms)},
		allNewRooms:   pace{float64(l.AllRooms) / 4 / time.Hour.Seconds(), max(minRooms, float64(l.AllRooms)/10)},
		namesHeld:     pace{maxNamesHeld / time.Hour.Seconds(), maxNamesHeld},
		registrations: pace{float64(l.Names) / time.Hour.Seconds(), float64(l.Names)},
		senders:       make(map[[wire.SenderIDLen]byte]*share),
		networks:      make(map[netip.Prefix]*network),
		sweepAt:       1024,
	}
}

// Take takes cost commands from the allowances of a sender and an address, or takes nothing and returns how long to
// wait. All requests of an address without a sender count as one sender.
func (r *Rates) Take(now time.Time, by string, addr netip.Addr, cost float64) time.Duration {
	if r.limits.PerSecond == 0 || by == "" && addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.countEvents(now, by, addr, min(cost, r.events.burst), take) // a bucket never holds more
}

// Charge charges commands that follow from a request, whose number was known only later. The sender waits before the next request.
func (r *Rates) Charge(now time.Time, by string, addr netip.Addr, cost float64) {
	if r.limits.PerSecond == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countEvents(now, by, addr, cost, charge)
}

// countEvents counts commands. r.mu is held.
func (r *Rates) countEvents(now time.Time, by string, addr netip.Addr, cost float64, count counter) time.Duration {
	own, all := r.of(now, key(by), addr)
	if addr.IsLoopback() {
		return count(now, cost, r.events, &own.events, pace{}, nil)
	}
	return count(now, cost, r.events, &own.events, r.events.times(r.limits.Address), &all.events)
}

// Work takes units of work from the allowances of a sender and an address, or takes nothing and returns how long not to
// read.
func (r *Rates) Work(now time.Time, by [wire.SenderIDLen]byte, addr netip.Addr, units int) time.Duration {
	most := min(float64(units), r.work.burst) // a bucket never holds more
	return r.countWork(now, by, addr, most, take)
}

// Worked charges units of work that were known only after the work was done. It returns how long not to read.
func (r *Rates) Worked(now time.Time, by [wire.SenderIDLen]byte, addr netip.Addr, units int) time.Duration {
	return r.countWork(now, by, addr, float64(units), charge)
}

func (r *Rates) countWork(now time.Time, by [wire.SenderIDLen]byte, addr netip.Addr, cost float64, count counter) time.Duration {
	if r.limits.PerSecond == 0 || by == key("") && addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, all := r.of(now, by, addr)
	return count(now, cost, r.work, &own.work, r.work.times(all.senders), &all.work)
}

// TakeSearch returns how long a sender at an address must wait before a search. The time of the search is charged by
// Searched.
func (r *Rates) TakeSearch(now time.Time, by string, addr netip.Addr) time.Duration {
	return r.Searched(now, by, addr, 0)
}

// Searched charges the time of a search.
func (r *Rates) Searched(now time.Time, by string, addr netip.Addr, took time.Duration) time.Duration {
	if r.limits.PerSecond == 0 || by == "" && addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, all := r.of(now, key(by), addr)
	return charge(now, took.Seconds(), r.searching, &own.searching, r.searching.times(searchers(all.senders)), &all.searching)
}

// shares returns an address's allowance of work as a multiple of a sender's.
func (r *Rates) shares(addr netip.Addr) int {
	if addr.IsLoopback() {
		return r.limits.Address * loopbackShare
	}
	return r.limits.Address
}

// searchers is the allowance of searching, as a multiple of a sender's, of an address that has n times a sender's
// allowance of work. A query occupies a processor, and by default an address can occupy half of one.
func searchers(n int) int { return (n + 3) / 4 }

// minRooms is how many rooms all clients together can always create at once.
const minRooms = 10

// TakeRoom takes one new room from the allowances of an address and of all clients together, or returns how long to
// wait. The lobby costs nothing, and the last room charged is not charged again, because it may not be stored yet.
// Loopback has no allowance of its own.
func (r *Rates) TakeRoom(now time.Time, addr netip.Addr, room string) time.Duration {
	if r.limits.PerSecond == 0 || room == wire.Lobby {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, all := r.of(now, key(""), addr)
	if all.lastRoom == room {
		return 0
	}
	var wait time.Duration
	if r.limits.AllRooms > 0 {
		wait = take(now, 1, r.allNewRooms, &r.createdByAll, pace{}, nil)
	}
	if wait == 0 && !addr.IsLoopback() {
		if wait = take(now, 1, r.newRooms, &all.newRooms, pace{}, nil); wait > 0 {
			r.createdByAll.tokens++ // return it for another client
		}
	}
	if wait == 0 {
		all.lastRoom = room
	}
	return wait
}

// maxNamesHeld is how many senders of an address can reserve a first name in an hour, and at once: enough for a school,
// and far below eventlog.MaxNameLeases.
const maxNamesHeld = 500

// TakeHold takes one reservation, by a sender without a name, from the allowance of an address, or returns how long to
// wait.
func (r *Rates) TakeHold(now time.Time, addr netip.Addr) time.Duration {
	if r.limits.PerSecond == 0 || addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, all := r.of(now, key(""), addr)
	return take(now, 1, r.namesHeld, &all.namesHeld, pace{}, nil)
}

// TakeName takes one registration of a name from the allowance of an address, or returns how long to wait.
func (r *Rates) TakeName(now time.Time, addr netip.Addr) time.Duration {
	if r.limits.PerSecond == 0 || r.limits.Names == 0 || addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, all := r.of(now, key(""), addr)
	return take(now, 1, r.registrations, &all.registrations, pace{}, nil)
}

// A counter takes cost from a sender's bucket and from its address's.
type counter func(now time.Time, cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration

// take takes cost from both buckets or from none. The second may be nil.
func take(now time.Time, cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration {
	own.fill(now, ownPace)
	if all != nil {
		all.fill(now, allPace)
	}
	wait := waitFor(cost, ownPace, own, allPace, all)
	if wait == 0 {
		own.take(cost)
		if all != nil {
			all.take(cost)
		}
	}
	return wait
}

// charge takes cost from both buckets, even if they hold less, and returns how long it takes until neither is negative.
func charge(now time.Time, cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration {
	own.fill(now, ownPace)
	own.take(cost)
	if all != nil {
		all.fill(now, allPace)
		all.take(cost)
	}
	return waitFor(0, ownPace, own, allPace, all)
}

// waitFor returns how long it takes until cost can be taken, if no other request comes first.
func waitFor(cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration {
	const nothing = 1e-9 // of a second: rounding errors
	wait := (cost - own.tokens) / ownPace.perSecond
	if all != nil {
		leaves := (allPace.burst - ownPace.burst) / 2 * min(1, own.used/(usedDecay*ownPace.perSecond))
		if lacks := (cost + leaves - all.tokens) / allPace.perSecond; lacks > nothing {
			wait = max(wait, lacks, addressMinWait.Seconds())
		}
	}
	if wait < nothing {
		return 0
	}
	return time.Duration(math.Ceil(wait*1e9 - nothing))
}

// key is the map key of a sender; all zeroes for none.
func key(by string) (k [wire.SenderIDLen]byte) {
	copy(k[:], by)
	return k
}

// of returns the shares of a sender and of its address. r.mu is held.
func (r *Rates) of(now time.Time, by [wire.SenderIDLen]byte, addr netip.Addr) (own *share, all *network) {
	r.sweep(now)
	net := Network(addr)
	if all = r.networks[net]; all == nil {
		n := r.shares(addr)
		all = &network{
			share: r.newShare(now, n), senders: n, anonymous: r.newShare(now, 1),
			newRooms: full(r.newRooms, now), registrations: full(r.registrations, now), namesHeld: full(r.namesHeld, now),
		}
		r.networks[net] = all
	}
	if by == key("") {
		return &all.anonymous, all
	}
	if own = r.senders[by]; own == nil {
		s := r.newShare(now, 1)
		own = &s
		r.senders[by] = own
	}
	return own, all
}

// newShare returns the full share of n senders.
func (r *Rates) newShare(now time.Time, n int) share {
	return share{full(r.events.times(n), now), full(r.work.times(n), now), full(r.searching.times(searchers(n)), now)}
}

// Network returns the network of an address with one allowance, see [connlimit.Network].
func Network(addr netip.Addr) netip.Prefix { return connlimit.Network(addr) }

// sweep drops full shares from time to time. r.mu is held.
func (r *Rates) sweep(now time.Time) {
	if r.entries() < r.sweepAt {
		return
	}
	for by, s := range r.senders {
		if r.isIdle(now, s, 1) {
			delete(r.senders, by)
		}
	}
	for net, n := range r.networks {
		n.newRooms.fill(now, r.newRooms)
		n.registrations.fill(now, r.registrations)
		n.namesHeld.fill(now, r.namesHeld)
		if r.isIdle(now, &n.anonymous, 1) && r.isIdle(now, &n.share, n.senders) &&
			n.newRooms.tokens >= r.newRooms.burst && n.registrations.tokens >= r.registrations.burst && n.namesHeld.tokens >= r.namesHeld.burst {
			delete(r.networks, net)
		}
	}
	r.sweepAt = max(1024, 2*r.entries())
}

// isIdle reports whether a share of n senders is full.
func (r *Rates) isIdle(now time.Time, s *share, n int) bool {
	events, work, searching := r.events.times(n), r.work.times(n), r.searching.times(searchers(n))
	s.events.fill(now, events)
	s.work.fill(now, work)
	s.searching.fill(now, searching)
	return s.events.tokens >= events.burst && s.work.tokens >= work.burst && s.searching.tokens >= searching.burst
}

// entries returns the number of stored shares. r.mu is held.
func (r *Rates) entries() int { return len(r.senders) + len(r.networks) }
