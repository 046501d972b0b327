// Package rehearse is a room full of people who do not exist: it connects many clients to a server, has some of them
// talk, and checks at every one of them every message that comes, by its place in the one order.
//
// The clients are reactor sources, so that ten thousand of them cost less than the server they are there to measure.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/frame"
	"ramai/internal/reactor"
)

// Config says what is rehearsed.
type Config struct {
	URL             string        // of the room: http or ws, without TLS
	Clients         int           // connections
	Publishers      int           // how many of them talk
	Rate            float64       // open loop: messages a second, all talkers together; 0: closed loop
	InFlight        int           // closed loop: messages of each talker that are said and not yet heard by it
	Size            int           // bytes of a text
	Duration        time.Duration // how long there is talk
	Slow            int           // clients that read nothing while there is talk, and everything after
	Churn           float64       // ramai.v1: clients a second that break off and come back
	Plain           bool          // the plain door; otherwise ramai.v1
	Reconnect       bool          // ramai.v1: clients that do not talk come back if they are cut off while there is talk
	Missed          int           // of which they first miss so many messages
	SourceAddresses int           // addresses of 127.1/16 that those who do not talk connect from; 0: as the system chooses
	Drain           time.Duration // how long after the talk the last message may take; 0: 30 s
	Reactor         reactor.Reactor
	Stage           func(stage string) // told of the stages below; may be nil
}

// The stages of a rehearsal.
const (
	AllConnected   = "everybody is in"
	PublishingDone = "the talk is over" // the slow still read nothing
	AllDelivered   = "all that will be heard is heard"
)

// Check tells what cannot be rehearsed like that.
func (c *Config) Check() error {
	if _, err := parseURL(c.URL); err != nil {
		return err
	}
	switch {
	case c.Clients < 1:
		return errors.New("there is at least one client")
	case c.Publishers < 0 || c.Publishers > c.Clients || c.Publishers > 1<<16:
		return fmt.Errorf("of %d clients 0 to %d can talk, not %d", c.Clients, min(c.Clients, 1<<16), c.Publishers)
	case c.Slow < 0 || c.Slow > c.Clients-c.Publishers:
		return fmt.Errorf("of %d clients %d talk; 0 to %d can be slow, not %d", c.Clients, c.Publishers, c.Clients-c.Publishers, c.Slow)
	case !(c.Rate >= 0 && c.Rate <= 1e9) || c.InFlight < 0 || !(c.Churn >= 0 && c.Churn <= 1e6): // NaN is neither
		return errors.New("a rate is a number of events a second, and a number in flight is at least 1")
	case c.Publishers > 0 && (c.Rate > 0) == (c.InFlight > 0):
		return errors.New("either a rate (open loop) or a number in flight (closed loop) is needed")
	case c.Size < headLen || c.Size > 4000:
		return fmt.Errorf("a text has %d to 4000 bytes, not %d", headLen, c.Size)
	case (c.Churn > 0 || c.Reconnect) && c.Plain:
		return errors.New("clients of the plain door cannot come back to where they were; that needs ramai.v1")
	case c.Churn > 0 && c.Reconnect:
		return errors.New("either clients break off by themselves or they are cut off")
	case c.Missed > 0 && c.InFlight > 0:
		return errors.New("what is missed is said beside the closed loop, which would lose count; use a rate")
	case c.Missed < 0 || c.Missed > 0 && (c.Publishers == 0 || !c.Reconnect):
		return errors.New("messages are missed by clients that reconnect, and somebody has to say them")
	case c.SourceAddresses < 0 || c.SourceAddresses > 1<<16:
		return fmt.Errorf("there are 0 to %d addresses to connect from, not %d", 1<<16, c.SourceAddresses)
	case c.Duration <= 0 || c.Drain < 0:
		return errors.New("the talk has to take some time")
	}
	return nil
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the address %q is no URL: %w", text, err)
	}
	if u.Scheme != "http" && u.Scheme != "ws" || u.Hostname() == "" {
		return nil, fmt.Errorf("the address is like http://127.0.0.1:2000/r/ROOM, not %q", text)
	}
	return u, nil
}

