package chat

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"ramai/internal/connlimit"
	"ramai/wire"
)

// RateLimits are the shares that [NewRates] gives.
type RateLimits struct {
	PerSecond float64 // events a second of a sender; 0: there is no limit of any kind
	Burst     int     // events of a sender at once
	Address   int     // how many senders' shares an address has, at least 1
	Rooms     int     // rooms that an address may make in a minute, and at once
	Names     int     // names that the keys of an address may come to own in an hour, and at once; 0: no limit
	AllRooms  int     // rooms there may be: all together may make a quarter of them in an hour, and a tenth at once; 0: no limit
}

// Work is what is counted of everything that comes, also of what is no event: each frame is one unit, and so is each
// KiB of it, inflated, and each quarter of one before that. A sender may send so many units for each of its events. The longest text that can be said, in
// the longest form that JSON has for it, is 25 of them, so who keeps to the rate of events never meets this limit.
const workPerEvent = 32

// Searching is counted by the time it takes, for each event of a sender's share: by default a tenth of the time, and
// two seconds at once.
const searchPerEvent = 0.02 // seconds

// loopbackShare is how many addresses' shares of work loopback has. All who come through a proxy or a tunnel on this
// machine may be one address there, so of events it has no share at all.
const loopbackShare = 10

// usedDecay is in how many seconds what was taken counts for a third of it.
const usedDecay = 10.

// addressMinWait is the shortest wait where an address has nothing left: all who wait there would otherwise ask again and again.
const addressMinWait = 200 * time.Millisecond

// Rates says who may do how much. A sender and an address each have a share of events, of work and of searching, and
// what is done takes from both.
//
// An address has the share of many senders, for many people may be behind it. A sender who took much of late leaves up to
// half of that to the others, so that one who took little is served at once, and those who take all they can get the same.
// Loopback has no share of events: whoever is on this
// machine, or behind a proxy on it, is told apart by sender alone.
type Rates struct {
	limits                  RateLimits
	events, work, searching pace // of a sender
	making, registering     pace // of an address: rooms, and names
	holding                 pace // of an address: senders who hold a name
	makingAll               pace // of all addresses together

	mu       sync.Mutex
	senders  map[[wire.SenderIDLen]byte]*share // guarded by mu
	networks map[netip.Prefix]*network         // guarded by mu
	made     bucket                            // guarded by mu: rooms, by all together
	sweepAt  int                               // guarded by mu: how many entries there may be before the idle ones are dropped
}

// A pace is how fast a bucket fills, and how much it holds.
type pace struct{ perSecond, burst float64 }

// times is n shares in one.
func (p pace) times(n int) pace { return pace{p.perSecond * float64(n), p.burst * float64(n)} }

// A bucket holds what may be taken at once. Below zero, more was taken than it held.
type bucket struct {
	tokens float64
	used   float64   // what was taken of late: it fades away
	at     time.Time // when that was so
}

// full is a bucket of which nothing was taken.
func full(p pace, now time.Time) bucket { return bucket{tokens: p.burst, at: now} }

// fill adds what has come since.
func (b *bucket) fill(now time.Time, p pace) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens, b.used, b.at = min(p.burst, b.tokens+d*p.perSecond), b.used*math.Exp(-d/usedDecay), now
	}
}

// take takes cost, also if there is less.
func (b *bucket) take(cost float64) {
	b.tokens -= cost
	b.used += cost
}

// share is what a sender may do, or several together.
type share struct{ events, work, searching bucket }

// network is what an address may do.
type network struct {
	share
	senders             int   // how many senders' shares of work that is
	nobody              share // of those who name no sender: together they are one
	making, registering bucket
	holding             bucket
	made                string // the room that was paid for last
}

