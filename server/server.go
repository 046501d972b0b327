// Package server is one ramai server as a value: [New] opens its data, [Server.Serve] runs its transports until its context
// ends, and [Server.Handler] embeds it in another HTTP server.
//
// It is the only place where the parts meet. Data moves in one direction: a session submits a command to the sequencer, the
// store commits it, the outcome feed appends it to the fan-out buffers of the rooms, and sessions pull it from there.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/metrics"
	"ramai/internal/names"
	"ramai/internal/reactor"
	"ramai/internal/room"
	"ramai/internal/sequencer/local"
	"ramai/internal/session"
	"ramai/internal/sshserver"
	"ramai/internal/store/memory"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
	"ramai/internal/token"
	"ramai/wire"
)

// Server is one server. Create it with New.
type Server struct {
	cfg      Config
	store    eventlog.Store
	index    *search.Index
	eventlog *eventlog.Log
	hub      *room.Hub
	reactor  reactor.Reactor
	chat     *chat.Service
	env      *session.Env
	metrics  *metrics.Metrics
	clock    *clock
	ssh      *sshserver.Server // nil: SSH is off
	tokens   *token.Verifier   // nil: tokens are not accepted

	transports []Transport
	serving    sync.WaitGroup // a goroutine for each transport that serves a listener
	failed     chan error     // errors of transports that have stopped by themselves

	cancel     context.CancelFunc // stops the event log before its queue is empty
	logEnded   chan struct{}      // closed when the event log has stopped
	quit       chan struct{}      // closed to stop the background goroutines
	marked     chan struct{}      // has a token after marks were stored, for the tallier
	ended      chan struct{}      // has a token after sessions have changed, for recheck
	forgotten  atomic.Uint64      // counts what was erased of people besides their records
	erased     chan struct{}      // has a token after an erasure was stored or undone, for the eraser
	background sync.WaitGroup
	closing    sync.Once

	mu       sync.Mutex
	sessions map[*session.Session]struct{} // guarded by mu
	emptied  chan struct{}                 // guarded by mu: closed when the last session has ended; nil: nobody waits for that
	stopped  bool                          // guarded by mu: new sessions are rejected
	renamed  map[string]*eventlog.ReplyTo  // guarded by mu: senders whose name has changed, each with the connection that already knows it; nil: none
	affected map[string]bool               // guarded by mu: senders whose sessions have changed; true: all of them have ended; nil: none

	slots *connlimit.Limiter // slots of sessions
	conns *connlimit.Limiter // slots of connections of any kind, from the moment they are accepted

	accepted atomic.Int64 // sessions since the start
}

