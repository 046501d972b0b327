package sshdoor

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"ramai/internal/session"
)

// channelsKey is under which a connection's context counts its channels.
type channelsKey struct{}

// admit lets a connection in, before anything of it is read, or returns nil.
func (d *Door) admit(ctx ssh.Context, nc net.Conn) net.Conn {
	from := addrOf(nc.RemoteAddr()).Addr()
	network := session.Network(from)
	if !d.take(network, from.IsLoopback()) {
		d.cfg.Env.Log.Debug("a connection of SSH was closed at once: there are too many", "from", from)
		return nil
	}
	if tcp, ok := nc.(*net.TCPConn); ok { // an idle peer that is gone is found by the kernel
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	ctx.SetValue(channelsKey{}, new(atomic.Int32))
	return &counted{Conn: nc, release: func() { d.give(network) }}
}

func (d *Door) take(network netip.Prefix, loopback bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || d.all >= maxConns || !loopback && d.conns[network] >= maxFromNetwork {
		return false
	}
	d.all++
	d.conns[network]++
	return true
}

func (d *Door) give(network netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.conns[network]--; d.conns[network] == 0 {
		delete(d.conns, network)
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *counted) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

// addrOf is where a connection comes from; the zero value if that is unknown.
func addrOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		addr := tcp.AddrPort()
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	return netip.AddrPort{}
}

// channel opens one of the few channels that a connection may have.
func (d *Door) channel(server *ssh.Server, conn *gossh.ServerConn, asked gossh.NewChannel, ctx ssh.Context) {
	open := ctx.Value(channelsKey{}).(*atomic.Int32)
	defer open.Add(-1)
	if open.Add(1) > maxChannels {
		asked.Reject(gossh.ResourceShortage, fmt.Sprintf("a connection can have %d sessions", maxChannels))
		return
	}
	ssh.DefaultSessionHandler(server, conn, guarded{asked}, ctx)
}

// guarded keeps requests from a session that it would take without a bound, or that are for what there is none of.
type guarded struct{ gossh.NewChannel }

func (g guarded) Accept() (gossh.Channel, <-chan *gossh.Request, error) {
	channel, requests, err := g.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	passed := make(chan *gossh.Request)
	go func() {
		defer close(passed)
		variables := 0
		for r := range requests {
			if r.Type == "env" {
				variables++
			}
			if !known[r.Type] || len(r.Payload) > maxPayload || variables > maxEnv {
				r.Reply(false, nil)
				continue
			}
			passed <- r // taken until passed is closed
		}
	}()
	return channel, passed, nil
}

// known are the requests of RFC 4254, section 6, that mean something here.
var known = map[string]bool{"shell": true, "exec": true, "env": true, "pty-req": true, "window-change": true, "signal": true}

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