// NewRates gives everybody their shares.
func NewRates(l RateLimits) *Rates {
	events := pace{l.PerSecond, float64(l.Burst)}
	return &Rates{
		limits: l, events: events,
		work:        events.times(workPerEvent),
		searching:   pace{events.perSecond * searchPerEvent, events.burst * 5 * searchPerEvent},
		making:      pace{float64(l.Rooms) / time.Minute.Seconds(), float64(l.Rooms)},
		makingAll:   pace{float64(l.AllRooms) / 4 / time.Hour.Seconds(), max(leastRooms, float64(l.AllRooms)/10)},
		holding:     pace{namesHeld / time.Hour.Seconds(), namesHeld},
		registering: pace{float64(l.Names) / time.Hour.Seconds(), float64(l.Names)},
		senders:     make(map[[wire.SenderIDLen]byte]*share),
		networks:    make(map[netip.Prefix]*network),
		sweepAt:     1024,
	}
}

// Take takes cost events from the shares of a sender and an address, or nothing: then it returns how long to wait. Who
// names no sender is one with all others at its address who name none.
func (r *Rates) Take(now time.Time, by string, addr netip.Addr, cost int) time.Duration {
	if r.limits.PerSecond == 0 || by == "" && addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, all := r.of(now, key(by), addr)
	most := min(float64(cost), r.events.burst) // more than a full bucket would never come
	if addr.IsLoopback() {
		return take(now, most, r.events, &own.events, pace{}, nil)
	}
	return take(now, most, r.events, &own.events, r.events.times(r.limits.Address), &all.events)
}

// Work takes units of work from the shares of a sender and an address, or nothing: then it returns how long nothing is
// to be read from there.
func (r *Rates) Work(now time.Time, by [wire.SenderIDLen]byte, addr netip.Addr, units int) time.Duration {
	most := min(float64(units), r.work.burst) // more than a full bucket would never come
	return r.countWork(now, by, addr, most, take)
}

// Worked counts units of work that had to be done to know how many they are. It returns how long nothing more is to be
// read from there.
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

// TakeSearch returns how long to wait before a sender at an address may search. What the search takes is to be
// counted by Searched.
func (r *Rates) TakeSearch(now time.Time, by string, addr netip.Addr) time.Duration {
	return r.Searched(now, by, addr, 0)
}

// Searched counts the time that a search took.
func (r *Rates) Searched(now time.Time, by string, addr netip.Addr, took time.Duration) time.Duration {
	if r.limits.PerSecond == 0 || by == "" && addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, all := r.of(now, key(by), addr)
	return charge(now, took.Seconds(), r.searching, &own.searching, r.searching.times(searchers(all.senders)), &all.searching)
}

// shares is how many senders' shares of work an address has.
func (r *Rates) shares(addr netip.Addr) int {
	if addr.IsLoopback() {
		return r.limits.Address * loopbackShare
	}
	return r.limits.Address
}

// searchers is how many senders' shares of searching an address has that has n of others. A query takes a processor for
// its time, so by default that is half of one.
func searchers(n int) int { return (n + 3) / 4 }

// leastRooms is how many rooms can always be made at once by all together.
const leastRooms = 10