// New opens the data and starts the event log. The caller must call Serve or Close.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		cfg.member.close()
		return nil, err
	}
	encryption, names, err := cfg.encryption()
	if err != nil {
		cfg.member.close()
		return nil, err
	}
	cfg.AllowHosts = slices.Concat(cfg.AllowHosts, names)
	s := &Server{
		cfg: cfg, metrics: metrics.New(cfg.Version),
		logEnded: make(chan struct{}), quit: make(chan struct{}), marked: make(chan struct{}, 1), ended: make(chan struct{}, 1), erased: make(chan struct{}, 1), sessions: make(map[*session.Session]struct{}),
	}
	s.slots = connlimit.New(cfg.MaxConns, cfg.MaxConnsPerAddress)
	s.conns = s.slots.Widened(rejectedConns)
	started, err := s.open()
	if err == nil {
		err = s.openTransports(encryption)
	}
	if err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	s.metrics.Register(s.metricSources())
	s.runLog()
	s.background.Go(s.tick)
	s.background.Go(s.recheck)
	if s.tokens != nil {
		s.background.Go(s.runTokens)
	}
	if !cfg.noMaintenance {
		s.background.Go(s.tidyRooms)
	}
	if err := s.awaitStart(started); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.addAddressKey(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if cfg.member != nil {
		s.background.Go(s.runMember)
	}
	s.background.Go(s.tally)
	s.background.Go(s.erase)
	if !cfg.noMaintenance { // only now: a damaged old message must not keep a server from starting
		s.background.Go(s.sweep)
		s.background.Go(s.scrub)
	}
	if err := s.startOperator(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open opens the data and creates the parts that use it. It returns where the outcome of the first command will arrive. After
// an error, abandon closes the parts that exist.
func (s *Server) open() (<-chan *eventlog.Outcome, error) {
	cfg := &s.cfg
	budget := fanout.NewBudget(cfg.BufferMemory)
	react, err := openReactor(cfg.IO, reactor.Options{SlowTimeout: cfg.SlowClientTimeout, Budget: budget})
	if err != nil {
		return nil, err
	}
	s.reactor = react
	s.clock = newClock(cfg) // reads the times of the files before they are opened
	store, err := openStore(cfg)
	if err != nil {
		return nil, err
	}
	s.store = store
	if err := eventlog.Current.CheckLevel(store.Level()); err != nil {
		return nil, err
	}
	s.clock.newest = newest(s.store)
	s.hub = room.NewHub(s.store, room.Options{
		Budget: budget, Logger: cfg.Logger,
		CanRead: func(room, senderID string, addr netip.Addr) bool { return s.chat.CanRead(room, senderID, addr) },
		RuleEnd: func(room string) time.Time {
			if end := s.store.RuleEnd(room, wire.TimeOf(cfg.Now())); end != 0 {
				return end.Std()
			}
			return time.Time{}
		},
	})
	s.index = search.Open(indexPath(cfg), s.store, cfg.Logger, cfg.Now)
	node, at := eventlog.LocalNode, cfg.Now
	if m := cfg.member; m != nil {
		if cfg.sequencer, err = m.open(s.store); err != nil {
			return nil, err
		}
		node, at = m.name, m.node.Time
	}
	if cfg.sequencer == nil {
		cfg.sequencer = local.New()
	}
	started := make(chan *eventlog.Outcome, 1)
	s.eventlog = eventlog.NewLog(s.store, cfg.sequencer, eventlog.Options{
		Feed: s.feed, Now: cfg.Now, At: at, Logger: cfg.Logger, Applied: s.metrics.Committed, Node: node,
		// The first command begins an epoch and frees the names held by connections of an earlier run.
		Start: func(after uint64) (eventlog.Submission, error) {
			nonce, err := eventlog.NewNonce(cfg.Random)
			return eventlog.Submission{
				Command: eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: node, After: after, Nonce: nonce}},
				ReplyTo: &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
					select {
					case started <- o:
					default: // only the first one matters
					}
				}},
			}, err
		},
	})
	if err := errors.Join(s.renewKeys(), s.configure()); err != nil {
		return nil, err
	}
	if s.tokens, err = cfg.verifier(); err != nil {
		return nil, err
	}
	s.openChat()
	if err := s.chat.LoadSessions(); err != nil {
		return nil, err
	}
	return started, nil
}

// openChat creates the chat service, and what all sessions share.
func (s *Server) openChat() {
	cfg, limits := &s.cfg, s.cfg.limits()
	frames := frame.Config{TextOnly: true, MaxMessage: limits.Frame, MaxFragments: maxFragments}
	deflate := frames
	deflate.Deflate = true
	deflate.MaxDeflated = limits.Frame / 3 // above the longest text; inflating that takes at most half a millisecond
	var clients *chat.ClientLog
	if !cfg.Quiet {
		clients = chat.NewClientLog(cfg.Logger, cfg.Now, cfg.LogTexts)
	}
	s.chat = chat.New(chat.Config{
		Hub: s.hub, Store: s.store, Submit: s.submit, Search: s.index.Search, Shared: !cfg.sequencer.Exclusive(), Rates: cfg.rates(), Limits: limits,
		Now: cfg.Now, Random: cfg.Random, Logger: cfg.Logger, Log: clients, Tokens: s.tokens, IsProxy: s.isProxy,
	})
	s.env = &session.Env{
		Chat: s.chat, Budget: s.hub.Budget(), Frame: &frames, Deflate: &deflate, Server: "ramai " + cfg.Version,
		Start: cfg.Now(), Now: cfg.Now, Logger: cfg.Logger, Clients: clients, Closed: s.sessionClosed, Refused: s.metrics.Rejected,
	}
}

// abandon closes what open has opened.
func (s *Server) abandon() error {
	var err error
	if s.reactor != nil {
		s.reactor.Close()
	}
	if s.index != nil {
		err = s.index.Close()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	s.cfg.member.close()
	return err
}

// runLog runs the event log in the background until it is closed.
func (s *Server) runLog() {
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(s.logEnded)
		if err := s.eventlog.Run(ctx); err != nil {
			s.cfg.Logger.Error("the event log stopped early; queued messages were not stored", "err", err)
		}
	}()
}

// awaitStart waits for the outcome of the first command, so that a server that cannot write fails when it starts. If nothing
// can be ordered at present, the server serves readers meanwhile.
func (s *Server) awaitStart(started <-chan *eventlog.Outcome) error {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case o := <-started:
			if o.Status == eventlog.Refused {
				return fmt.Errorf("cannot write to the data folder: %w; see the log, free disk space, or use another folder", o.Err)
			}
			return nil
		case <-poll.C:
			if err := s.eventlog.Unavailable(); err != nil {
				s.cfg.Logger.Warn("the server starts for readers only until messages can be ordered", "err", err)
				return nil
			}
		case <-timeout:
			return errors.New("cannot write to the data folder: no commit within 10 s; see the log, and check the disk")
		}
	}
}

