// Package server is one ramai server as a value: [New] opens its data, [Server.Serve] runs it on a listener until its
// context ends, [Server.Handler] puts it into another HTTP server.
//
// It is the only place where the parts meet. What is said goes one way round: a session submits it to the journal's
// orderer, the store has it on disk, the outcome feed brings it to the rooms' tapes, and the sessions take it from
// there.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/metrics"
	"ramai/internal/reactor"
	"ramai/internal/room"
	"ramai/internal/sequencer/local"
	"ramai/internal/session"
	"ramai/internal/sshserver"
	"ramai/internal/store/memory"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

// How long each step of an orderly stop may take. Together they are below 10 s.
const (
	stopCommit = 2 * time.Second // what was said is stored
	stopTell   = 5 * time.Second // and told
	stopFlush  = 2 * time.Second // and the goodbye is sent
)

// Server is one server. Make it with New.
type Server struct {
	cfg      Config
	store    eventlog.Store
	index    *search.Index
	eventlog *eventlog.Log
	hub      *room.Hub
	reactor  reactor.Reactor
	env      *session.Env
	metrics  *metrics.Metrics
	clock    *clock
	tls      *tls.Config       // nil: connections are not encrypted
	ssh      *sshserver.Server // nil: there is none

	operator  *http.Server   // nil: the data is in no folder, or that cannot have a socket
	operating sync.WaitGroup // the accepting of its connections

	cancel   context.CancelFunc // ends the orderer before its queue is empty
	logEnded chan struct{}      // closed when the log has ended
	quit     chan struct{}      // ends what is done now and then
	ticker   sync.WaitGroup
	closing  sync.Once

	mu       sync.Mutex
	sessions map[*session.Session]struct{} // guarded by mu
	emptied  chan struct{}                 // guarded by mu: closed when the last session has ended; nil: nobody waits
	stopped  bool                          // guarded by mu: no more sessions
	renamed  map[string]*eventlog.ReplyTo  // guarded by mu: senders to be told of their name, but for the connection that knows; nil: none

	places *connlimit.Limiter // of sessions, those to come among them
	conns  *connlimit.Limiter // of connections of any kind, from their being accepted on: with some more, who are told that there is no place

	arrived atomic.Int64 // sessions that there ever were
}

// New opens the data and starts what orders and stores. The server has to be closed, by Serve or by Close.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	encryption, names, err := cfg.encryption()
	if err != nil {
		return nil, err
	}
	cfg.AllowHosts = slices.Concat(cfg.AllowHosts, names)
	budget := fanout.NewBudget(cfg.BufferMemory)
	react, err := openReactor(cfg.IO, reactor.Options{SlowTimeout: cfg.SlowClientTimeout, Budget: budget})
	if err != nil {
		return nil, err
	}
	clock := newClock(&cfg) // looks at the data before they are opened
	store, err := openStore(&cfg)
	if err != nil {
		react.Close()
		return nil, err
	}
	clock.newest = newest(store)
	s := &Server{
		cfg: cfg, store: store, clock: clock, reactor: react, tls: encryption, metrics: metrics.New(cfg.Version),
		logEnded: make(chan struct{}), quit: make(chan struct{}), sessions: make(map[*session.Session]struct{}),
	}
	s.places = connlimit.New(cfg.MaxConns, cfg.MaxConnsPerAddress)
	s.conns = s.places.Widened(told)
	s.hub = room.NewHub(store, room.Options{Budget: budget, Logger: cfg.Logger})
	s.index = search.Open(indexPath(&cfg), store, cfg.Logger)
	// Before anything else an epoch begins, and names that were bound to connections of an earlier run become free.
	started := make(chan *eventlog.Outcome, 1)
	epoch, err := eventlog.NewEpoch(cfg.Random)
	if err != nil {
		react.Close()
		return nil, errors.Join(err, s.index.Close(), store.Close())
	}
	if cfg.sequencer == nil {
		cfg.sequencer = local.New()
	}
	s.eventlog = eventlog.NewLog(store, cfg.sequencer, eventlog.Options{Feed: s.feed, Now: cfg.Now, Logger: cfg.Logger, Applied: s.metrics.Committed, MaxRooms: cfg.MaxRooms,
		Expiry: func() wire.Time { return wire.Time(clock.expiry.Load()) },
		Start: &eventlog.Submission{
			Command: eventlog.Command{Kind: eventlog.Restart, EpochName: epoch},
			ReplyTo: &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) { started <- o }},
		},
	})
	limits := cfg.limits()
	frames := frame.Config{TextOnly: true, MaxMessage: limits.Frame, MaxFragments: maxFragments}
	deflate := frames
	deflate.Deflate = true
	deflate.MaxDeflated = limits.Frame / 3 // more than the longest text has; it takes half a millisecond to inflate at worst
	s.env = &session.Env{
		Hub: s.hub, Store: store, Submit: s.eventlog.Submit, Rates: cfg.rates(), Limits: limits,
		Frame: &frames, Deflate: &deflate,
		Server: "ramai " + cfg.Version, Start: cfg.Now(), Now: cfg.Now, Random: cfg.Random, Logger: cfg.Logger, Closed: s.ended, Refused: s.metrics.Rejected,
	}
	if !cfg.Quiet {
		s.env.Clients = session.NewClientLog(cfg.Logger, cfg.Now, cfg.LogTexts)
	}
	if cfg.SSH {
		if s.ssh, err = s.openSSH(); err != nil {
			react.Close()
			return nil, errors.Join(err, s.index.Close(), store.Close())
		}
	}
	s.metrics.Register(s.metricSources())
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(s.logEnded)
		if err := s.eventlog.Run(ctx); err != nil {
			cfg.Logger.Error("the event log stopped early; queued messages were not stored", "err", err)
		}
	}()
	s.ticker.Go(s.tick)
	if !cfg.untended {
		s.ticker.Go(s.tidyRooms)
	}
	if err := s.waitStarted(started); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if !cfg.untended { // not before: what is wrong with an old message is not to keep a server from starting
		s.ticker.Go(s.keepTidy)
	}
	s.serveOperator()
	return s, nil
}

