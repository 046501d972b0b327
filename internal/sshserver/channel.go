package sshserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"ramai/internal/tui"
)

// provedKey is where the permissions of a connection have the key that its handshake was completed with.
type provedKey struct{}

// serverConfig is how the handshake is done. Whoever proves a key comes in with it, and, unless only keys may, anyone else.
func serverConfig(host ssh.Signer, keysOnly bool) *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-ramai",
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return &ssh.Permissions{ExtraData: map[any]any{provedKey{}: key}}, nil
		},
	}
	if !keysOnly { // asked by clients after their keys; "none" would be asked before, and no key would ever be seen
		c.KeyboardInteractiveCallback = func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) { return nil, nil }
	}
	c.SetDefaults()
	sha1 := func(name string) bool { return strings.Contains(name, "-sha1") }
	c.KeyExchanges, c.MACs = slices.DeleteFunc(slices.Clone(c.KeyExchanges), sha1), slices.DeleteFunc(slices.Clone(c.MACs), sha1)
	c.AddHostKey(host)
	return c
}

// handle serves a connection, and returns when all that happened on it is over.
func (d *Server) handle(nc net.Conn) {
	c := d.admit(nc)
	if c == nil {
		nc.Close()
		return
	}
	defer c.Close()
	defer d.contain(nil)
	c.SetDeadline(time.Now().Add(handshakeTimeout))
	sc, asked, requests, err := ssh.NewServerConn(c, d.config)
	if err != nil {
		return
	}
	c.SetDeadline(time.Time{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	defer c.Close()
	running.Go(func() { ssh.DiscardRequests(requests) }) // no forwarding
	for a := range asked {
		if a.ChannelType() != "session" {
			a.Reject(ssh.UnknownChannelType, "there are sessions only")
			continue
		}
		if err := c.channelOpened(); err != nil {
			a.Reject(ssh.ResourceShortage, err.Error())
			continue
		}
		running.Go(func() { c.serve(ctx, sc, a) })
	}
}

// contain has a panic end what it happened in, and nothing else. It is deferred.
func (d *Server) contain(end func()) {
	if fault := recover(); fault != nil {
		d.cfg.Logger.Error("a connection of SSH broke", "panic", fault, "stack", string(debug.Stack()))
		if end != nil {
			end()
		}
	}
}

// A channel is one of the few that a connection may have, from its being asked for to the client's closing it.
type channel struct {
	conn   *conn
	ctx    context.Context // ends when the client has closed the channel
	closed context.CancelCauseFunc
	user   string
	key    ssh.PublicKey // that was proved; nil: a guest

	running      sync.WaitGroup
	inputLimit   *rate.Limiter // of what comes
	requestLimit *rate.Limiter // of requests
	onStart      func()        // it has a shell or a command, or will have none
	sizes        chan tui.Size // the newest, if nobody has taken it yet
	cells        int           // guarded by the door's mu: that it pays for, see Door.fit

	// What the client has asked for; a visit reads it, after which it stays as it is.
	started  bool
	terminal bool
	term     string   // the kind of terminal
	first    tui.Size // of its window
	env      []string // NAME=VALUE
	command  string   // empty: a shell

	mu      sync.Mutex
	window  tui.Size    // guarded by mu: the newest that the client has told
	resized time.Time   // guarded by mu: when a size was last passed on
	later   *time.Timer // guarded by mu: passes window on; nil: it was passed on
	over    bool        // guarded by mu: no size is passed on any more
}

// serve serves a channel that was counted by opens, and returns when the client has closed it and its visit is over.
func (c *conn) serve(ctx context.Context, sc *ssh.ServerConn, asked ssh.NewChannel) {
	defer c.channelClosed()
	g := &channel{conn: c, user: sc.User(), onStart: sync.OnceFunc(c.channelStarted), sizes: make(chan tui.Size, 1), inputLimit: rate.NewLimiter(pipedRate, inputBurst), requestLimit: rate.NewLimiter(requests, requests)}
	if sc.Permissions != nil {
		g.key, _ = sc.Permissions.ExtraData[provedKey{}].(ssh.PublicKey)
	}
	g.ctx, g.closed = context.WithCancelCause(ctx)
	defer g.freeScreen()
	defer g.onStart()
	defer g.running.Wait()
	defer g.closed(errLeft)
	accepted, requests, err := asked.Accept()
	if err != nil {
		return
	}
	opened := newSessionChannel(accepted, g)
	defer opened.in.Close()
	late := time.AfterFunc(requestTimeout, func() { opened.Close() })
	defer late.Stop()
	defer c.server.contain(func() { c.Close() })
	for r := range requests {
		ok := g.requestLimit.Wait(g.ctx) == nil && len(r.Payload) <= maxPayload && g.request(r)
		r.Reply(ok, nil)
		if ok && (r.Type == "shell" || r.Type == "exec") {
			late.Stop()
			g.onStart()
			g.running.Go(func() {
				defer c.server.contain(func() { opened.exit(1) })
				c.server.serveSession(g, opened)
			})
		}
	}
}

// request notes what is asked for, and returns whether there is such a thing. What else there may be (RFC 4254, section 6), such
// as an agent or a signal, means nothing here.
func (g *channel) request(r *ssh.Request) bool {
	switch r.Type {
	case "window-change":
		return g.resize(r.Payload)
	case "pty-req":
		var pty struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if g.started || g.terminal || ssh.Unmarshal(r.Payload, &pty) != nil {
			return false
		}
		g.inputLimit.SetLimit(typedRate)
		g.terminal, g.term, g.first = true, pty.Term, tui.Size{Width: int(pty.Columns), Height: int(pty.Rows)}
	case "env":
		var variable struct{ Name, Value string }
		if g.started || len(g.env) >= maxEnv || ssh.Unmarshal(r.Payload, &variable) != nil {
			return false
		}
		g.env = append(g.env, variable.Name+"="+variable.Value)
	case "exec":
		var command struct{ Line string }
		if g.started || ssh.Unmarshal(r.Payload, &command) != nil {
			return false
		}
		g.started, g.command = true, command.Line
	case "shell":
		if g.started {
			return false
		}
		g.started = true
	default:
		return false
	}
	return true
}

// sessionChannel is a channel that ends when the server says so. The library's ends when the client says so: until then who reads
// from it waits, and it keeps what it was sent.
type sessionChannel struct {
	ssh.Channel
	of   *channel
	in   *io.PipeReader // what comes, until the end
	once sync.Once
	over chan struct{} // closed at the end
}

func newSessionChannel(accepted ssh.Channel, of *channel) *sessionChannel {
	in, came := io.Pipe()
	e := &sessionChannel{Channel: accepted, of: of, in: in, over: make(chan struct{})}
	of.running.Go(func() { // the only reader: the library wakes no more than one at the end
		came.CloseWithError(of.pass(came, accepted))
		io.Copy(io.Discard, accepted)
	})
	of.running.Go(func() {
		select {
		case <-e.over:
		case <-of.ctx.Done():
		}
		io.Copy(io.Discard, accepted.Stderr())
	})
	return e
}

// pass passes on what comes at the pace of the channel until something fails, or one of them has ended.
func (g *channel) pass(to io.Writer, from io.Reader) error {
	for b := make([]byte, 4<<10); ; {
		n, err := from.Read(b)
		if err := g.inputLimit.WaitN(g.ctx, n); err != nil {
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

// Read implements ssh.Channel.
func (e *sessionChannel) Read(b []byte) (int, error) { return e.in.Read(b) }

// Close implements ssh.Channel. What comes after it is not kept, and a client that does not close the channel too loses
// the connection.
func (e *sessionChannel) Close() error {
	err := e.Channel.Close()
	e.in.Close()
	e.once.Do(func() {
		close(e.over)
		late := time.AfterFunc(requestTimeout, func() { e.of.conn.Close() })
		context.AfterFunc(e.of.ctx, func() { late.Stop() })
	})
	return err
}

// exit ends the channel with the code of a program's end.
func (e *sessionChannel) exit(code int) {
	_, err := e.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
	if err = errors.Join(err, e.Close()); err != nil && !errors.Is(err, io.EOF) {
		e.of.conn.server.cfg.Logger.Debug("a channel of SSH did not end well", "err", err)
	}
}

// notes is where a client reads what is not of the chat: its stderr, with the returns that a terminal needs.
func (e *sessionChannel) notes() io.Writer {
	if e.of.terminal {
		return crlfWriter{e.Stderr()}
	}
	return e.Stderr()
}

// crlfWriter makes a return and a newline of each newline.
type crlfWriter struct{ io.Writer }

func (w crlfWriter) Write(b []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(b), nil
}
