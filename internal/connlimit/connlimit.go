// Package connlimit counts connections, in total and by address, so that one address cannot take every place.
package connlimit

import (
	"errors"
	"net/netip"
	"sync"
)

// Reasons why there is no place.
var (
	ErrFull  = errors.New("the server has as many connections as it can have")
	ErrShare = errors.New("this address has as many connections as it can have")
)

// Network is what has one share: an IPv4 address, or the /64 of an IPv6 address. That of the zero Addr is the zero Prefix.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}

// Limiter counts places that are taken. It is safe for concurrent use.
type Limiter struct {
	max          int
	share, local int // places of a network, and of one on this machine

	mu        sync.Mutex
	inUse     int                  // guarded by mu
	byNetwork map[netip.Prefix]int // guarded by mu: those of them whose address is known, by network
}

// minShare is the least that an address may have by default: that of a school.
const minShare = 512

// New returns a limiter of places, of which one address may take share. With a share of 0 that is a quarter, or three
// quarters for an address of this machine, behind which a proxy may be; but at least 512.
func New(slots, share int) *Limiter {
	if share > 0 {
		return NewShared(slots, share, share)
	}
	share, local := Defaults(slots)
	return NewShared(slots, share, local)
}

// NewShared returns a limiter of places, of which one address may take share, and one of this machine local.
func NewShared(slots, share, local int) *Limiter {
	return &Limiter{max: slots, share: share, local: local, byNetwork: make(map[netip.Prefix]int)}
}

// Defaults are the shares of an address, and of one on this machine, where nobody has said otherwise.
func Defaults(slots int) (share, local int) {
	return max(minShare, slots/4), max(minShare, slots/4*3)
}

// Widened returns a limiter with n more places, in total and for each address.
func (l *Limiter) Widened(n int) *Limiter {
	return NewShared(l.max+n, l.share+n, l.local+n)
}

// Acquire takes a place for an address, or returns ErrFull or ErrShare. The zero Addr, of somebody unknown, has no share.
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

// Add takes a place for an address, whether or not there is one.
func (l *Limiter) Add(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(addr)
}

// add counts a place. l.mu is held.
func (l *Limiter) add(addr netip.Addr) {
	l.inUse++
	if addr.IsValid() {
		l.byNetwork[Network(addr)]++
	}
}

// Release gives back a place that was taken for an address.
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

// InUse is how many places are taken.
func (l *Limiter) InUse() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inUse
}
