package sshserver

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/internal/chat"
	"ramai/internal/reactor"
	"ramai/internal/tui"
)

// A conn is one connection, from its acceptance on. It is closed when it has had no session for too long, and when its
// peer blocks writes for too long.
type conn struct {
	net.Conn
	server  *Server
	addr    netip.Addr
	network netip.Prefix // of addr
	local   bool         // it comes from this machine
	once    sync.Once
	isDead  func(patience time.Duration) bool // reports whether the peer is gone; nil: unknown

	mu                sync.Mutex
	handshakeDeadline time.Time   // guarded by mu: the deadline of the handshake; zero: it has ended
	open              int         // guarded by mu: channels that the client has not closed
	waiting           int         // guarded by mu: those without a shell or command
	sessions          int         // guarded by mu
	idle              *time.Timer // guarded by mu: closes the connection; stopped while there are sessions
}

// admit accepts a connection before anything is read from it, or returns nil.
func (srv *Server) admit(nc net.Conn) *conn {
	from := addrOf(nc.RemoteAddr()).Addr()
	c := &conn{Conn: nc, server: srv, addr: from, network: chat.Network(from), local: from.IsLoopback(), isDead: reactor.Watch(nc).Dead}
	if err := srv.acquireConn(c); err != nil {
		srv.logRefused(from)
		nc.SetWriteDeadline(time.Now().Add(time.Second)) // the buffer of a new socket has space for it
		fmt.Fprintf(nc, "%v; try again later\r\n", err)  // before the version of the server (RFC 4253, section 4.2)
		return nil
	}
	if tcp, ok := nc.(*net.TCPConn); ok { // the kernel finds dead peers of idle connections, closeDeadConns finds others
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = time.AfterFunc(idleTimeout, func() { c.Close() })
	return c
}

// acquireConn acquires the slots of a connection, or returns why it cannot.
func (srv *Server) acquireConn(c *conn) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.ended {
		return errStopped
	}
	if err := srv.connSlots.Acquire(c.addr); err != nil {
		return err
	}
	if err := srv.cfg.AcquireConn(c.Conn); err != nil {
		srv.connSlots.Release(c.addr)
		return err
	}
	srv.conns[c] = struct{}{}
	return nil
}

// logRefused logs refused connections, at most once in logRefusedEvery.
func (srv *Server) logRefused(from netip.Addr) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.refused++
	if now := time.Now(); now.Sub(srv.refusedLoggedAt) >= logRefusedEvery && !srv.ended {
		srv.cfg.Logger.Info("SSH connections refused: a limit of connections is reached", "connections", srv.refused, "last_remote", from)
		srv.refused, srv.refusedLoggedAt = 0, now
	}
}

func (srv *Server) releaseConn(c *conn) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.conns, c)
	srv.connSlots.Release(c.addr)
	srv.cfg.ReleaseConn(c.Conn)
}

// Close closes the connection and releases its slots.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.mu.Lock()
		if c.idle != nil {
			c.idle.Stop()
		}
		c.mu.Unlock()
		c.server.releaseConn(c)
	})
	return c.Conn.Close()
}

// SetDeadline implements net.Conn. It is called before and after the handshake.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.handshakeDeadline = t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

// Write writes with a deadline: that of the handshake, and afterwards the limit for slow clients.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	until := c.handshakeDeadline
	c.mu.Unlock()
	if until.IsZero() {
		until = time.Now().Add(c.server.cfg.SlowClientTimeout)
	}
	if err := c.Conn.SetWriteDeadline(until); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		c.Close()
	}
	return n, err
}

// acquireSession counts a session, if this connection and the server may have one more. It is undone by releaseSession.
func (c *conn) acquireSession() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions >= maxSessionsPerConn {
		return fmt.Errorf("this connection has %d sessions, the maximum; use another connection: ssh -S none", maxSessionsPerConn)
	}
	if err := c.server.acquireSession(c); err != nil {
		return err
	}
	c.sessions++
	c.idle.Stop()
	return nil
}

func (c *conn) releaseSession() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions--; c.sessions == 0 {
		c.idle.Reset(idleTimeout)
	}
	c.server.releaseSession(c)
}

// channelOpened counts a waiting channel, if there may be one more. It is undone by channelStarted and channelClosed.
func (c *conn) channelOpened() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.waiting >= maxWaiting:
		return fmt.Errorf("the connection has %d channels without a shell or a command, the maximum", maxWaiting)
	case c.open >= maxOpen:
		return fmt.Errorf("the connection has %d open channels, the maximum", maxOpen)
	}
	c.waiting++
	c.open++
	return nil
}

func (c *conn) channelStarted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
}

func (c *conn) channelClosed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

// addrOf is the address and port of a connection; the zero value if unknown.
func addrOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		addr := tcp.AddrPort()
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	return netip.AddrPort{}
}

// resize records a new size (RFC 4254, section 6.7). It never blocks. Drawing a whole screen is expensive, so the
// screen receives only the newest size, at once or when resizeEvery has passed.
func (g *channel) resize(payload []byte) bool {
	var size struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &size) != nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window = tui.Size{Width: int(size.Columns), Height: int(size.Rows)}
	switch wait := resizeEvery - time.Since(g.resized); {
	case g.resizeTimer != nil:
	case wait > 0:
		g.resizeTimer = time.AfterFunc(wait, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.sendSize()
		})
	default:
		g.sendSize()
	}
	return true
}

// sendSize passes on the newest size, as far as the limits allow. mu is held.
func (g *channel) sendSize() {
	g.resizeTimer = nil
	if g.ended {
		return
	}
	select {
	case <-g.sizes:
	default:
	}
	g.sizes <- g.conn.server.allocateScreen(g, g.window)
	g.resized = time.Now()
}

// freeScreen releases the cells of the channel, and stops resizing.
func (g *channel) freeScreen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	if g.resizeTimer != nil {
		g.resizeTimer.Stop()
	}
	g.conn.server.freeScreen(g)
}

// timeoutWriter calls give if a write takes longer than stall.
type timeoutWriter struct {
	io.Writer
	timeout   time.Duration
	onTimeout func()
}

func (p timeoutWriter) Write(b []byte) (int, error) {
	late := time.AfterFunc(p.timeout, p.onTimeout)
	defer late.Stop()
	return p.Writer.Write(b)
}
