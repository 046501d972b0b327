// Package rehearse is a load generator that checks everything: it connects many clients to a server, lets some of them
// publish, and checks every message at every client against one order.
//
// Clients are reactor sources, so that ten thousand of them cost less than the server that they measure.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/reactor"
)

// Config describes a rehearsal.
type Config struct {
	URL             string             // of the room: http, https, ws or wss
	Clients         int                // number of connections
	Publishers      int                // how many of the clients publish
	Rate            float64            // open loop: messages a second, all publishers together; 0: closed loop
	InFlight        int                // closed loop: messages of each publisher that it has not received yet
	Size            int                // bytes of a text
	Duration        time.Duration      // how long clients publish
	Slow            int                // clients that do not read while others publish, and read everything afterwards
	Churn           float64            // ramai.v1: clients a second that disconnect and resume
	Plain           bool               // plain protocol; otherwise ramai.v1
	Reconnect       bool               // ramai.v1: clients other than publishers reconnect if they are cut off during publishing
	Missed          int                // messages that they miss first
	SourceAddresses int                // addresses in 127.1/16 that clients other than publishers connect from; 0: chosen by the system
	Drain           time.Duration      // how long to wait for the last message after publishing; 0: 30 s
	Reactor         reactor.Reactor    // Run closes it; nil: the cheapest for this system
	OnStage         func(stage string) // called with the stages below; may be nil
	OnSecond        func(Second)       // called each second of publishing; may be nil
	AnyCertificate  bool               // wss: do not check the server's certificate
}

// The stages of a rehearsal.
const (
	AllConnected   = "all clients connected"
	PublishingDone = "publishing done" // slow clients do not read yet
	AllDelivered   = "delivery done"
)

// Check returns an error if the configuration is invalid.
func (c *Config) Check() error {
	if _, err := parseURL(c.URL); err != nil {
		return err
	}
	switch {
	case c.Clients < 1:
		return fmt.Errorf("invalid number of clients %d; want at least 1", c.Clients)
	case c.Publishers < 0 || c.Publishers > c.Clients || c.Publishers > 1<<16:
		return fmt.Errorf("invalid number of publishers %d; want 0 to %d", c.Publishers, min(c.Clients, 1<<16))
	case c.Slow < 0 || c.Slow > c.Clients-c.Publishers:
		return fmt.Errorf("invalid number of slow clients %d; want 0 to %d, all clients but the publishers", c.Slow, c.Clients-c.Publishers)
	case !(c.Rate >= 0 && c.Rate <= 1e9) || c.InFlight < 0 || !(c.Churn >= 0 && c.Churn <= 1e6): // also false for NaN
		return errors.New("invalid rate, churn or number in flight; want a positive number")
	case c.Publishers > 0 && (c.Rate > 0) == (c.InFlight > 0):
		return errors.New("set either a rate (open loop) or a number in flight (closed loop)")
	case c.Size < headLen || c.Size > 4000:
		return fmt.Errorf("invalid text size %d; want %d to 4000 bytes", c.Size, headLen)
	case (c.Churn > 0 || c.Reconnect) && c.Plain:
		return errors.New("clients of the plain protocol cannot resume; use ramai.v1")
	case c.Churn > 0 && c.Reconnect:
		return errors.New("churn and reconnect cannot be combined")
	case c.Missed > 0 && c.InFlight > 0:
		return errors.New("missed messages do not work with a closed loop; set a rate")
	case c.Missed < 0 || c.Missed > 0 && (c.Publishers == 0 || !c.Reconnect):
		return errors.New("missed messages require publishers and reconnect")
	case c.SourceAddresses < 0 || c.SourceAddresses > 1<<16:
		return fmt.Errorf("invalid number of source addresses %d; want 0 to %d", c.SourceAddresses, 1<<16)
	case c.Duration <= 0 || c.Drain < 0:
		return errors.New("invalid duration; want more than 0")
	}
	return nil
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("invalid URL %q: %w", text, err)
	}
	if !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) || u.Hostname() == "" {
		return nil, fmt.Errorf("invalid URL %q; want, for example, http://127.0.0.1:2000/r/ROOM", text)
	}
	return u, nil
}

// rehearsal is one run.
type rehearsal struct {
	cfg             Config
	target          *url.URL
	room            string
	run             []byte // "~" and four digits that identify the messages of this run
	padding         string // the text after the head
	messageHead     []byte // start of each message of ramai.v1, up to its number
	clients         []*client
	ledger          *ledger
	latencies       *latencies
	begin           time.Time
	reconnects      *reconnects
	reconnectReport *ReconnectReport // after publishing: the latest reconnect
	notJoined       atomic.Int64     // clients that have not joined yet; below 0: number of reconnects
	allJoined       chan struct{}    // closed when all clients have joined
	historyID       atomic.Pointer[string]

	publishing atomic.Bool
	slowPaused atomic.Bool  // slow clients do not read
	ended      atomic.Bool  // connections may end
	delivered  atomic.Int64 // messages received, without duplicates
	failure    atomic.Pointer[error]
	failed     chan struct{}
	failOnce   sync.Once
}

// ErrBroken is wrapped by the error of a rehearsal that failed after all clients were connected.
var ErrBroken = errors.New("rehearsal failed")

