package session

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/room"
	"ramai/internal/sequencer/local"
	"ramai/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setting is the configuration of a harness. The zero value has no rate limits.
type setting struct {
	buffer   int64 // bytes of all fan-out buffers; 0: plenty
	rate     float64
	burst    int
	queue    int // of the log; 0: its default
	batch    int // of the log; 0: its default
	maxRooms int // 0: 100
	seed     uint64
	cluster  *eventlogtest.Sequence // orders the commands, with other nodes; nil: the server is alone
	node     int                    // the number of the node in the cluster
	program  *eventlog.Program      // nil: the current one
}

// The allowance of an address as a multiple of a sender's, the rooms it may create in a minute, and the names its keys
// may register in an hour.
const (
	sendersAnAddress = 20
	roomsAMinute     = 10
	namesAnHour      = 6
)

// harness is the whole server side, stepped by a test: one goroutine, no sockets, and a clock that moves only on
// request.
type harness struct {
	tb          testing.TB
	set         setting
	clock       time.Time
	tick        time.Time // when the hub ticks next
	random      io.Reader
	store       *faultyStore
	sequencer   *eventlog.Log
	member      *eventlogtest.Member // of a cluster
	hub         *room.Hub
	env         *Env
	submit      func(eventlog.Submission, func()) error // of the sequencer, unless a test replaces it
	jobs        []func()                                // background jobs of the hub
	jobNetworks []netip.Prefix                          // the networks to which the jobs so far were charged
	links       []*link                                 // open connections
	starts      int                                     // server starts so far: each begins an epoch
	aborted     int                                     // connections closed by Abort so far
	committed   func()                                  // called after each commit, before the feed; nil: nothing
	logPaused   bool                                    // settle does not step the log
	jobsPaused  bool                                    // settle does not run the jobs
}

func newHarness(tb testing.TB, set setting) *harness {
	if set.buffer == 0 {
		set.buffer = 4 << 20
	}
	if set.maxRooms == 0 {
		set.maxRooms = 100
	}
	var key [32]byte
	key[0], key[1], key[2] = byte(set.seed), byte(set.seed>>8), byte(set.seed>>16)
	st := &harness{tb: tb, set: set, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), random: rand.NewChaCha8(key)}
	st.store = newFaultyStore(tb, st.random) // with the same history id on all nodes
	if set.node > 0 {                        // but with sessions of its own
		key[3] = byte(set.node)
		st.random = rand.NewChaCha8(key)
	}
	st.start()
	return st
}

// protocolOf returns one of the protocols over WebSocket.
func protocolOf(v1 bool) chat.Protocol {
	if v1 {
		return chat.V1
	}
	return chat.Plain
}

// start starts a server on the content of the store.
func (st *harness) start() {
	st.starts++
	logger := slog.New(slog.DiscardHandler)
	st.jobs, st.links, st.tick = nil, nil, st.clock.Add(time.Second)
	st.hub = room.NewHub(st.store, room.Options{
		Budget: fanout.NewBudget(st.set.buffer), Logger: logger, Go: st.addJob,
		CanRead: func(room, by string, _ netip.Addr) bool { return st.store.CanRead(room, by, wire.TimeOf(st.clock)) },
		RuleEnd: func(room string) time.Time {
			if end := st.store.RuleEnd(room, wire.TimeOf(st.clock)); end != 0 {
				return end.Std()
			}
			return time.Time{}
		},
	})
	started := false
	st.sequencer = eventlog.NewLog(st.store, st.newSequencer(), eventlog.Options{
		Feed: st.feed, Now: st.now, Logger: logger, Queue: st.set.queue, Batch: st.set.batch, Node: st.nodeName(), Program: st.set.program,
		Start: func(after uint64) (eventlog.Submission, error) {
			body := eventlog.StartBody{Node: st.nodeName(), After: after, Nonce: fmt.Sprint("epoch", st.starts)}
			if st.set.node > 0 {
				body.Nonce += fmt.Sprint("of", st.set.node)
			}
			reply := &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) { started = o.Status == eventlog.Saved }}
			return eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Start, Body: body}, ReplyTo: reply}, nil
		},
	})
	st.submit = st.sequencer.Submit
	st.env = &Env{
		Chat: chat.New(chat.Config{
			Hub: st.hub, Store: st.store, Shared: st.set.cluster != nil, Submit: func(s eventlog.Submission, space func()) error { return st.submit(s, space) },
			Rates:  chat.RateLimits{PerSecond: st.set.rate, Burst: st.set.burst, Address: sendersAnAddress, Rooms: roomsAMinute, Names: namesAnHour},
			Limits: wire.Limits{Text: 4000, Frame: wire.MaxRequest(4000), Rate: st.set.rate, Burst: st.set.burst, Rooms: 8}, Now: st.now, Random: st.random, Logger: logger,
		}),
		Budget:  st.hub.Budget(),
		Frame:   &frame.Config{TextOnly: true, MaxMessage: wire.MaxRequest(4000), MaxFragments: 256},
		Deflate: &frame.Config{TextOnly: true, Deflate: true, MaxMessage: wire.MaxRequest(4000), MaxFragments: 256},
		Server:  "ramai test", Start: st.clock, Now: st.now, Logger: logger,
	}
	st.configure(&started)
}

func (st *harness) nodeName() string {
	if st.set.node == 0 {
		return eventlog.LocalNode
	}
	return fmt.Sprint("node", st.set.node)
}

// newSequencer returns the sequencer of a starting server.
func (st *harness) newSequencer() eventlog.Sequencer {
	if st.set.cluster == nil {
		return local.New()
	}
	if st.member != nil {
		st.member.Close()
	}
	st.member = st.set.cluster.Member(cmp.Or(st.set.program, eventlog.Current))
	return st.member
}