// rehearsal is one run.
type rehearsal struct {
	cfg             Config
	target          *url.URL
	room            string
	run             []byte // "~" and four digits: whose messages these are
	padding         string // what follows the head of a text
	messageHead     []byte // how a message of ramai.v1 begins, up to its number
	frames          frame.Config
	clients         []*client
	ledger          *ledger
	latencies       *latencies
	begin           time.Time
	reconnects      *reconnects
	reconnectReport *ReconnectReport // once the talk is over: how those came back who were cut off last
	notJoined       atomic.Int64     // clients that have not been in yet; below 0: how often some came back
	allJoined       chan struct{}    // closed when all have been in
	historyID       atomic.Pointer[string]

	publishing atomic.Bool
	slowPaused atomic.Bool  // the slow read nothing
	over       atomic.Bool  // connections may end
	delivered  atomic.Int64 // messages at clients, doubles not counted
	failure    atomic.Pointer[error]
	failed     chan struct{}
	failOnce   sync.Once
}

// ErrBroken is in the error of a rehearsal that could not be ended: everybody was in, and then something went wrong.
var ErrBroken = errors.New("the rehearsal broke off")

// Run rehearses and reports. An error says that it could not be done; what went wrong in it is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	target, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Drain == 0 {
		cfg.Drain = 30 * time.Second
	}
	if cfg.Stage == nil {
		cfg.Stage = func(string) {}
	}
	r := &rehearsal{
		cfg: cfg, target: target, room: roomOf(target.Path), run: fmt.Appendf(nil, "~%04x", rand.N(1<<16)),
		frames: frame.Config{Client: true, TextOnly: true, MaxMessage: 1 << 20, MaxFragments: 1},
		ledger: newLedger(cfg.Publishers), latencies: newLatencies(), reconnects: newReconnects(), padding: paddingOf(cfg.Size), begin: time.Now(),
		allJoined: make(chan struct{}), failed: make(chan struct{}),
	}
	r.messageHead = fmt.Appendf(nil, `{"type":"message","room":%q,"n":`, r.room)
	r.notJoined.Store(int64(cfg.Clients))
	for i := range cfg.Clients {
		c := &client{r: r, publisher: -1, receiver: receiver{ledger: r.ledger}}
		if i < cfg.Publishers {
			c.publisher = i
		}
		r.clients = append(r.clients, c)
	}
	rep, err := r.rehearse(ctx)
	r.over.Store(true)
	r.cfg.Reactor.Close() // after it the clients are ours
	if err != nil {
		return nil, err
	}
	r.report(rep)
	return rep, nil
}

