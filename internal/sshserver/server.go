// Package sshdoor is the chat over SSH: who comes with any SSH client has the screen of the terminal client, or talks line
// by line, with nothing to install.
//
// Nobody gets a shell, a file, a port or an agent. A visit is a client like any other, over a connection in memory: it has
// the limits, the numbers and the rules of ramai.v1. A public key that is proved is a sender of its own, the same each
// time, and the names that it speaks under are its own; who has none is a guest.
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

// Config is what the door needs of a server. All but those that have a default have to be set.
type Config struct {
	Chat    *chat.Service
	Clients *chat.ClientLog // nil: nothing is logged about clients
	Now     func() time.Time
	Random  io.Reader // safe for concurrent use
	Logger  *slog.Logger

	// AcquireSlot takes a place for a session from an address, or says why there is none. It is used up by Serve for a client
	// of that address, or given back by ReleaseSlot.
	AcquireSlot func(netip.Addr) error
	ReleaseSlot func(netip.Addr)
	// AcquireConn takes a place for a connection that was accepted, and ReleaseConn gives it back.
	AcquireConn func(net.Conn) error
	ReleaseConn func(net.Conn)
	// Serve makes a connection a session. early was read from it before. It returns at once.
	Serve func(nc net.Conn, early []byte, client session.Client)
	// Address is where a browser finds the server, for who came to an address of this machine.
	Address func(came netip.Addr) *url.URL

	MaxConns int           // connections at once; 0: MaxConns
	Folder   string        // of the host key, and of what keys are remembered for; made if it is not there. Empty: nothing is kept
	KeysOnly bool          // nobody comes in without a key
	Stall    time.Duration // how long a living client may take nothing before its connection is closed; 0: 10 minutes
}

// MaxConns is how many connections there are at most.
const MaxConns = 1000

// Bounds of the door. What is of one address (IPv6: /64) does not hold for this machine.
const (
	handshakeTimeout = 15 * time.Second // from the connection to its being authenticated
	requestTimeout   = 15 * time.Second // from a channel to its shell or command, and from its end to the client's closing it
	idleTimeout      = time.Minute      // without a visit, and a connection is closed
	deadAfter        = 45 * time.Second // from the last that a peer's system acknowledged to its being given up
	logRefusedEvery  = time.Minute      // between two lines of the log about connections that were refused

	maxSessions        = 1000 // visits; of these, and of connections, one address can have a quarter, see limited
	maxSessionsPerConn = 8    // of them on one connection
	maxWaiting         = 2    // channels of a connection that want nothing yet
	maxOpen            = 32   // channels of a connection that the client has not closed, visits and waiting ones among them

	maxWidth, maxHeight = 500, 200        // of a screen
	maxCells            = 20000           // of a screen
	maxAllCells         = 1 << 20         // of all screens together, as far as they are larger than the usual
	maxCellsByNetwork   = maxAllCells / 8 // of them from one address

	resizeEvery = 200 * time.Millisecond // between two sizes that a screen hears of
	requests    = 100                    // requests a second on a channel, and at once

	typedRate  = 4 << 10   // bytes a second that a screen takes, which costs 40 µs each if they are keys
	pipedRate  = 256 << 10 // and a visit without one
	inputBurst = 16 << 10  // of them at once

	maxEnv     = 16      // variables that a client may set
	maxPayload = 4 << 10 // bytes of a request, which is a command at most
)

// Server serves SSH.
type Server struct {
	cfg    Config
	keys   *keys
	config *ssh.ServerConfig
	ctx    context.Context
	stop   context.CancelCauseFunc

	connSlots    *connlimit.Limiter // places of connections
	sessionSlots *connlimit.Limiter // and of visits

	sessions  sync.WaitGroup
	running   sync.WaitGroup // all that the door has started
	checkDead sync.Once      // for peers that are gone

	mu              sync.Mutex
	listeners       []net.Listener       // guarded by mu: of those that Serve serves or has served
	conns           map[*conn]struct{}   // guarded by mu
	cells           map[netip.Prefix]int // guarded by mu: of screens, by network, as far as they are larger than the usual
	allCells        int                  // guarded by mu: of all of them
	refused         int                  // guarded by mu: connections, since told
	refusedLoggedAt time.Time            // guarded by mu: when the log was last told of them
	ended           bool                 // guarded by mu: nobody more comes in
}

var errStopped = errors.New("the server stops; come back in a moment")

// New reads the host key, or makes one.
func New(cfg Config) (*Server, error) {
	if cfg.Stall <= 0 {
		cfg.Stall = 10 * time.Minute
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = MaxConns
	}
	keys, err := openKeys(cfg.Folder, cfg.Random)
	if err != nil {
		return nil, err
	}
	if owned := cfg.Chat.RegisteredNames(); keys.fresh && owned > 0 {
		cfg.Logger.Warn("the secret of SSH was missing and is made anew, so every key is another sender than before, and nobody has the keys that names belong to; "+
			"stop, and bring it back from a backup, or free the names (ramai name list, ramai name release)", "file", filepath.Join(cfg.Folder, secretFile), "names", owned)
	}
	d := &Server{
		cfg: cfg, keys: keys, conns: make(map[*conn]struct{}),
		connSlots: limited(cfg.MaxConns), sessionSlots: limited(maxSessions), cells: make(map[netip.Prefix]int),
	}
	d.ctx, d.stop = context.WithCancelCause(context.Background())
	d.config = serverConfig(keys.host, cfg.KeysOnly)
	return d, nil
}

