package server

import (
	"errors"
	"net"
	"net/netip"
	"slices"
)

// rejectedConns is how many connections there can be beyond the slots for sessions, in total and from one address. They get
// an answer that says why they are rejected.
const rejectedConns = 64

// errStopping is why there are no slots during a shutdown.
var errStopping = errors.New("the server is shutting down")

// limitedAddr returns the address whose limit a connection counts against. For trusted proxies it is the zero Addr, which has
// no limit: their clients count by the address that the proxy passes on.
func (s *Server) limitedAddr(addr netip.Addr) netip.Addr {
	if s.isProxy(addr) {
		return netip.Addr{}
	}
	return addr
}

// isProxy reports whether an address is that of a trusted proxy.
func (s *Server) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustProxies, func(p netip.Prefix) bool { return p.Contains(addr.Unmap().WithZone("")) })
}

// acquireSlot acquires a slot for a session from an address. The error is connlimit.ErrFull, connlimit.ErrShare, or
// errStopping.
func (s *Server) acquireSlot(addr netip.Addr) error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return errStopping
	}
	return s.slots.Acquire(s.limitedAddr(addr))
}

// releaseSlot releases a slot that no session has used.
func (s *Server) releaseSlot(addr netip.Addr) { s.slots.Release(s.limitedAddr(addr)) }

// acquireConn acquires a slot for a connection that was just accepted.
func (s *Server) acquireConn(nc net.Conn) error { return s.conns.Acquire(s.limitedAddr(peerOf(nc))) }

func (s *Server) releaseConn(nc net.Conn) { s.conns.Release(s.limitedAddr(peerOf(nc))) }

func peerOf(nc net.Conn) netip.Addr {
	peer, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	return peer.Addr().Unmap()
}