// feed implements eventlog.Feed.
func (s *Server) feed(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	s.hub.Feed(outcomes, submissions)
	s.metrics.Decided(outcomes)
	s.index.Note(len(outcomes))
	s.note(outcomes, submissions)
}

// note keeps who holds another name than before, and what has asked for that.
func (s *Server) note(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	for i := range outcomes {
		for _, by := range outcomes[i].Renamed {
			s.mu.Lock()
			if s.renamed == nil {
				s.renamed = make(map[string]*eventlog.ReplyTo)
			}
			s.renamed[by] = nil
			if len(submissions) > 0 {
				s.renamed[by] = submissions[i].ReplyTo
			}
			s.mu.Unlock()
		}
	}
}

// tellRenamed tells the connections of those who hold another name. To find them takes a look at every session, so it is
// done once a second for all.
func (s *Server) tellRenamed() {
	s.mu.Lock()
	renamed := s.renamed
	s.renamed = nil
	s.mu.Unlock()
	if len(renamed) == 0 {
		return
	}
	s.each(func(c *session.Session) {
		if origin, ok := renamed[c.SenderID()]; ok {
			c.Renamed(origin)
		}
	})
}

// waitStarted waits for the outcome of the first command, so that a server that cannot write fails at its start. If
// nothing is ordered at present, the server serves readers meanwhile.
func (s *Server) waitStarted(started <-chan *eventlog.Outcome) error {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case o := <-started:
			if o.Status == eventlog.Refused {
				return fmt.Errorf("the data cannot be written, see the log; make room on the disk, or use another folder: %w", o.Err)
			}
			return nil
		case <-poll.C:
			if err := s.eventlog.Unavailable(); err != nil {
				s.cfg.Logger.Warn("the server starts for readers only until messages can be ordered", "err", err)
				return nil
			}
		case <-timeout:
			return errors.New("the data cannot be written, see the log; is the disk in order?")
		}
	}
}

func openReactor(kind IOMode, opt reactor.Options) (reactor.Reactor, error) {
	switch kind {
	case Auto, "":
		return reactor.New(opt)
	case Epoll:
		return reactor.NewEpoll(opt)
	case Portable:
		return reactor.NewPortable(opt), nil
	}
	return nil, fmt.Errorf("the reactor is %q, %q or %q, not %q", Auto, Epoll, Portable, kind)
}

func openStore(cfg *Config) (eventlog.Store, error) {
	if cfg.InMemory {
		return memory.New(cfg.Random)
	}
	durability := sqlite.Full
	switch cfg.Durability {
	case Full:
	case Normal:
		durability = sqlite.Normal
	default:
		return nil, fmt.Errorf("durability is %q or %q, not %q", Full, Normal, cfg.Durability)
	}
	return sqlite.Open(cfg.Data, sqlite.Options{Durability: durability, Random: cfg.Random, Logger: cfg.Logger})
}

// indexPath is where the search index is; empty: in memory.
func indexPath(cfg *Config) string {
	if cfg.InMemory {
		return ""
	}
	return filepath.Join(cfg.Data, search.FileName)
}

// tick brings the rooms' states up to date, once a second, and gives back what memory a storm has taken.
func (s *Server) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var calm calm
	saying := saying{logger: s.cfg.Logger, now: s.cfg.Now}
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
			s.hub.Tick(s.cfg.Now())
			s.tellRenamed()
			saying.look(cmp.Or(s.trouble(), s.eventlog.Failure()))
			if calm.after(s.arrived.Load()) {
				runtime.GC() // once for the pools: they let go of what two collections did not need
				debug.FreeOSMemory()
			}
		}
	}
}

// storm is how many clients must have come for what their handshakes took to be worth giving back.
const storm = 500

