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
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/metrics"
	"ramai/internal/reactor"
	"ramai/internal/room"
	"ramai/internal/session"
	"ramai/internal/sshserver"
	"ramai/internal/store/search"
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
			s.hub.Withdraw()
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
