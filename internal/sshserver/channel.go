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

// provedKey is the key of ExtraData under which a connection's permissions hold the client's public key.
type provedKey struct{}

// serverConfig configures the handshake. Every client with a key is accepted and, unless keysOnly, every other client.
func serverConfig(host ssh.Signer, keysOnly bool) *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-ramai",
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return &ssh.Permissions{ExtraData: map[any]any{provedKey{}: key}}, nil
		},
	}
	if !keysOnly { // clients try this after their keys; they try "none" before, so no key would ever be offered
		c.KeyboardInteractiveCallback = func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) { return nil, nil }
	}
	c.SetDefaults()
	sha1 := func(name string) bool { return strings.Contains(name, "-sha1") }
	c.KeyExchanges, c.MACs = slices.DeleteFunc(slices.Clone(c.KeyExchanges), sha1), slices.DeleteFunc(slices.Clone(c.MACs), sha1)
	c.AddHostKey(host)
	return c
}

// handle serves a connection, and returns when all its goroutines have ended.
func (srv *Server) handle(nc net.Conn) {
	c := srv.admit(nc)
	if c == nil {
		nc.Close()
		return
	}
	defer c.Close()
	defer srv.recoverPanic(nil)
	c.SetDeadline(time.Now().Add(handshakeTimeout))
	sc, asked, requests, err := ssh.NewServerConn(c, srv.config)
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
			a.Reject(ssh.UnknownChannelType, "only channels of type session are supported")
			continue
		}
		if err := c.channelOpened(); err != nil {
			a.Reject(ssh.ResourceShortage, err.Error())
			continue
		}
		running.Go(func() { c.serve(ctx, sc, a) })
	}
}

// recoverPanic limits a panic to the connection or channel that it happened in. It is deferred.
func (srv *Server) recoverPanic(end func()) {
	if fault := recover(); fault != nil {
		srv.cfg.Logger.Error("an SSH connection failed", "panic", fault, "stack", string(debug.Stack()))
		if end != nil {
			end()
		}
	}
}

// A channel is one of the few channels of a connection, from its request until the client closes it.
type channel struct {
	conn   *conn
	ctx    context.Context // canceled when the client has closed the channel
	closed context.CancelCauseFunc
	user   string
	key    ssh.PublicKey // the client's public key; nil: an anonymous client

	running      sync.WaitGroup
	inputLimit   *rate.Limiter // of input
	requestLimit *rate.Limiter // of requests
	onStart      func()        // called when it has a shell or a command, or will have none
	sizes        chan tui.Size // the newest size, if it has not been received yet
	cells        int           // guarded by the server's mu: cells that the channel is charged for, see allocateScreen

	// Requested by the client. These do not change after the session has begun.
	started     bool
	terminal    bool
	term        string   // the kind of terminal
	initialSize tui.Size // of the terminal's window
	env         []string // NAME=VALUE
	command     string   // empty: a shell

	mu          sync.Mutex
	window      tui.Size    // guarded by mu: the newest size that the client has sent
	resized     time.Time   // guarded by mu: when a size was last passed on
	resizeTimer *time.Timer // guarded by mu: will pass window on; nil: it was passed on
	ended       bool        // guarded by mu: sizes are no longer passed on
}

// serve serves a channel counted by channelOpened, and returns when the client has closed it and its session has ended.
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
	defer g.closed(errClosedByClient)
	accepted, requests, err := asked.Accept()
	if err != nil {
		return
	}
	opened := newSessionChannel(accepted, g)
	defer opened.in.Close()
	late := time.AfterFunc(requestTimeout, func() { opened.Close() })
	defer late.Stop()
	defer c.server.recoverPanic(func() { c.Close() })
	for r := range requests {
		ok := g.requestLimit.Wait(g.ctx) == nil && len(r.Payload) <= maxPayload && g.request(r)
		r.Reply(ok, nil)
		if ok && (r.Type == "shell" || r.Type == "exec") {
			late.Stop()
			g.onStart()
			g.running.Go(func() {
				defer c.server.recoverPanic(func() { opened.exit(1) })
				c.server.serveSession(g, opened)
			})
		}
	}
}

// request records a request, and reports whether it is supported. Other requests (RFC 4254, section 6), such as an
// agent or a signal, are not.
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
		g.terminal, g.term, g.initialSize = true, pty.Term, tui.Size{Width: int(pty.Columns), Height: int(pty.Rows)}
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

// sessionChannel is a channel that ends when the server closes it. The library's channel ends when the client closes
// it: until then, readers block, and received data stays in memory.
type sessionChannel struct {
	ssh.Channel
	channel *channel
	in      *io.PipeReader // input, until the end
	once    sync.Once
	ended   chan struct{} // closed at the end
}

func newSessionChannel(accepted ssh.Channel, of *channel) *sessionChannel {
	in, local := io.Pipe()
	e := &sessionChannel{Channel: accepted, channel: of, in: in, ended: make(chan struct{})}
	of.running.Go(func() { // the only reader: at the end, the library wakes only one
		local.CloseWithError(of.copyInput(local, accepted))
		io.Copy(io.Discard, accepted)
	})
	of.running.Go(func() {
		select {
		case <-e.ended:
		case <-of.ctx.Done():
		}
		io.Copy(io.Discard, accepted.Stderr())
	})
	return e
}

// copyInput copies input at the pace of the channel until an error, or until either side ends.
func (g *channel) copyInput(to io.Writer, from io.Reader) error {
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

// Close implements ssh.Channel. Later input is discarded, and a client that does not close the channel as well loses
// its connection.
func (e *sessionChannel) Close() error {
	err := e.Channel.Close()
	e.in.Close()
	e.once.Do(func() {
		close(e.ended)
		late := time.AfterFunc(requestTimeout, func() { e.channel.conn.Close() })
		context.AfterFunc(e.channel.ctx, func() { late.Stop() })
	})
	return err
}

// exit ends the channel with an exit status.
func (e *sessionChannel) exit(code int) {
	_, err := e.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
	if err = errors.Join(err, e.Close()); err != nil && !errors.Is(err, io.EOF) {
		e.channel.conn.server.cfg.Logger.Debug("closing an SSH channel failed", "err", err)
	}
}

// notes is the writer for texts that are not messages: stderr, with the carriage returns that a terminal needs.
func (e *sessionChannel) notes() io.Writer {
	if e.channel.terminal {
		return crlfWriter{e.Stderr()}
	}
	return e.Stderr()
}

// crlfWriter writes each newline as a carriage return and a newline.
type crlfWriter struct{ io.Writer }

func (w crlfWriter) Write(b []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(b), nil
}
