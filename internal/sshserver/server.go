// Package sshserver serves the chat over SSH. A person with any SSH client gets the screen of the terminal client, or line
// mode, without installing anything.
//
// Nobody gets a shell, a file, a port or an agent. An SSH session is a client like any other, over a connection in memory:
// the limits, the numbers and the rules of ramai.v1 apply to it. Each proved public key is one sender, always the same, and
// owns the names that it registers. A client without a key is anonymous.
package sshserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/session"
	"ramai/internal/tui"
)

// Config configures a Server. All fields without a default must be set.
type Config struct {
	Chat    *chat.Service
	Clients *chat.ClientLog // nil: nothing is logged about clients
	Now     func() time.Time
	Random  io.Reader // safe for concurrent use
	Logger  *slog.Logger

	// AcquireSlot acquires a slot for a session from an address, or returns why there is none. The slot is used by
	// Serve for a client of that address, or returned by ReleaseSlot.
	AcquireSlot func(netip.Addr) error
	ReleaseSlot func(netip.Addr)
	// AcquireConn acquires a slot for an accepted connection, and ReleaseConn releases it.
	AcquireConn func(net.Conn) error
	ReleaseConn func(net.Conn)
	// Serve starts a session on a connection, of which early has been read already. It returns at once.
	Serve func(nc net.Conn, early []byte, client session.Client)
	// Address is the URL of the server for a browser, as seen by a client that connected to the local address came.
	Address func(local netip.Addr) *url.URL

	MaxConns          int           // limit of simultaneous connections; 0: the constant MaxConns
	Folder            string        // of the host key and of the states of screens; created if missing. Empty: nothing is stored
	KeysOnly          bool          // clients without a key are rejected
	SlowClientTimeout time.Duration // how long a living client may block writes before its connection is closed; 0: 10 minutes
}

// MaxConns is the default limit of simultaneous connections.
const MaxConns = 1000

// Limits of the server. Limits of one address (IPv6: /64) do not apply to loopback.
const (
	handshakeTimeout = 15 * time.Second // from accepting a connection to its authentication
	requestTimeout   = 15 * time.Second // from opening a channel to its shell or command, and from its end until the client closes it
	idleTimeout      = time.Minute      // after which a connection without a session is closed
	deadAfter        = 45 * time.Second // after the last acknowledgment by its peer's system, a connection is closed
	logRefusedEvery  = time.Minute      // between two log entries about refused connections

	maxSessions        = 1000 // sessions; one address can have a quarter of these, and of connections, see limited
	maxSessionsPerConn = 8    // sessions on one connection
	maxWaiting         = 2    // channels of a connection without a shell or command
	maxOpen            = 32   // channels of a connection that the client has not closed, including sessions and waiting ones

	maxWidth, maxHeight = 500, 200        // of a screen
	maxCells            = 20000           // of a screen
	maxAllCells         = 1 << 20         // of all screens together, counting what exceeds the default size
	maxCellsByNetwork   = maxAllCells / 8 // the same from one address

	resizeEvery = 200 * time.Millisecond // between two sizes that are passed to a screen
	requests    = 100                    // requests a second on a channel, and the burst

	typedRate  = 4 << 10   // bytes a second that a screen reads; as keys, they cost 40 µs each
	pipedRate  = 256 << 10 // bytes a second that a session without a screen reads
	inputBurst = 16 << 10  // the burst of both

	maxEnv     = 16      // environment variables that a client may set
	maxPayload = 4 << 10 // bytes of a request; the longest is a command
)

// Server serves SSH.
type Server struct {
	cfg    Config
	keys   *keys
	config *ssh.ServerConfig
	ctx    context.Context
	stop   context.CancelCauseFunc

	connSlots    *connlimit.Limiter // of connections
	sessionSlots *connlimit.Limiter // of sessions

	sessions  sync.WaitGroup
	running   sync.WaitGroup // all goroutines of the server
	checkDead sync.Once      // starts closeDeadConns

	mu              sync.Mutex
	listeners       []net.Listener       // guarded by mu: all listeners passed to Serve
	conns           map[*conn]struct{}   // guarded by mu
	cells           map[netip.Prefix]int // guarded by mu: cells of screens by network, counting what exceeds the default size
	allCells        int                  // guarded by mu: the sum of cells
	refused         int                  // guarded by mu: refused connections since the last log entry
	refusedLoggedAt time.Time            // guarded by mu: the time of the last log entry about them
	ended           bool                 // guarded by mu: no new connections are accepted
}

var errStopped = errors.New("the server is stopping; try again in a moment")

// New reads the host key, or creates one.
func New(cfg Config) (*Server, error) {
	if cfg.SlowClientTimeout <= 0 {
		cfg.SlowClientTimeout = 10 * time.Minute
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = MaxConns
	}
	keys, err := openKeys(cfg.Folder, cfg.Random)
	if err != nil {
		return nil, err
	}
	if owned := cfg.Chat.RegisteredNames(); keys.newSecret && owned > 0 {
		cfg.Logger.Warn("the SSH secret was missing and a new one was created, so every key has a new sender id, and no key owns the registered names; "+
			"stop the server and restore the file from a backup, or release the names (ramai name list, ramai name release)", "file", filepath.Join(cfg.Folder, secretFile), "names", owned)
	}
	srv := &Server{
		cfg: cfg, keys: keys, conns: make(map[*conn]struct{}),
		connSlots: limited(cfg.MaxConns), sessionSlots: limited(maxSessions), cells: make(map[netip.Prefix]int),
	}
	srv.ctx, srv.stop = context.WithCancelCause(context.Background())
	srv.config = serverConfig(keys.host, cfg.KeysOnly)
	return srv, nil
}

