// Package connlimit counts connections, in total and by address, so that one address cannot use them all.
package connlimit

import (
	"errors"
	"net/netip"
	"sync"
)

// Reasons for refusing a connection.
var (
	ErrFull  = errors.New("the server has reached its limit of connections")
	ErrShare = errors.New("this address has reached its limit of connections")
)

// Network returns the network that shares a limit: an IPv4 address, or the /64 of an IPv6 address. For the zero Addr it
// returns the zero Prefix.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}

// Limiter counts slots in use. It is safe for concurrent use.
type Limiter struct {
	max          int
	share, local int // slots per network, and per loopback address

	mu        sync.Mutex
	inUse     int                  // guarded by mu
	byNetwork map[netip.Prefix]int // guarded by mu: slots of known addresses
}

// minShare is the smallest default share of an address: enough for a school.
const minShare = 512

// New returns a limiter with the given number of slots, share of them for each address. If share is 0, an address may
// have a quarter of them, and a loopback address, which may be a proxy, three quarters, but at least 512.
func New(slots, share int) *Limiter {
	if share > 0 {
		return NewShared(slots, share, share)
	}
	share, local := Defaults(slots)
	return NewShared(slots, share, local)
}

// NewShared returns a limiter with the given number of slots, share for each address and local for each loopback
// address.
func NewShared(slots, share, local int) *Limiter {
	return &Limiter{max: slots, share: share, local: local, byNetwork: make(map[netip.Prefix]int)}
}

// Defaults returns the default shares of an address and of a loopback address.
func Defaults(slots int) (share, local int) {
	return max(minShare, slots/4), max(minShare, slots/4*3)
}

// Widened returns a limiter with n more slots, in total and for each address.
func (l *Limiter) Widened(n int) *Limiter {
	return NewShared(l.max+n, l.share+n, l.local+n)
}

// Acquire takes a slot for an address, or returns ErrFull or ErrShare. The zero Addr, for unknown addresses, has no
// share of its own.
func (l *Limiter) Acquire(addr netip.Addr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	share := l.share
	if addr.IsLoopback() {
		share = l.local
	}
	switch {
	case l.inUse >= l.max:
		return ErrFull
	case addr.IsValid() && l.byNetwork[Network(addr)] >= share:
		return ErrShare
	}
	l.add(addr)
	return nil
}

// Add takes a slot for an address even if none is free.
func (l *Limiter) Add(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(addr)
}

// add takes a slot. Called with mu held.
func (l *Limiter) add(addr netip.Addr) {
	l.inUse++
	if addr.IsValid() {
		l.byNetwork[Network(addr)]++
	}
}

// Release returns a slot taken for an address.
func (l *Limiter) Release(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inUse--
	if !addr.IsValid() {
		return
	}
	network := Network(addr)
	if l.byNetwork[network]--; l.byNetwork[network] == 0 {
		delete(l.byNetwork, network)
	}
}

// InUse returns the number of slots in use.
func (l *Limiter) InUse() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inUse
}