// TakeRoom takes one new room from the share of an address, and from that of all together, or returns how long to wait. The
// lobby is nobody's to make, and a room that was paid for last is not paid for again: it may not be stored yet. Loopback
// has no share of its own.
func (r *Rates) TakeRoom(now time.Time, addr netip.Addr, room string) time.Duration {
	if r.limits.PerSecond == 0 || room == wire.Lobby {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, all := r.of(now, key(""), addr)
	if all.made == room {
		return 0
	}
	var wait time.Duration
	if r.limits.AllRooms > 0 {
		wait = take(now, 1, r.makingAll, &r.made, pace{}, nil)
	}
	if wait == 0 && !addr.IsLoopback() {
		if wait = take(now, 1, r.making, &all.making, pace{}, nil); wait > 0 {
			r.made.tokens++ // another may make it
		}
	}
	if wait == 0 {
		all.made = room
	}
	return wait
}

// namesHeld is how many senders of an address can come to hold a name in an hour, and at once: a school's, and far fewer than
// journal.MaxHeld.
const namesHeld = 500

// TakeHold takes one name that a sender holds who held none from the share of an address, or returns how long to wait.
func (r *Rates) TakeHold(now time.Time, addr netip.Addr) time.Duration {
	if r.limits.PerSecond == 0 || addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, all := r.of(now, key(""), addr)
	return take(now, 1, r.holding, &all.holding, pace{}, nil)
}

// TakeName takes one name that becomes somebody's own from the share of an address, or returns how long to wait.
func (r *Rates) TakeName(now time.Time, addr netip.Addr) time.Duration {
	if r.limits.PerSecond == 0 || r.limits.Names == 0 || addr.IsLoopback() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, all := r.of(now, key(""), addr)
	return take(now, 1, r.registering, &all.registering, pace{}, nil)
}

// A counter takes cost from a sender's bucket and from its address's.
type counter func(now time.Time, cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration

// take takes cost from both buckets or from none. The second may be nil.
func take(now time.Time, cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration {
	own.fill(now, ownPace)
	if all != nil {
		all.fill(now, allPace)
	}
	wait := until(cost, ownPace, own, allPace, all)
	if wait == 0 {
		own.take(cost)
		if all != nil {
			all.take(cost)
		}
	}
	return wait
}

// charge takes cost from both buckets, also if they do not hold it, and returns how long it is until they do.
func charge(now time.Time, cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration {
	own.fill(now, ownPace)
	all.fill(now, allPace)
	own.take(cost)
	all.take(cost)
	return until(0, ownPace, own, allPace, all)
}

// until returns how long it takes at most until cost may be taken, if nobody else comes.
func until(cost float64, ownPace pace, own *bucket, allPace pace, all *bucket) time.Duration {
	const nothing = 1e-9 // of a second: what is left of rounding
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

// key is a sender as senders are kept: none is all zeroes.
func key(by string) (k [wire.SenderIDLen]byte) {
	copy(k[:], by)
	return k
}

// of returns the shares of a sender and of its address. Called with mu held.
func (r *Rates) of(now time.Time, by [wire.SenderIDLen]byte, addr netip.Addr) (own *share, all *network) {
	r.sweep(now)
	net := Network(addr)
	if all = r.networks[net]; all == nil {
		n := r.shares(addr)
		all = &network{
			share: r.fresh(now, n), senders: n, nobody: r.fresh(now, 1),
			making: full(r.making, now), registering: full(r.registering, now), holding: full(r.holding, now),
		}
		r.networks[net] = all
	}
	if by == key("") {
		return &all.nobody, all
	}
	if own = r.senders[by]; own == nil {
		s := r.fresh(now, 1)
		own = &s
		r.senders[by] = own
	}
	return own, all
}

// fresh is the share of n senders who have done nothing yet.
func (r *Rates) fresh(now time.Time, n int) share {
	return share{full(r.events.times(n), now), full(r.work.times(n), now), full(r.searching.times(searchers(n)), now)}
}

// Network is what has one share, see [connlimit.Network].
func Network(addr netip.Addr) netip.Prefix { return connlimit.Network(addr) }

// sweep drops the shares that are full again, now and then. Called with mu held.
func (r *Rates) sweep(now time.Time) {
	if r.entries() < r.sweepAt {
		return
	}
	for by, s := range r.senders {
		if r.rested(now, s, 1) {
			delete(r.senders, by)
		}
	}
	for net, n := range r.networks {
		n.making.fill(now, r.making)
		n.registering.fill(now, r.registering)
		n.holding.fill(now, r.holding)
		if r.rested(now, &n.nobody, 1) && r.rested(now, &n.share, n.senders) &&
			n.making.tokens >= r.making.burst && n.registering.tokens >= r.registering.burst && n.holding.tokens >= r.holding.burst {
			delete(r.networks, net)
		}
	}
	r.sweepAt = max(1024, 2*r.entries())
}

// rested tells whether a share, which is that of n senders, is full again.
func (r *Rates) rested(now time.Time, s *share, n int) bool {
	events, work, searching := r.events.times(n), r.work.times(n), r.searching.times(searchers(n))
	s.events.fill(now, events)
	s.work.fill(now, work)
	s.searching.fill(now, searching)
	return s.events.tokens >= events.burst && s.work.tokens >= work.burst && s.searching.tokens >= searching.burst
}

// entries is how many shares are remembered. Called with mu held.
func (r *Rates) entries() int { return len(r.senders) + len(r.networks) }