func (r *rehearsal) rehearse(ctx context.Context) (*Report, error) {
	connect := time.Now()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	connected := time.Since(connect)
	r.slowPaused.Store(r.cfg.Slow > 0)
	r.publishing.Store(true) // who is told of the stage may cut connections at once
	r.cfg.Stage(AllConnected)
	before := cpu()
	start := time.Now()
	err := r.publish(ctx)
	r.publishing.Store(false)
	publishing := time.Since(start)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r.cfg.Stage(PublishingDone)
	r.slowPaused.Store(false)
	for _, c := range r.clients {
		c.wake()
	}
	if err := r.drain(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r.cfg.Stage(AllDelivered)
	rep := &Report{Clients: r.cfg.Clients, Seconds: time.Since(start).Seconds(), Publishing: publishing.Seconds(), Connecting: connected.Seconds(), CPU: (cpu() - before).Seconds()}
	time.Sleep(duplicateWait)
	return rep, nil
}

// duplicateWait is how long it is waited, after everything was heard, for what comes a second time.
const duplicateWait = 200 * time.Millisecond

// since is now, in nanoseconds since the beginning.
func (r *rehearsal) since() int64 { return int64(time.Since(r.begin)) }

// isPaused tells whether a client reads nothing now: the last ones are the slow ones.
func (r *rehearsal) isPaused(c *client) bool {
	return r.cfg.Slow > 0 && r.slowPaused.Load() && c.slow
}

func (r *rehearsal) fail(err error) {
	r.failOnce.Do(func() {
		r.failure.Store(&err)
		close(r.failed)
	})
}

// connectionEnded hears that a connection ended.
func (r *rehearsal) connectionEnded(c *client, err error) {
	if r.cfg.Reconnect && c.publisher < 0 && r.publishing.Load() {
		r.reconnects.add(c, r.since())
	} else if !r.over.Load() && !c.leaving.Load() {
		r.fail(fmt.Errorf("a connection ended: %w", errors.Join(err, errors.New("it was not asked to"))))
	}
}

// publish has the talkers publish for the time that was asked for.
func (r *rehearsal) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Duration)
	defer cancel()
	var coming sync.WaitGroup
	if r.cfg.Churn > 0 {
		coming.Go(func() { r.churn(ctx) })
	}
	if r.cfg.Reconnect {
		coming.Go(func() { r.reconnectLoop(ctx) })
	}
	defer coming.Wait()
	for _, c := range r.clients[:r.cfg.Publishers] {
		c.wake()
	}
	if r.cfg.Rate == 0 || r.cfg.Publishers == 0 {
		select {
		case <-ctx.Done():
		case <-r.failed:
			return *r.failure.Load()
		}
		return nil
	}
	start := r.since()
	gap := float64(time.Second) / r.cfg.Rate
	for i := 0; ; {
		for due := start + int64(float64(i)*gap); due <= r.since(); due = start + int64(float64(i)*gap) {
			r.clients[i%r.cfg.Publishers].publish(due)
			i++
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.failed:
			return *r.failure.Load()
		case <-time.After(min(quantum, time.Duration(gap))):
		}
	}
}

// drain waits until everybody has heard everything, or the time for it is over.
func (r *rehearsal) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Drain)
	defer cancel()
	published := 0
	for _, c := range r.clients[:r.cfg.Publishers] {
		c.mu.Lock()
		published += c.published
		c.mu.Unlock()
	}
	for r.delivered.Load() < int64(published)*int64(len(r.clients)) {
		select {
		case <-ctx.Done():
			return nil
		case <-r.failed:
			return *r.failure.Load()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// churn breaks connections off, one after the other, and has the clients come back to where they were.
func (r *rehearsal) churn(ctx context.Context) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / r.cfg.Churn))
	defer ticker.Stop()
	subscribers := r.clients[r.cfg.Publishers : len(r.clients)-r.cfg.Slow]
	for len(subscribers) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c := subscribers[rand.N(len(subscribers))]
		c.leaving.Store(true)
		c.mu.Lock()
		conn := c.conn
		c.mu.Unlock()
		conn.Finish()
		select {
		case <-c.ended:
		case <-time.After(10 * time.Second):
			r.fail(errors.New("a connection could not be ended"))
			return
		}
		c.leaving.Store(false)
		if err := r.dial(context.WithoutCancel(ctx), c); err != nil {
			r.fail(err)
			return
		}
	}
}

// connect brings everybody in.
func (r *rehearsal) connect(ctx context.Context) error {
	for _, c := range r.clients[len(r.clients)-r.cfg.Slow:] {
		c.slow = true
	}
	r.dialAll(ctx, r.clients)
	select {
	case <-r.allJoined:
		return nil
	case <-r.failed:
		return *r.failure.Load()
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("not everybody was let in within a minute")
	}
}

// dialAll connects many clients, as fast as the server lets them in.
func (r *rehearsal) dialAll(ctx context.Context, clients []*client) {
	slots := make(chan struct{}, 128)
	var dialling sync.WaitGroup
	defer dialling.Wait()
	for _, c := range clients {
		slots <- struct{}{}
		if r.failure.Load() != nil {
			return
		}
		dialling.Go(func() {
			defer func() { <-slots }()
			if err := r.dial(ctx, c); err != nil {
				r.fail(err)
			}
		})
	}
}

// source is the address that a client connects from, or nil. Those who do not talk can be told by it, and be cut off.
func (r *rehearsal) source(c *client) net.Addr {
	if r.cfg.SourceAddresses == 0 || c.publisher >= 0 {
		return nil
	}
	i := rand.N(r.cfg.SourceAddresses)
	return &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
}
