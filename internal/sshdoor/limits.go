package sshdoor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"ramai/internal/reactor"
	"ramai/internal/session"
	"ramai/internal/tui"
)

// A conn is one connection, from its being accepted on. It is closed when nobody visits on it for too long, and when its
// peer takes nothing for too long.
type conn struct {
	net.Conn
	door    *Door
	addr    netip.Addr
	network netip.Prefix // of addr
	local   bool         // it comes from this machine
	once    sync.Once
	gone    func(patience time.Duration) bool // whether the peer is; nil: that cannot be known

	mu      sync.Mutex
	until   time.Time   // guarded by mu: the deadline of the handshake; zero: it is over
	open    int         // guarded by mu: channels that the client has not closed
	waiting int         // guarded by mu: those of them that want nothing yet
	visits  int         // guarded by mu
	idle    *time.Timer // guarded by mu: closes it; stopped while there are visits
}

type (
	connKey    struct{} // under which the context of a connection has its *conn
	channelKey struct{} // under which the context of a channel has its *channel
)

// admit lets a connection in, before anything of it is read, or returns nil.
func (d *Door) admit(ctx ssh.Context, nc net.Conn) net.Conn {
	from := addrOf(nc.RemoteAddr()).Addr()
	c := &conn{Conn: nc, door: d, addr: from, network: session.Network(from), local: from.IsLoopback(), gone: reactor.Watch(nc).Dead}
	if err := d.take(c); err != nil {
		d.tellRefused(from)
		nc.SetWriteDeadline(time.Now().Add(time.Second))     // the buffer of a new socket takes it at once
		fmt.Fprintf(nc, "%v; come back in a while\r\n", err) // before the version of the server (RFC 4253, section 4.2)
		return nil
	}
	if tcp, ok := nc.(*net.TCPConn); ok { // an idle peer that is gone is found by the kernel, and others by Door.look
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = time.AfterFunc(idleTakes, func() { c.Close() })
	ctx.SetValue(connKey{}, c)
	return c
}

// take takes a place for a connection, or says why there is none.
func (d *Door) take(c *conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return errStopped
	}
	if err := d.taken.Take(c.addr); err != nil {
		return err
	}
	if err := d.cfg.TakeConn(c.Conn); err != nil {
		d.taken.Give(c.addr)
		return err
	}
	d.conns[c] = struct{}{}
	return nil
}

// tellRefused logs connections that are closed at once, now and then.
func (d *Door) tellRefused(from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused++
	if now := time.Now(); now.Sub(d.told) >= tellEvery && !d.ended {
		d.cfg.Env.Log.Info("SSH connections are closed at once: the limit in total or of one address is reached", "n", d.refused, "last_remote", from)
		d.refused, d.told = 0, now
	}
}

func (d *Door) give(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
	d.taken.Give(c.addr)
	d.cfg.GiveConn(c.Conn)
}

// Close closes the connection, and gives its place back.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.mu.Lock()
		if c.idle != nil {
			c.idle.Stop()
		}
		c.mu.Unlock()
		c.door.give(c)
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
		until = time.Now().Add(c.door.cfg.Stall)
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

// enter counts a visit, if there may be one more on this connection and at this door. Every visit ends with leave.
func (c *conn) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.visits >= maxVisits {
		return fmt.Errorf("there are %d visits on this connection already, as many as there can be; come on another: ssh -S none", maxVisits)
	}
	if err := c.door.enter(c); err != nil {
		return err
	}
	c.visits++
	c.idle.Stop()
	return nil
}

func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.visits--; c.visits == 0 {
		c.idle.Reset(idleTakes)
	}
	c.door.leave(c)
}

// opens counts a channel, which wants nothing yet, if there may be one more. It ends with starts and closes.
func (c *conn) opens() error {
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

func (c *conn) starts() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
}

