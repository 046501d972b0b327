package chat

import (
	"net/netip"
	"sync"
	"time"

	"ramai/wire"
)

// How many wrong passwords and invites a sender, and an address, can try in a minute, and at once. The limit of an address is
// that of many senders, because a class may be behind it.
const (
	wrongOfSender  = 5
	wrongOfAddress = 60
)

// guesses counts wrong passwords and invites. An attempt is counted before it is checked, so that attempts at the same time are
// limited, too; one that was not wrong is given back. A room is never locked, and a limit does not depend on the room.
type guesses struct {
	mu       sync.Mutex
	senders  map[[wire.SenderIDLen]byte]*bucket // guarded by mu
	networks map[netip.Prefix]*bucket           // guarded by mu
	sweepAt  int                                // guarded by mu: the number of entries at which full buckets are dropped
}

var (
	guessesOfSender  = pace{wrongOfSender / time.Minute.Seconds(), wrongOfSender}
	guessesOfAddress = pace{wrongOfAddress / time.Minute.Seconds(), wrongOfAddress}
)

func newGuesses() *guesses {
	return &guesses{senders: map[[wire.SenderIDLen]byte]*bucket{}, networks: map[netip.Prefix]*bucket{}, sweepAt: 1024}
}

// take counts an attempt of a sender at an address, or returns how long to wait.
func (g *guesses) take(now time.Time, senderID string, addr netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	own, all := g.of(now, senderID, addr)
	wait := max(timeUntil(1, own, guessesOfSender), timeUntil(1, all, guessesOfAddress))
	if wait > 0 {
		return max(wait, addressMinWait)
	}
	own.take(1)
	all.take(1)
	return 0
}

// giveBack takes back an attempt, which was not wrong.
func (g *guesses) giveBack(now time.Time, senderID string, addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own, all := g.of(now, senderID, addr)
	own.tokens = min(guessesOfSender.burst, own.tokens+1)
	all.tokens = min(guessesOfAddress.burst, all.tokens+1)
}

// timeUntil returns how long it takes until a bucket has n tokens.
func timeUntil(n float64, b *bucket, p pace) time.Duration {
	return time.Duration(max(0, n-b.tokens) / p.perSecond * float64(time.Second))
}

// of returns the buckets of a sender and of its address, filled up to now. g.mu is held.
func (g *guesses) of(now time.Time, senderID string, addr netip.Addr) (own, all *bucket) {
	if len(g.senders)+len(g.networks) >= g.sweepAt {
		g.sweep(now)
	}
	k, net := key(senderID), Network(addr)
	if own = g.senders[k]; own == nil {
		b := full(guessesOfSender, now)
		own, g.senders[k] = &b, &b
	}
	if all = g.networks[net]; all == nil {
		b := full(guessesOfAddress, now)
		all, g.networks[net] = &b, &b
	}
	own.fill(now, guessesOfSender)
	all.fill(now, guessesOfAddress)
	return own, all
}

// sweep drops full buckets. g.mu is held.
func (g *guesses) sweep(now time.Time) {
	for k, b := range g.senders {
		if b.fill(now, guessesOfSender); b.tokens >= guessesOfSender.burst {
			delete(g.senders, k)
		}
	}
	for net, b := range g.networks {
		if b.fill(now, guessesOfAddress); b.tokens >= guessesOfAddress.burst {
			delete(g.networks, net)
		}
	}
	g.sweepAt = max(1024, 2*(len(g.senders)+len(g.networks)))
}