// Run runs a rehearsal. The error says why it could not be completed; wrong deliveries are in the report.
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
	if cfg.OnStage == nil {
		cfg.OnStage = func(string) {}
	}
	if cfg.OnSecond == nil {
		cfg.OnSecond = func(Second) {}
	}
	if cfg.Reactor == nil {
		if cfg.Reactor, err = newReactor(); err != nil {
			return nil, err
		}
	}
	r := newRehearsal(cfg)
	r.target, r.room = target, roomOf(target.Path)
	r.messageHead = fmt.Appendf(nil, `{"type":"message","room":%q,"n":`, r.room)
	rep, err := r.rehearse(ctx)
	r.ended.Store(true)
	r.cfg.Reactor.Close() // from now on the clients belong to this goroutine
	if err != nil {
		return nil, err
	}
	r.report(rep)
	return rep, nil
}

func newRehearsal(cfg Config) *rehearsal {
	r := &rehearsal{
		cfg: cfg, run: fmt.Appendf(nil, "~%04x", rand.N(1<<16)),
		ledger: newLedger(cfg.Publishers), latencies: newLatencies(), reconnects: newReconnects(), padding: paddingOf(cfg.Size), begin: time.Now(),
		allJoined: make(chan struct{}), failed: make(chan struct{}),
	}
	r.notJoined.Store(int64(cfg.Clients))
	for i := range cfg.Clients {
		c := &client{r: r, publisher: -1, receiver: receiver{ledger: r.ledger}}
		if i < cfg.Publishers {
			c.publisher = i
		}
		r.clients = append(r.clients, c)
	}
	return r
}

func (r *rehearsal) rehearse(ctx context.Context) (*Report, error) {
	connect := time.Now()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	connected := time.Since(connect)
	r.slowPaused.Store(r.cfg.Slow > 0)
	r.publishing.Store(true) // a caller may cut connections in this stage
	r.cfg.OnStage(AllConnected)
	before := cpu()
	start := time.Now()
	watching, stop := context.WithCancel(ctx)
	series := make(chan []Second, 1)
	go func() { series <- r.watch(watching) }()
	err := r.publish(ctx)
	stop()
	seconds := <-series
	r.publishing.Store(false)
	publishing := time.Since(start)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r.cfg.OnStage(PublishingDone)
	r.slowPaused.Store(false)
	for _, c := range r.clients {
		c.wake()
	}
	if err := r.drain(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r.cfg.OnStage(AllDelivered)
	rep := &Report{Clients: r.cfg.Clients, Seconds: time.Since(start).Seconds(), Publishing: publishing.Seconds(), Connecting: connected.Seconds(), CPU: (cpu() - before).Seconds(), Series: seconds}
	time.Sleep(duplicateWait)
	return rep, nil
}

// duplicateWait is how long to wait for duplicates after everything was received.
const duplicateWait = 200 * time.Millisecond

// since returns the time since the beginning in nanoseconds.
func (r *rehearsal) since() int64 { return int64(time.Since(r.begin)) }

// isPaused reports whether a client does not read now.
func (r *rehearsal) isPaused(c *client) bool {
	return r.cfg.Slow > 0 && r.slowPaused.Load() && c.slow
}

func (r *rehearsal) fail(err error) {
	r.failOnce.Do(func() {
		r.failure.Store(&err)
		close(r.failed)
	})
}

// connectionEnded handles the end of a connection.
func (r *rehearsal) connectionEnded(c *client, err error) {
	if r.cfg.Reconnect && c.publisher < 0 && r.publishing.Load() {
		r.reconnects.add(c, r.since())
	} else if !r.ended.Load() && !c.leaving.Load() {
		r.fail(fmt.Errorf("a connection ended unexpectedly: %w", errors.Join(err, errors.New("want it open until the end"))))
	}
}

// publish lets the publishers publish for the configured time.
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
	for i, over := 0, false; ; {
		for due := start + int64(float64(i)*gap); due <= min(r.since(), start+int64(r.cfg.Duration)); due = start + int64(float64(i)*gap) {
			r.clients[i%r.cfg.Publishers].publish(due)
			i++
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
			over = true // what is due by now is still published, however late
		case <-r.failed:
			return *r.failure.Load()
		case <-time.After(min(quantum, time.Duration(gap))):
		}
	}
}

// drain waits until all clients have received everything, or the time for it is over.
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

// churn disconnects clients, one after the other, and lets them resume.
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
			r.fail(errors.New("a connection did not end within 10 s"))
			return
		}
		c.leaving.Store(false)
		if err := r.dial(context.WithoutCancel(ctx), c); err != nil {
			r.fail(err)
			return
		}
	}
}

// connect connects all clients.
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
		return errors.New("not all clients could connect within a minute")
	}
}

// dialAll connects clients as fast as the server accepts them.
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

// source returns the address to connect from, or nil. Clients other than publishers can be recognized by it and cut
// off.
func (r *rehearsal) source(c *client) net.Addr {
	if r.cfg.SourceAddresses == 0 || c.publisher >= 0 {
		return nil
	}
	i := rand.N(r.cfg.SourceAddresses)
	return &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
}
