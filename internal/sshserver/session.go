package sshserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/anmitsu/go-shlex"
	"github.com/gobwas/ws"
	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/internal/chat"
	"ramai/internal/exitcode"
	"ramai/internal/linemode"
	"ramai/internal/names"
	"ramai/internal/session"
	"ramai/internal/store/search"
	"ramai/internal/tui"
	"ramai/wire"
)

// serveSession runs the session on a channel, after the request for a shell or command.
func (srv *Server) serveSession(g *channel, s *sessionChannel) {
	c := g.conn
	notes := timeoutWriter{s.notes(), srv.cfg.SlowClientTimeout, func() { c.Close() }}
	if err := c.acquireSession(); err != nil {
		fmt.Fprintln(notes, err)
		s.exit(exitcode.NoServer)
		return
	}
	defer c.releaseSession()
	ctx, cancel := context.WithCancelCause(g.ctx)
	defer cancel(nil)
	defer context.AfterFunc(srv.ctx, func() { cancel(context.Cause(srv.ctx)) })()

	v := &sshSession{signedOut: func() { cancel(errSignedOut) }, server: srv, addr: addrOf(c.RemoteAddr()), room: wire.Lobby, last: -1, channel: g, notes: notes}
	v.in, v.out = s.in, timeoutWriter{s, srv.cfg.SlowClientTimeout, func() { c.Close() }}
	err := v.prepare()
	if err == nil {
		err = v.run(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(notes, client.Printable(err.Error()))
	}
	s.exit(exitcode.Of(err, exitcode.NoServer))
}

// sshSession is the session on a channel.
type sshSession struct {
	server     *Server
	channel    *channel
	in         io.Reader
	out        io.Writer // to the client, with a timeout
	notes      io.Writer // to its stderr, with a timeout
	addr       netip.AddrPort
	secret     string // the session secret of the chat
	hasKey     bool   // the secret is derived from a key
	who        chat.Identity
	since      wire.Time // when the session began
	signedOut  func()    // ends the session, because its sender has signed out everywhere
	wantedName string    // the name requested; empty: none
	notice     string    // shown at the beginning
	env        []string

	room   string
	named  bool // the client has named the room
	last   int  // the number of old messages at the beginning; -1: the default
	asJSON bool
	size   tui.Size // the initial size
	mouse  bool     // of the screen
	notify tui.Notify
}

// prepare determines the sender and evaluates the request.
func (v *sshSession) prepare() error {
	srv, g := v.server, v.channel
	command, err := shlex.Split(g.command, true)
	if err != nil || len(command) == 0 && g.command != "" { // an unclosed quote
		return exitcode.With(exitcode.Usage, errors.New(usage))
	}
	v.since = wire.TimeOf(srv.cfg.Now())
	if err := v.parseCommand(command); err != nil {
		return exitcode.With(exitcode.Usage, err)
	}
	if g.key != nil {
		v.secret, v.hasKey = srv.keys.session(g.key), true
		if v.who, err = srv.cfg.Chat.ResolveKey(g.ctx, v.addr.Addr(), fingerprintOf(g.key), v.secret); err != nil {
			return errors.New(chat.Refusal(err).Reason)
		}
	} else if v.secret, err = wire.NewSession(srv.cfg.Random); err != nil {
		return err
	} else {
		v.who.SenderID = wire.SenderIDOf(v.secret)
	}
	if v.wantedName, err = names.Parse(g.user); err != nil {
		v.notice = fmt.Sprintf("%q cannot be your name: %v", client.Shortened(g.user), err)
		if !g.terminal {
			fmt.Fprintln(v.notes, v.notice)
		}
	}
	for _, variable := range g.env {
		if name, _, _ := strings.Cut(variable, "="); slices.Contains(allowed, name) {
			v.env = append(v.env, variable)
		}
	}
	v.env = append(v.env, "TERM="+g.term)
	v.size = srv.allocateScreen(g, g.initialSize)
	if v.size.Width < min(g.initialSize.Width, maxWidth) && v.notice == "" {
		v.notice = "the server has no memory for another large screen now, so yours is small"
	}
	if !g.terminal && !v.asJSON && len(command) > 0 { // ssh requests no terminal for a command unless told to
		fmt.Fprintln(v.notes, "line by line; for the screen: ssh -t")
	}
	if g.terminal && v.asJSON { // there would be no way to end the input
		return exitcode.With(exitcode.Usage, errors.New("--json works only without a terminal: ssh -T"))
	}
	if g.terminal && g.term == "dumb" {
		return exitcode.With(exitcode.Usage, errors.New("this terminal cannot show a screen; use line mode: ssh -T"))
	}
	return nil
}

// allowed lists the environment variables that a screen uses.
var allowed = []string{"COLORTERM", "NO_COLOR", "TERM_PROGRAM", "LANG", "LC_ALL", "LC_CTYPE", "LC_TIME", "TZ"}

// parseCommand reads the command: [ROOM] [--last N] [--json] [--mouse] [--notify KIND].
func (v *sshSession) parseCommand(command []string) error {
	f := pflag.NewFlagSet("ssh", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&v.last, "last", v.last, "")
	f.BoolVar(&v.asJSON, "json", false, "")
	f.BoolVar(&v.mouse, "mouse", false, "")
	notify := f.String("notify", string(tui.NoNotification), "")
	err := f.Parse(command)
	switch {
	case errors.Is(err, pflag.ErrHelp) || err == nil && f.NArg() > 1:
		return errors.New(usage)
	case err != nil:
		return fmt.Errorf("%w; %s", err, usage)
	case v.last < -1 || v.last > wire.MaxLast:
		return fmt.Errorf("--last: invalid value %d (want 0 to %d)", v.last, wire.MaxLast)
	case f.NArg() == 1:
		v.room, v.named = f.Arg(0), true
	}
	if v.notify, err = tui.CheckNotify(*notify); err != nil {
		return fmt.Errorf("--notify: %w", err)
	}
	if err := wire.CheckRoom(v.room); err != nil {
		return fmt.Errorf("invalid room %q: %s", v.room, err.Reason)
	}
	return nil
}

const usage = "usage: ssh HOST, ssh -t HOST -- [ROOM] [--mouse] [--notify osc9|osc777], or line by line ssh -T HOST -- [ROOM] [--last N] [--json]"

// run connects, and serves the session until its end.
func (v *sshSession) run(ctx context.Context) error {
	last := max(v.last, 0)
	if v.channel.terminal && v.last < 0 {
		last = wire.DefaultJoin
	}
	inMemory := &url.URL{Scheme: "http", Host: "localhost"}
	c, err := client.Dial(ctx, client.Config{
		URL: inMemory.JoinPath("r", v.room).String(), Session: v.secret, Name: v.wantedName, Last: last, DialContext: v.connect, Random: v.server.cfg.Random,
	})
	if refused := (*client.RefusedError)(nil); errors.As(err, &refused) {
		return exitcode.With(exitcode.Refused, err)
	}
	if err != nil {
		return exitcode.With(exitcode.NoServer, err)
	}
	defer c.Close()
	if !v.channel.terminal {
		err := linemode.Run(ctx, linemode.Config{Client: c, Room: v.room, Last: last, JSON: v.asJSON, In: v.in, Out: v.out, Notes: v.notes})
		if errors.As(err, new(*client.BrokenError)) {
			v.server.cfg.Logger.Error("an SSH session in line mode failed", "err", err)
			err = exitcode.With(exitcode.Unconfirmed, errors.New("the session failed; the cause is in the server's log"))
		}
		return err
	}
	return v.runScreen(ctx, c, last)
}

// runScreen serves the session on a screen.
func (v *sshSession) runScreen(ctx context.Context, c *client.Client, last int) error {
	config := tui.Config{
		Client: c, Search: v.search, ServerRooms: v.rooms, Server: v.server.cfg.Address(addrOf(v.channel.conn.LocalAddr()).Addr()), Room: v.room, AnyRoom: !v.named, Last: last,
		Device: "a terminal over SSH", Notice: v.notice, Theme: tui.Auto, Bell: true, Title: true, Clipboard: true, Mouse: v.mouse, Notify: v.notify,
		In: v.in, Out: v.out, Environ: v.env, Width: v.size.Width, Height: v.size.Height, Sizes: v.channel.sizes, Zone: v.zone(), Now: v.server.cfg.Now,
	}
	if v.hasKey {
		config.StateStore = stateStore{v.server, v.secret, v.who.SenderID}
	}
	left, err := tui.Run(ctx, config)
	if err != nil && ctx.Err() == nil && !errors.As(err, new(*client.RefusedError)) { // the error has internals of this program, which clients must not see
		v.server.cfg.Logger.Error("an SSH session with a screen failed", "err", err)
		err = errors.New("the screen failed; the cause is in the server's log")
	}
	return left.Ended(ctx, err, v.notes)
}

// stateStore is a tui.StateStore for a session of the chat.
type stateStore struct {
	server  *Server
	session string
	sender  string
}

// Load implements tui.StateStore.
func (s stateStore) Load() tui.State { return s.server.keys.loadState(s.session) }

// Store implements tui.StateStore.
func (s stateStore) Store(m tui.State) {
	owner := s.server.cfg.Chat.OwnsName(s.sender)
	if err := s.server.keys.storeState(s.session, m, owner); err != nil {
		s.server.cfg.Logger.Warn("could not store the state of a screen", "err", err)
	}
}

// errSignedOut is the cause if the sender has ended all sessions. The key can begin another one.
var errSignedOut = exitcode.With(exitcode.Refused, errors.New("signed out everywhere; connect again to come back with your key"))

// errClosedByClient is the cause if the client has closed the channel.
var errClosedByClient = exitcode.With(exitcode.Unconfirmed, nil)

// zone is the client's time zone if the client sends it, otherwise the server's.
func (v *sshSession) zone() *time.Location {
	for _, variable := range v.env {
		if name, ok := strings.CutPrefix(variable, "TZ="); ok {
			if zone, err := time.LoadLocation(name); err == nil && name != "" {
				return zone
			}
		}
	}
	return time.Local
}

// search runs the same search as the page, under the same limits.
func (v *sshSession) search(ctx context.Context, s client.Search) (*client.SearchResponse, error) {
	q := search.Query{Words: s.Words, Room: s.Room, Before: s.Before, Limit: s.Limit}
	found, err := v.server.cfg.Chat.Search(ctx, &chat.Actor{SenderID: v.who.SenderID, Addr: v.addr, Protocol: chat.SSH}, q)
	if err != nil {
		return nil, errors.New(chat.Refusal(err).Reason)
	}
	return &client.SearchResponse{SearchResponse: *found}, nil
}

// rooms lists rooms as GET /api/v1/rooms does, under the same limits.
func (v *sshSession) rooms(_ context.Context, after string) (*wire.RoomsResponse, error) {
	page, err := v.server.cfg.Chat.Rooms(&chat.Actor{SenderID: v.who.SenderID, Addr: v.addr, Protocol: chat.SSH}, after, 0)
	if err != nil {
		return nil, errors.New(chat.Refusal(err).Reason)
	}
	return &page, nil
}

// connect is client.Config.DialContext: the other end of the connection becomes a session of this server.
func (v *sshSession) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	if v.server.cfg.Chat.SignedOutSince(v.who.SenderID, v.since) {
		v.signedOut()
		return nil, errSignedOut
	}
	if err := v.server.cfg.AcquireSlot(v.addr.Addr()); err != nil {
		return nil, fmt.Errorf("%w; try again later", err)
	}
	ours, theirs := net.Pipe()
	v.channel.running.Go(func() { v.accept(theirs) })
	return ours, nil
}

// accept performs the server's part of the handshake (RFC 6455, section 4.2).
func (v *sshSession) accept(nc net.Conn) {
	nc.SetDeadline(time.Now().Add(handshakeTimeout))
	upgrader := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == wire.Protocol }}
	if _, err := upgrader.Upgrade(nc); err != nil {
		v.server.cfg.ReleaseSlot(v.addr.Addr())
		nc.Close()
		return
	}
	nc.SetDeadline(time.Time{})
	sender := session.Client{Addr: v.addr, Session: v.secret, Who: v.who, HasKey: v.hasKey, Protocol: chat.SSH, Room: v.room}
	v.server.cfg.Clients.Connected(sender.Addr, sender.Protocol, sender.Room, sender.Deflate)
	v.server.cfg.Serve(nc, nil, sender)
}
