package server

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/names"
	"ramai/internal/reactor"
	"ramai/internal/room"
	"ramai/internal/sequencer/local"
	"ramai/internal/session"
	"ramai/internal/store/memory"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

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
	s.openHub(budget)
	s.index = search.Open(indexPath(cfg), s.store, cfg.Logger, cfg.Now)
	node, at := eventlog.LocalNode, cfg.Now
	if m := cfg.member; m != nil {
		if cfg.sequencer, err = m.open(s.store); err != nil {
			return nil, err
		}
		if err := m.node.ReceivePeople(s.hub.Receive); err != nil {
			return nil, err
		}
		node, at = m.name, m.node.Time
	}
	if cfg.sequencer == nil {
		cfg.sequencer = local.New()
	}
	started := s.openLog(node, at)
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

func (s *Server) openHub(budget *fanout.Budget) {
	cfg := &s.cfg
	s.hub = room.NewHub(s.store, room.Options{
		Budget: budget, Logger: cfg.Logger, Publish: cfg.member.publishPeople(),
		CanRead: func(room, senderID string, addr netip.Addr) bool { return s.chat.CanRead(room, senderID, addr) },
		RuleEnd: func(room string) time.Time {
			if end := s.store.RuleEnd(room, wire.TimeOf(cfg.Now())); end != 0 {
				return end.Std()
			}
			return time.Time{}
		},
	})
}

// openLog opens the event log, and returns a channel for the outcome of its first command. That begins an epoch, and frees the names
// held by connections of an earlier run.
func (s *Server) openLog(node string, at func() time.Time) <-chan *eventlog.Outcome {
	cfg := &s.cfg
	started := make(chan *eventlog.Outcome, 1)
	s.eventlog = eventlog.NewLog(s.store, cfg.sequencer, eventlog.Options{
		Feed: s.feed, Now: cfg.Now, At: at, Logger: cfg.Logger, Applied: s.metrics.Committed, Node: node,
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
	return started
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
	if s.hub != nil {
		s.hub.Withdraw()
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
