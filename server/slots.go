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

// rejectedConns is how many connections there can be beyond the slots for sessions, in total and from one address. They get
// an answer that says why they are rejected.
const rejectedConns = 64

// errStopping is why there are no slots during a shutdown.
var errStopping = errors.New("the server is shutting down")

// limitedAddr returns the address whose limit a connection counts against. For trusted proxies it is the zero Addr, which has
// no limit: their clients count by the address that the proxy passes on.
func (s *Server) limitedAddr(addr netip.Addr) netip.Addr {
	if slices.ContainsFunc(s.cfg.TrustProxies, func(p netip.Prefix) bool { return p.Contains(addr.Unmap().WithZone("")) }) {
		return netip.Addr{}
	}
	return addr
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

// connStateChanged releases the slot of a connection that was closed, or that a session has taken over.
func (s *Server) connStateChanged(nc net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		s.releaseConn(nc)
	}
}

// limitedListener closes connections over the limit as soon as they are accepted. Each connection that it returns has a
// slot.
type limitedListener struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.server.acquireConn(nc) == nil {
			return nc, nil
		}
		l.server.reject(nc)
	}
}

// tooManyConns is the HTTP answer to a connection over the limit.
const tooManyConns = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 103\r\n\r\n" +
	`{"code":"unavailable","reason":"too many connections, in total or from this address; try again later"}` + "\n"

// reject closes a connection. Without TLS it sends the reason first, which fits into the buffer of a new socket.
func (s *Server) reject(nc net.Conn) {
	if _, encrypted := nc.(*tls.Conn); s.tls == nil && !encrypted {
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		nc.Write([]byte(tooManyConns))
	}
	nc.Close()
}