// Fingerprint is the fingerprint of the host key in the format of ssh.
func (srv *Server) Fingerprint() string {
	return ssh.FingerprintSHA256(srv.keys.host.PublicKey())
}

// Name returns the name of the transport.
func (srv *Server) Name() string { return "ssh" }

// Serve serves the connections of ln until Close, and closes ln. It returns nil after Close.
func (srv *Server) Serve(ln net.Listener) error {
	srv.mu.Lock()
	if srv.ended {
		srv.mu.Unlock()
		return ln.Close()
	}
	srv.listeners = append(srv.listeners, ln)
	srv.running.Add(1) // before Close can start to wait
	srv.mu.Unlock()
	defer srv.running.Done()
	defer ln.Close()
	srv.checkDead.Do(func() { srv.running.Go(srv.closeDeadConns) })
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		var passing interface{ Temporary() bool } // as in net/http: for example, no descriptors are left
		switch {
		case err == nil:
			pause = 0
			srv.running.Go(func() { srv.handle(nc) })
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &passing) && passing.Temporary():
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-srv.ctx.Done():
			case <-time.After(pause):
			}
		default:
			return fmt.Errorf("accept connections: %w", err)
		}
	}
}

// Close stops accepting connections and sessions. When ctx ends, it ends all sessions; a client that does not read gets no
// goodbye. It returns when all goroutines of the server have ended.
func (srv *Server) Close(ctx context.Context) {
	srv.mu.Lock()
	srv.ended = true
	for _, ln := range srv.listeners {
		ln.Close()
	}
	srv.mu.Unlock()
	<-ctx.Done()
	srv.stop(errStopped)
	left := make(chan struct{})
	go func() {
		defer close(left)
		srv.sessions.Wait()
	}()
	select {
	case <-left:
	case <-time.After(closeTimeout):
	}
	for _, c := range srv.all() { // including those that are still in the handshake
		c.Close()
	}
	late := time.AfterFunc(closeTimeout, func() { srv.cfg.Logger.Warn("SSH sessions do not end although their connections are closed") })
	defer late.Stop()
	<-left
	srv.running.Wait()
}

func (srv *Server) all() []*conn {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return slices.Collect(maps.Keys(srv.conns))
}

// closeDeadConns closes connections whose peers are gone, until the server is closed. The kernel alone would retransmit
// to them for a quarter of an hour.
func (srv *Server) closeDeadConns() {
	ticker := time.NewTicker(deadAfter / 4)
	defer ticker.Stop()
	for {
		select {
		case <-srv.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, c := range srv.all() {
			if c.isDead != nil && c.isDead(deadAfter) {
				c.Close()
			}
		}
	}
}

// closeTimeout is how long Close waits for screens to be cleared, and then for sessions to end without their
// connections.
const closeTimeout = time.Second

// limited returns a limiter of n slots, of which one address can have a quarter, and a loopback address three quarters.
func limited(n int) *connlimit.Limiter { return connlimit.NewShared(n, max(1, n/4), max(1, n/4*3)) }

// acquireSession counts a session, unless there are too many or the server is closed.
func (srv *Server) acquireSession(c *conn) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.ended {
		return errStopped
	}
	switch err := srv.sessionSlots.Acquire(c.addr); {
	case errors.Is(err, connlimit.ErrShare):
		return errors.New("your address has the maximum number of SSH sessions; try again later")
	case err != nil:
		return errors.New("the server has the maximum number of SSH sessions; try again later")
	}
	srv.sessions.Add(1)
	return nil
}

func (srv *Server) releaseSession(c *conn) {
	srv.sessionSlots.Release(c.addr)
	srv.sessions.Done()
}

// defaultScreen is the size that every screen can have, regardless of others.
var defaultScreen = tui.Size{Width: 80, Height: 24}

// allocateScreen returns the size of a channel's screen in a window. The cost of a screen is its number of cells. Until
// it ends, a channel is charged for its largest screen.
func (srv *Server) allocateScreen(g *channel, window tui.Size) tui.Size {
	if window.Width <= 0 || window.Height <= 0 { // unknown
		return defaultScreen
	}
	size := tui.Size{Width: min(window.Width, maxWidth)}
	size.Height = min(window.Height, maxHeight, maxCells/size.Width)
	srv.mu.Lock()
	defer srv.mu.Unlock()
	more := size.Width*size.Height - defaultScreen.Width*defaultScreen.Height - g.cells
	if more <= 0 {
		return size
	}
	if srv.allCells+more > maxAllCells || !g.conn.local && srv.cells[g.conn.network]+more > maxCellsByNetwork {
		return tui.Size{Width: min(size.Width, defaultScreen.Width), Height: min(size.Height, defaultScreen.Height)}
	}
	srv.addCells(g, more)
	return size
}

// addCells counts cells of a channel. d.mu is held.
func (srv *Server) addCells(g *channel, cells int) {
	g.cells += cells
	srv.allCells += cells
	if srv.cells[g.conn.network] += cells; srv.cells[g.conn.network] == 0 {
		delete(srv.cells, g.conn.network)
	}
}

// freeScreen releases the cells of a channel.
func (srv *Server) freeScreen(g *channel) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.addCells(g, -g.cells)
}
