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

// A conn is one connection, from its being accepted on. It is closed when nobody visits on it for too long, and when its
// peer takes nothing for too long.
type conn struct {
	net.Conn
	server  *Server
	addr    netip.Addr
	network netip.Prefix // of addr
	local   bool         // it comes from this machine
	once    sync.Once
	gone    func(patience time.Duration) bool // whether the peer is; nil: that cannot be known

	mu       sync.Mutex
	until    time.Time   // guarded by mu: the deadline of the handshake; zero: it is over
	open     int         // guarded by mu: channels that the client has not closed
	waiting  int         // guarded by mu: those of them that want nothing yet
	sessions int         // guarded by mu
	idle     *time.Timer // guarded by mu: closes it; stopped while there are visits
}

// admit lets a connection in, before anything of it is read, or returns nil.
func (d *Server) admit(nc net.Conn) *conn {
	from := addrOf(nc.RemoteAddr()).Addr()
	c := &conn{Conn: nc, server: d, addr: from, network: chat.Network(from), local: from.IsLoopback(), gone: reactor.Watch(nc).Dead}
	if err := d.acquireConn(c); err != nil {
		d.logRefused(from)
		nc.SetWriteDeadline(time.Now().Add(time.Second))     // the buffer of a new socket takes it at once
		fmt.Fprintf(nc, "%v; come back in a while\r\n", err) // before the version of the server (RFC 4253, section 4.2)
		return nil
	}
	if tcp, ok := nc.(*net.TCPConn); ok { // an idle peer that is gone is found by the kernel, and others by Door.look
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = time.AfterFunc(idleTimeout, func() { c.Close() })
	return c
}

// acquireConn takes a place for a connection, or says why there is none.
func (d *Server) acquireConn(c *conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return errStopped
	}
	if err := d.connSlots.Acquire(c.addr); err != nil {
		return err
	}
	if err := d.cfg.AcquireConn(c.Conn); err != nil {
		d.connSlots.Release(c.addr)
		return err
	}
	d.conns[c] = struct{}{}
	return nil
}

// logRefused logs connections that are closed at once, now and then.
func (d *Server) logRefused(from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused++
	if now := time.Now(); now.Sub(d.refusedLoggedAt) >= logRefusedEvery && !d.ended {
		d.cfg.Logger.Info("SSH connections are closed at once: the limit in total or of one address is reached", "connections", d.refused, "last_remote", from)
		d.refused, d.refusedLoggedAt = 0, now
	}
}

func (d *Server) releaseConn(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
	d.connSlots.Release(c.addr)
	d.cfg.ReleaseConn(c.Conn)
}

// Close closes the connection, and gives its place back.
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
	c.until = t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

// Write writes, but not for longer than a client may take nothing, or than the handshake may take.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	until := c.until
	c.mu.Unlock()
	if until.IsZero() {
		until = time.Now().Add(c.server.cfg.Stall)
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

// acquireSession counts a visit, if there may be one more on this connection and at this door. Every visit ends with leave.
func (c *conn) acquireSession() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions >= maxSessionsPerConn {
		return fmt.Errorf("there are %d visits on this connection already, as many as there can be; come on another: ssh -S none", maxSessionsPerConn)
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

// channelOpened counts a channel, which wants nothing yet, if there may be one more. It ends with starts and closes.
func (c *conn) channelOpened() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.waiting >= maxWaiting:
		return fmt.Errorf("there are %d sessions without a shell or a command already", maxWaiting)
	case c.open >= maxOpen:
		return fmt.Errorf("there are %d sessions already that you have not closed", maxOpen)
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

// addrOf is where a connection comes from; the zero value if that is unknown.
func addrOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		addr := tcp.AddrPort()
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	return netip.AddrPort{}
}

// resize notes a new size (RFC 4254, section 6.7). It never waits. To draw a whole screen anew is what costs, so the screen hears of
// the newest size alone, at once or when resizeEvery is over.
func (g *channel) resize(payload []byte) bool {
	var size struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &size) != nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window = tui.Size{Width: int(size.Columns), Height: int(size.Rows)}
	switch wait := resizeEvery - time.Since(g.resized); {
	case g.later != nil:
	case wait > 0:
		g.later = time.AfterFunc(wait, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.passSize()
		})
	default:
		g.passSize()
	}
	return true
}

// passSize passes on the newest size, as far as it can be. mu is held.
func (g *channel) passSize() {
	g.later = nil
	if g.over {
		return
	}
	select {
	case <-g.sizes:
	default:
	}
	g.sizes <- g.conn.server.allocateScreen(g, g.window)
	g.resized = time.Now()
}

// freeScreen gives back what the channel has paid for, for good.
func (g *channel) freeScreen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.later != nil {
		g.later.Stop()
	}
	g.conn.server.freeScreen(g)
}

// timeoutWriter gives up on a client that takes nothing for too long.
type timeoutWriter struct {
	io.Writer
	stall time.Duration
	give  func()
}

func (p timeoutWriter) Write(b []byte) (int, error) {
	late := time.AfterFunc(p.stall, p.give)
	defer late.Stop()
	return p.Writer.Write(b)
}
