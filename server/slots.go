package server

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// told is how many more connections there may be than places for sessions, in total and from one address: they are told
// that there is no place.
const told = 64

// errStopping is why there is no place while the server stops.
var errStopping = errors.New("the server stops")

// sharer is whose share a connection counts against: the zero Addr, and nobody's, for proxies that are trusted, whose
// clients are told apart by what they pass on.
func (s *Server) sharer(addr netip.Addr) netip.Addr {
	if slices.ContainsFunc(s.cfg.TrustProxies, func(p netip.Prefix) bool { return p.Contains(addr.Unmap().WithZone("")) }) {
		return netip.Addr{}
	}
	return addr
}

// acquireSlot takes a place for a session to come from an address, or says why there is none: connlimit.ErrFull or
// ErrShare, or that the server stops.
func (s *Server) acquireSlot(addr netip.Addr) error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return errStopping
	}
	return s.places.Acquire(s.sharer(addr))
}

// releaseSlot gives back a place that came to nothing.
func (s *Server) releaseSlot(addr netip.Addr) { s.places.Release(s.sharer(addr)) }

// acquireConn takes a place for a connection that was accepted and has said nothing yet.
func (s *Server) acquireConn(nc net.Conn) error { return s.conns.Acquire(s.sharer(peerOf(nc))) }

func (s *Server) releaseConn(nc net.Conn) { s.conns.Release(s.sharer(peerOf(nc))) }

func peerOf(nc net.Conn) netip.Addr {
	peer, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	return peer.Addr().Unmap()
}

// left counts a connection out that has ended, or is a session's from now on.
func (s *Server) left(nc net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		s.releaseConn(nc)
	}
}

// limitedListener is a listener that closes at once what there is no place for, before anything is spent on it. Whatever it returns has
// taken one.
type limitedListener struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (d *limitedListener) Accept() (net.Conn, error) {
	for {
		nc, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.server.acquireConn(nc) == nil {
			return nc, nil
		}
		d.server.turnAway(nc)
	}
}

// noPlace answers a connection over HTTP for which there is no place.
const noPlace = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 103\r\n\r\n" +
	`{"code":"unavailable","reason":"too many connections, in total or from this address; try again later"}` + "\n"

// turnAway closes a connection. It tells why where nothing is encrypted; the buffer of a new socket takes that at once.
func (s *Server) turnAway(nc net.Conn) {
	if _, encrypted := nc.(*tls.Conn); s.tls == nil && !encrypted {
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		nc.Write([]byte(noPlace))
	}
	nc.Close()
}