// calm notices when a storm of new connections is over. Their handshakes take many times the memory that the sessions
// keep, and without one more collection the process would hold on to it for minutes.
type calm struct {
	settled int64 // clients that had come when memory was given back last
	before  int64 // clients that had come a second ago
	quiet   int   // seconds in which few came
}

// after is told once a second how many clients have come so far. It returns whether a storm has been over for 5 s.
func (c *calm) after(arrived int64) bool {
	c.quiet++
	if arrived-c.before > storm/10 {
		c.quiet = 0
	}
	c.before = arrived
	if c.quiet < 5 {
		return false
	}
	came := arrived - c.settled
	c.settled = arrived // a trickle does not add up
	return came >= storm
}

// Serve serves ln until ctx ends, and then stops in good order: nothing more is said, what was said is stored and told,
// clients are asked to come back, each at another time. It returns nil after such a stop, within 10 s. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          newHTTPLog(s.cfg.Logger),
		ConnState:         s.left,
	}
	ended := make(chan error, 1)
	ln = &limitedListener{Listener: ln, server: s}
	serve := func() error { return h.Serve(ln) }
	if s.tls != nil {
		h.TLSConfig = s.tls
		serve = func() error { return h.ServeTLS(ln, "", "") }
	}
	var accepting sync.WaitGroup
	accepting.Go(func() { ended <- serve() })
	defer accepting.Wait() // it ends with Shutdown
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("accepting connections: %w", err)
	}
	// Requests under way are answered while the sessions end. The connections of sessions are no longer h's own, but for
	// those of HTTP/2, whose requests end with them.
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		h.Shutdown(context.Background())
	}()
	err = errors.Join(err, s.Close())
	select {
	case <-answered:
	case <-time.After(stopFlush):
		h.Close()
		<-answered
	}
	return err
}

// Close stops in the good order that Serve describes.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() { err = s.close() })
	return err
}

func (s *Server) close() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.each(func(c *session.Session) { c.Quiet() })
	s.eventlog.Close()
	select {
	case <-s.logEnded:
	case <-time.After(stopCommit):
	}
	s.cancel()
	<-s.logEnded
	s.each(func(c *session.Session) { c.Leave(s.retry()) })
	told := s.wait(stopTell)
	var sshClosing sync.WaitGroup
	if s.ssh != nil {
		sshClosing.Go(s.ssh.Close)
	}
	if !told {
		s.each(func(c *session.Session) { c.Force(s.retry()) })
		s.wait(stopFlush)
	}
	sshClosing.Wait()
	s.reactor.Close()
	close(s.quit)
	s.ticker.Wait()
	s.hub.Wait()
	if s.operator != nil { // before another server can have the folder
		s.operator.Close()
		s.operating.Wait()
	}
	if err := s.index.Close(); err != nil {
		s.cfg.Logger.Warn("the search index will be made anew at the next start", "err", err)
	}
	return s.store.Close()
}

// retry is after how long a client is asked to come back, for each another time: at most a thousand come a second. It
// is called with mu held.
func (s *Server) retry() time.Duration {
	spread := max(500*time.Millisecond, time.Duration(len(s.sessions))*time.Millisecond)
	return 100*time.Millisecond + rand.N(spread)
}

// each calls f for each session, with mu held.
func (s *Server) each(f func(*session.Session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		f(c)
	}
}

// wait waits until no session is left, and returns whether that came in time.
func (s *Server) wait(most time.Duration) bool {
	s.mu.Lock()
	if len(s.sessions) == 0 {
		s.mu.Unlock()
		return true
	}
	emptied := make(chan struct{})
	s.emptied = emptied
	s.mu.Unlock()
	select {
	case <-emptied:
		return true
	case <-time.After(most):
		return false
	}
}

// ended forgets a session that is closed.
func (s *Server) ended(c *session.Session, why error) {
	s.metrics.Closed(closeReason(why))
	from := s.sharer(c.RemoteAddr().Addr())
	s.places.Release(from)
	s.conns.Release(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	if len(s.sessions) == 0 && s.emptied != nil {
		close(s.emptied)
		s.emptied = nil
	}
}

// tcpOf is the connection of the system below nc; nil if there is none.
func tcpOf(nc net.Conn) *net.TCPConn {
	if over, ok := nc.(*tls.Conn); ok {
		nc = over.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}

// serve makes a connection a session, whose place was taken. early was read from it before.
func (s *Server) serve(nc net.Conn, early []byte, client session.Client) {
	if tcp := tcpOf(nc); tcp != nil { // an idle peer that is gone is found by the kernel
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	s.reactor.Add(nc, early, func(conn reactor.Conn) reactor.Source {
		c := session.New(s.env, conn, client)
		s.arrived.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns.Add(s.sharer(client.Addr.Addr()))
		s.sessions[c] = struct{}{}
		if s.stopped {
			c.Force(s.retry())
		}
		return c
	})
}