// configure waits for the start of the log, and sets the limits, before any client connects.
func (st *harness) configure(started *bool) {
	limits := eventlog.Limits{MaxRooms: st.set.maxRooms, EditWindow: eventlog.MaxEditWindow}
	configure := eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: limits}}
	for ; !*started || st.store.Limits() != limits; st.stepLog() {
		if st.set.cluster != nil {
			st.clock = st.clock.Add(100 * time.Millisecond) // lost commands are submitted again after a while
		}
		if !*started {
			continue
		}
		if err := st.sequencer.Submit(eventlog.Submission{Command: configure}, nil); err != nil && err != eventlog.ErrBusy {
			st.tb.Fatal(err)
		}
	}
}

// feed is called when a batch is committed.
func (st *harness) feed(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	if st.committed != nil {
		st.committed()
	}
	st.hub.Feed(outcomes, submissions)
}

// addJob keeps f for settle.
func (st *harness) addJob(from netip.Prefix, f func()) {
	st.jobs, st.jobNetworks = append(st.jobs, f), append(st.jobNetworks, from)
}

// crash ends the server without warning. The data on disk remains.
func (st *harness) crash() {
	for _, l := range st.links {
		l.closed = true
	}
	st.store.reopens = 0
	if err := st.store.Reopen(); err != nil {
		st.tb.Fatal(err)
	}
	st.start()
}

func (st *harness) now() time.Time { return st.clock }

// stepLog steps the log. It reports whether there was anything to do.
func (st *harness) stepLog() bool {
	worked, err := st.sequencer.Step()
	return worked && err == nil
}

// trim deletes the messages below first in a room.
func (st *harness) trim(room string, first uint64) {
	st.tb.Helper()
	for st.store.Bounds(room).First < first {
		if err := st.sequencer.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: first - 1}}}, nil); err != nil {
			st.tb.Fatal(err)
		}
		for st.stepLog() {
		}
	}
}

// runJob runs the i-th job.
func (st *harness) runJob(i int) {
	f := st.jobs[i]
	st.jobs = append(st.jobs[:i:i], st.jobs[i+1:]...)
	f()
}

// settle runs everything that can happen without the clock moving.
func (st *harness) settle() {
	for rounds := 0; ; rounds++ {
		if rounds == 10000 {
			st.tb.Fatal("the server does not settle")
		}
		moved := false
		for _, l := range append([]*link(nil), st.links...) {
			moved = l.run() || moved
		}
		for !st.jobsPaused && len(st.jobs) > 0 {
			st.runJob(0)
			moved = true
		}
		if !st.logPaused && st.stepLog() {
			moved = true
		}
		if !moved {
			return
		}
	}
}

// advance moves the clock by d, and runs everything that is due.
func (st *harness) advance(d time.Duration) {
	st.settle()
	end := st.clock.Add(d)
	for still := 0; ; still++ {
		next := end
		if st.tick.Before(next) {
			next = st.tick
		}
		for _, l := range st.links {
			if !l.wakeAt.IsZero() && l.wakeAt.Before(next) {
				next = l.wakeAt
			}
		}
		if next.After(st.clock) {
			st.clock, still = next, 0
		}
		if still > 100 {
			st.tb.Fatal("a session asks to be woken again and again while no time passes")
		}
		due := st.runTimers()
		st.settle()
		if !due && st.clock.Equal(end) {
			return
		}
	}
}

// suspend moves the clock by d while the server's process is suspended: nothing is woken or read.
func (st *harness) suspend(d time.Duration) {
	st.clock = st.clock.Add(d)
	st.tick = st.clock.Add(time.Second)
}

// runTimers runs what is due now. It reports whether anything was.
func (st *harness) runTimers() bool {
	due := false
	for _, l := range st.links {
		if !l.wakeAt.IsZero() && !st.clock.Before(l.wakeAt) {
			l.wakeAt, due = time.Time{}, true
			l.Wake()
		}
	}
	if !st.clock.Before(st.tick) {
		st.tick, due = st.tick.Add(time.Second), true
		st.hub.Tick(st.clock)
	}
	return due
}

// connect connects a client. It sends and reads nothing before settle.
func (st *harness) connect(c Client) *link {
	if c.Session == "" {
		secret, err := wire.NewSession(st.random)
		if err != nil {
			st.tb.Fatal(err)
		}
		c.Session = secret
	}
	if c.Room == "" {
		c.Room = wire.Lobby
	}
	if !c.Addr.IsValid() {
		c.Addr = netip.MustParseAddrPort("127.0.0.1:40000")
	}
	l := &link{st: st, v1: c.Protocol == chat.V1, max: 64 << 10, ready: true, dec: frame.NewDecoder(&clientFrames)}
	if c.Deflate {
		l.dec = frame.NewDecoder(&deflatedFrames)
	}
	l.s = New(st.env, l, c)
	st.links = append(st.links, l)
	return l
}

// v1 connects a client of ramai.v1 and skips the welcome.
func (st *harness) v1() *link {
	st.tb.Helper()
	l := st.connect(Client{Protocol: chat.V1})
	l.expect("welcome")
	return l
}

// plain connects a client of the plain protocol and skips the greeting.
func (st *harness) plain(c Client) *link {
	st.tb.Helper()
	l := st.connect(c)
	if got := l.heard(); len(got) == 0 || got[0] != wire.Greeting {
		st.tb.Fatalf("a plain client is greeted with %q", got)
	}
	return l
}

// joined connects a client of ramai.v1 that has joined rooms without history.
func (st *harness) joined(rooms ...string) *link {
	st.tb.Helper()
	l := st.v1()
	for _, name := range rooms {
		l.send(wire.Join{Room: name, Last: new(int)})
	}
	l.heard()
	return l
}