// submit adds what depends on the clock to commands, and passes them on to the log.
func (s *Server) submit(sub eventlog.Submission, room func()) error {
	sub.SetExpiry(wire.Time(s.clock.expiry.Load()))
	return s.eventlog.Submit(sub, room)
}

// renewKeys submits new keys for names whose keys this version computes differently. The tables do not change while the
// server runs, so one call is enough.
func (s *Server) renewKeys() error {
	for _, renew := range eventlog.RenewedKeys(s.store, names.Key) {
		if err := s.eventlog.Submit(eventlog.Submission{Command: renew}, nil); err != nil {
			return err
		}
	}
	return nil
}

// configure submits the configured limits, if they are not those that apply.
func (s *Server) configure() error {
	limits := eventlog.Limits{MaxRooms: s.cfg.MaxRooms, EditWindow: s.cfg.EditWindow}
	if s.store.Limits() == limits {
		return nil
	}
	return s.eventlog.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: limits}}}, nil)
}

// addressKeyWait is how long a start waits for the first key with which addresses are hashed.
const addressKeyWait = time.Second

// addAddressKey stores the first key with which addresses are hashed, so that the first message has an origin. If that takes long,
// messages have none until it is done. The sweeper submits the others.
func (s *Server) addAddressKey() error {
	if len(s.store.AddressKeys()) > 0 || !s.cfg.sequencer.Exclusive() && s.store.Level() < eventlog.HoldLevel { // the level may be raised later
		return nil
	}
	rotate, err := newAddressKey(s.cfg.Random)
	if err != nil {
		return err
	}
	late := make(chan struct{})
	timer := time.AfterFunc(addressKeyWait, func() { close(late) })
	defer timer.Stop()
	if _, err := runCommands(s.eventlog.Submit, late, rotate); err != nil && !errors.Is(err, errStopping) {
		s.cfg.Logger.Warn("cannot store a key for the hashes of addresses; will retry", "err", err)
	}
	return nil
}

// feed implements eventlog.Feed.
func (s *Server) feed(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	s.noteSessions(outcomes) // first: a client uses a session as soon as the hub has told it that the session is stored
	s.hub.Feed(outcomes, submissions)
	s.metrics.Decided(outcomes)
	s.index.Note(len(outcomes))
	s.noteRenames(outcomes, submissions)
	s.noteMarks(outcomes)
	s.noteErasures(outcomes)
	s.noteForgotten(outcomes)
}

// noteRenames collects the senders whose name has changed.
func (s *Server) noteRenames(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	for i := range outcomes {
		for _, sender := range outcomes[i].Renamed {
			s.mu.Lock()
			if s.renamed == nil {
				s.renamed = make(map[string]*eventlog.ReplyTo)
			}
			s.renamed[sender] = nil
			if len(submissions) > 0 {
				s.renamed[sender] = submissions[i].ReplyTo
			}
			s.mu.Unlock()
		}
	}
}

// sendRenames notifies the connections of renamed senders. Finding them takes a pass over all sessions, so it is done once a
// second for all of them.
func (s *Server) sendRenames() {
	s.mu.Lock()
	renamed := s.renamed
	s.renamed = nil
	s.mu.Unlock()
	if len(renamed) == 0 {
		return
	}
	s.each(func(c *session.Session) {
		if replyTo, ok := renamed[c.SenderID()]; ok {
			c.Renamed(replyTo)
		}
	})
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
	return nil, fmt.Errorf("invalid I/O mode %q (want %q, %q or %q)", kind, Auto, Epoll, Portable)
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
		return nil, fmt.Errorf("invalid durability %q (want %q or %q)", cfg.Durability, Full, Normal)
	}
	return sqlite.Open(cfg.Data, sqlite.Options{Durability: durability, Random: cfg.Random, Logger: cfg.Logger, Member: cfg.member != nil})
}

// indexPath returns the path of the search index; empty: in memory.
func indexPath(cfg *Config) string {
	if cfg.InMemory {
		return ""
	}
	return filepath.Join(cfg.Data, search.FileName)
}

// tick runs the tasks of each second: it updates presence, sends renames, logs availability, and returns memory to the
// system after a burst of connections.
func (s *Server) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var bursts burstDetector
	available := availability{logger: s.cfg.Logger, now: s.cfg.Now}
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
			s.hub.Tick(s.cfg.Now())
			s.sendRenames()
			available.update(cmp.Or(s.trouble(), s.eventlog.Failure()))
			if bursts.over(s.accepted.Load()) {
				runtime.GC() // pools release their contents only in the second collection; FreeOSMemory runs that
				debug.FreeOSMemory()
			}
		}
	}
}