func (c *conn) closes() {
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

// channel serves one of the few channels that a connection may have.
func (d *Door) channel(server *ssh.Server, sc *gossh.ServerConn, asked gossh.NewChannel, ctx ssh.Context) {
	c := ctx.Value(connKey{}).(*conn)
	if err := c.opens(); err != nil {
		asked.Reject(gossh.ResourceShortage, err.Error())
		return
	}
	defer c.closes()
	g := &channel{NewChannel: asked, conn: c, started: sync.OnceFunc(c.starts), sizes: make(chan tui.Size, 1), pace: rate.NewLimiter(piped, ahead), asked: rate.NewLimiter(requests, requests)}
	g.ctx, g.closed = context.WithCancelCause(ctx)
	defer g.closed(errLeft)
	defer g.started()
	defer g.unfit()
	ssh.DefaultSessionHandler(server, sc, g, channelContext{ctx, g})
}

// channelContext is the context of a connection with one of its channels.
type channelContext struct {
	ssh.Context
	channel *channel
}

func (c channelContext) Value(key any) any {
	if key == (channelKey{}) {
		return c.channel
	}
	return c.Context.Value(key)
}

// channel keeps requests from the library's session that it would take without a bound, or that are for what there is none
// of, and takes the sizes of the window itself: the library would have the whole connection wait for who takes them.
type channel struct {
	gossh.NewChannel
	conn   *conn
	ctx    context.Context // ends when the client has closed the channel
	closed context.CancelCauseFunc

	pace    *rate.Limiter // of what comes
	asked   *rate.Limiter // of requests
	started func()        // it has a shell or a command, or will have none
	sizes   chan tui.Size // the newest, if nobody has taken it yet
	cells   int           // guarded by the door's mu: that it pays for, see Door.fit

	mu      sync.Mutex
	window  tui.Size    // guarded by mu: the newest that the client has told
	resized time.Time   // guarded by mu: when a size was last passed on
	later   *time.Timer // guarded by mu: passes window on; nil: it was passed on
	over    bool        // guarded by mu: no size is passed on any more
}

// Accept implements gossh.NewChannel.
func (g *channel) Accept() (gossh.Channel, <-chan *gossh.Request, error) {
	accepted, requests, err := g.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	opened := newEnding(accepted, g)
	passed := make(chan *gossh.Request)
	go func() {
		defer close(passed)
		defer opened.in.Close()
		defer g.closed(errLeft)
		late := time.AfterFunc(requestTakes, func() { opened.Close() })
		defer late.Stop()
		variables := 0
		for r := range requests {
			if g.asked.Wait(g.ctx) != nil {
				r.Reply(false, nil)
				continue // to the end, which is near
			}
			switch r.Type {
			case "window-change":
				r.Reply(g.resize(r.Payload), nil)
				continue
			case "pty-req":
				g.pace.SetLimit(typed)
			case "env":
				variables++
			case "shell", "exec":
				late.Stop()
				g.started()
			}
			if !known[r.Type] || len(r.Payload) > maxPayload || variables > maxEnv {
				r.Reply(false, nil)
				continue
			}
			passed <- r // taken until passed is closed
		}
	}()
	return opened, passed, nil
}

// ending is a channel that ends when the server says so. The library's ends when the client says so: until then who reads
// from it waits, and it keeps what it was sent.
type ending struct {
	gossh.Channel
	of *channel
	in *io.PipeReader // what comes, until the end
}

func newEnding(accepted gossh.Channel, of *channel) ending {
	in, came := io.Pipe()
	go func() { // the only reader: the library wakes no more than one at the end
		came.CloseWithError(of.pass(came, accepted))
		io.Copy(io.Discard, accepted)
	}()
	return ending{accepted, of, in}
}

// pass passes on what comes at the pace of the channel until something fails, or one of them has ended.
func (g *channel) pass(to io.Writer, from io.Reader) error {
	for b := make([]byte, 4<<10); ; {
		n, err := from.Read(b)
		if err := g.pace.WaitN(g.ctx, n); err != nil {
			return err
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
}

// Read implements gossh.Channel.
func (e ending) Read(b []byte) (int, error) { return e.in.Read(b) }

// Close implements gossh.Channel. What comes after it is not kept, and a client that does not close the channel too loses
// the connection.
func (e ending) Close() error {
	err := e.Channel.Close()
	e.in.Close()
	go io.Copy(io.Discard, e.Channel.Stderr())
	late := time.AfterFunc(requestTakes, func() { e.of.conn.Close() })
	context.AfterFunc(e.of.ctx, func() { late.Stop() })
	return err
}

// resize notes a new size (RFC 4254, section 6.7). It never waits. To draw a whole screen anew is what costs, so the screen hears of
// the newest size alone, at once or when resizeEvery is over.
func (g *channel) resize(payload []byte) bool {
	var size struct{ Columns, Rows, Width, Height uint32 }
	if gossh.Unmarshal(payload, &size) != nil {
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
	g.sizes <- g.conn.door.fit(g, g.window)
	g.resized = time.Now()
}

// unfit gives back what the channel has paid for, for good.
func (g *channel) unfit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.later != nil {
		g.later.Stop()
	}
	g.conn.door.unfit(g)
}

// known are the requests of RFC 4254, section 6, that mean something to the library's session here.
var known = map[string]bool{"shell": true, "exec": true, "env": true, "pty-req": true, "signal": true}

// patient gives up on a client that takes nothing for too long.
type patient struct {
	io.Writer
	stall time.Duration
	give  func()
}

func (p patient) Write(b []byte) (int, error) {
	late := time.AfterFunc(p.stall, p.give)
	defer late.Stop()
	return p.Writer.Write(b)
}