// Fingerprint is that of the host key, as ssh shows it.
func (d *Server) Fingerprint() string {
	return ssh.FingerprintSHA256(d.keys.host.PublicKey())
}

// Serve serves ln until Close.
func (d *Server) Serve(ln net.Listener) error {
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return ln.Close()
	}
	d.listeners = append(d.listeners, ln)
	d.running.Add(1) // while Close cannot be waiting yet
	d.mu.Unlock()
	defer d.running.Done()
	defer ln.Close()
	d.checkDead.Do(func() { d.running.Go(d.closeDeadConns) })
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		var passing interface{ Temporary() bool } // as net/http has it: there are no descriptors left, for one
		switch {
		case err == nil:
			pause = 0
			d.running.Go(func() { d.handle(nc) })
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &passing) && passing.Temporary():
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-d.ctx.Done():
			case <-time.After(pause):
			}
		default:
			return fmt.Errorf("accepting connections of SSH: %w", err)
		}
	}
}

// Close ends all visits, and returns when all that the door has started is over. Who reads nothing hears no goodbye.
func (d *Server) Close() {
	d.mu.Lock()
	d.ended = true
	for _, ln := range d.listeners {
		ln.Close()
	}
	d.mu.Unlock()
	d.stop(errStopped)
	left := make(chan struct{})
	go func() {
		defer close(left)
		d.sessions.Wait()
	}()
	select {
	case <-left:
	case <-time.After(closeTimeout):
	}
	for _, c := range d.all() { // also those that have not come to the end of their handshake
		c.Close()
	}
	late := time.AfterFunc(closeTimeout, func() { d.cfg.Logger.Warn("visits over SSH do not end with their connections") })
	defer late.Stop()
	<-left
	d.running.Wait()
}

func (d *Server) all() []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.conns))
}

// closeDeadConns closes connections whose peers are gone until the door is closed: the kernel keeps sending to them for a quarter of an
// hour.
func (d *Server) closeDeadConns() {
	ticker := time.NewTicker(deadAfter / 4)
	defer ticker.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, c := range d.all() {
			if c.gone != nil && c.gone(deadAfter) {
				c.Close()
			}
		}
	}
}

// closeTimeout is how long screens may take to be cleared when the door is closed, and visits to end without connections.
const closeTimeout = time.Second

// limited returns a limiter of n places, of which one address can have a quarter, and one of this machine three quarters.
func limited(n int) *connlimit.Limiter { return connlimit.NewShared(n, max(1, n/4), max(1, n/4*3)) }

// acquireSession counts a visit, unless there are too many or the door is closed.
func (d *Server) acquireSession(c *conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return errStopped
	}
	switch err := d.sessionSlots.Acquire(c.addr); {
	case errors.Is(err, connlimit.ErrShare):
		return errors.New("your address has as many visits over SSH as it can have; try again later")
	case err != nil:
		return errors.New("the server has as many visits over SSH as it can have; try again later")
	}
	d.sessions.Add(1)
	return nil
}

func (d *Server) releaseSession(c *conn) {
	d.sessionSlots.Release(c.addr)
	d.sessions.Done()
}

// defaultScreen is how large a screen can be whatever others are.
var defaultScreen = tui.Size{Width: 80, Height: 24}

// allocateScreen returns how large the screen of a channel can be in a window. What a screen costs is its cells. A channel pays until its
// end for the largest that it was.
func (d *Server) allocateScreen(g *channel, window tui.Size) tui.Size {
	if window.Width <= 0 || window.Height <= 0 { // unknown
		return defaultScreen
	}
	size := tui.Size{Width: min(window.Width, maxWidth)}
	size.Height = min(window.Height, maxHeight, maxCells/size.Width)
	d.mu.Lock()
	defer d.mu.Unlock()
	more := size.Width*size.Height - defaultScreen.Width*defaultScreen.Height - g.cells
	if more <= 0 {
		return size
	}
	if d.allCells+more > maxAllCells || !g.conn.local && d.cells[g.conn.network]+more > maxCellsByNetwork {
		return tui.Size{Width: min(size.Width, defaultScreen.Width), Height: min(size.Height, defaultScreen.Height)}
	}
	d.addCells(g, more)
	return size
}

// addCells counts cells of a channel. d.mu is held.
func (d *Server) addCells(g *channel, cells int) {
	g.cells += cells
	d.allCells += cells
	if d.cells[g.conn.network] += cells; d.cells[g.conn.network] == 0 {
		delete(d.cells, g.conn.network)
	}
}

// freeScreen gives back what a channel has paid for.
func (d *Server) freeScreen(g *channel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addCells(g, -g.cells)
}
