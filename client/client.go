package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

// NoJoin is a value of Config.Last that joins no room.
const NoJoin = -1

// Config describes the server and the sender. Only URL is required.
type Config struct {
	URL     string // http, https, ws or wss; the path is / for the lobby or /r/<room> for another room: see [Room]
	Session string // of an earlier client, to stay the same sender: Session of wire.Welcome. Empty: a new one
	Name    string // to claim, now and after each connection without it. Empty: use the session's name
	Plain   bool   // do not offer ramai.v1
	Last    int    // number of old messages of the URL's room to receive first, 0 to wire.MaxLast; NoJoin: do not join it

	// After is a position in the URL's room, with its history: the room starts with the messages after it, and Last must be
	// 0. Nil: it starts with the last messages. The plain protocol ignores it.
	After *wire.Position

	TLS *tls.Config // verifies the server for https and wss; nil: the system's certificate authorities

	// DialContext opens the connection below HTTP and TLS; nil: that of net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	Random      io.Reader    // for ids and waits; nil: crypto/rand
	Logger      *slog.Logger // logs attempts to connect, at level debug; nil: nothing is logged
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("client closed")

// errNotUTF8 is returned for a text that is not UTF-8.
var errNotUTF8 = &wire.CodedError{Code: wire.BadRequest, Reason: "the text is not UTF-8; convert it first"}

// errPlain is returned for requests that the plain protocol does not support.
var errPlain = errors.New("this server speaks the plain protocol, which has one room per connection, and messages without replies, changes, marks, settings and history; names do not change")

// A Client is one sender and its connection. Its methods may be called concurrently, except that Next may be called by
// one goroutine at a time.
type Client struct {
	// Set by Dial.
	dialer dialer
	logger *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	// Each holds at most one token, which means: check again.
	wake  chan struct{} // for the writer: there may be something to send
	ready chan struct{} // for Next: there may be an event
	space chan struct{} // for the reader: events were removed
	retry chan struct{} // for the wait before reconnecting: skip it
	check chan struct{} // for the pinger: ping now

	done chan struct{} // closed at the very end, after err was set

	mu      sync.Mutex // guards everything below
	core    core
	callers int   // of History and Who: they wait for an answer that only the reader can deliver
	link    *link // the open connection, or nil
	closing bool
	err     error // why the client ended
}

// Dial connects, within the deadline of ctx and at most 30 s. From then on the Client reconnects whenever the connection
// breaks. If the server refuses, the error is a [*RefusedError].
func Dial(ctx context.Context, config Config) (*Client, error) {
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	l, err := c.dialer.open(ctx, config.Last)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("connecting to %s: %w", c.dialer.url.Redacted(), err)
	}
	if l, err = c.dialer.greeted(ctx, l, config.Last); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.dialer.url.Redacted(), err)
	}
	c.core.plain = !l.v1
	c.dialer.offer = !c.core.plain // once the server did not speak it, it is not offered again
	if c.core.plain {
		c.core.rooms = nil
	}
	c.core.connected()
	c.link = l
	go c.run(l)
	return c, nil
}

func newClient(config Config) (*Client, error) {
	u, name, err := parse(config.URL)
	if err != nil {
		return nil, err
	}
	if config.Session != "" {
		if err := wire.CheckSession(config.Session); err != nil {
			return nil, err
		}
	}
	if config.Last < NoJoin || config.Last > wire.MaxLast {
		return nil, fmt.Errorf("invalid number of old messages %d (want 0 to %d)", config.Last, wire.MaxLast)
	}
	if config.After != nil && (config.Last != 0 || config.After.HistoryID == "") {
		return nil, fmt.Errorf("invalid position %s (want one with a history, and no number of old messages)", wire.AppendPosition(nil, *config.After))
	}
	random := config.Random
	if random == nil {
		random = rand.Reader
	}
	prefix := make([]byte, 12)
	if _, err := io.ReadFull(random, prefix); err != nil {
		return nil, fmt.Errorf("reading random bytes: %w", err)
	}
	c := &Client{
		dialer: dialer{url: u, offer: !config.Plain, name: config.Name, tls: config.TLS, dial: config.DialContext, proxy: http.ProxyFromEnvironment,
			timeout: greeting},
		logger: config.Logger,
		wake:   make(chan struct{}, 1),
		ready:  make(chan struct{}, 1),
		space:  make(chan struct{}, 1),
		retry:  make(chan struct{}, 1),
		check:  make(chan struct{}, 1),
		done:   make(chan struct{}),
		core: core{
			room:    name,
			prefix:  base64.RawURLEncoding.EncodeToString(prefix),
			jitter:  func(max time.Duration) time.Duration { return draw(random, max) },
			session: config.Session,
			name:    config.Name,
			named:   config.Name != "",
		},
	}
	if c.dialer.dial == nil {
		c.dialer.dial = new(net.Dialer).DialContext
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	switch after := config.After; {
	case after != nil:
		c.core.join(room{name: name, historyID: after.HistoryID, epoch: after.Epoch, n: after.N})
	case config.Last != NoJoin:
		c.core.join(room{name: name, last: config.Last})
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// draw returns a random duration from 0 to max.
func draw(random io.Reader, max time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return max
	}
	return time.Duration(binary.LittleEndian.Uint64(b[:]) % uint64(max+1))
}

// Plain reports whether the server speaks the plain protocol. That does not change after the first connection.
func (c *Client) Plain() bool { return c.core.plain }

// Next returns the next event. It fails when ctx ends, with [ErrClosed] after Close, with a [*RefusedError] when the
// server no longer admits this client, and with a [*BrokenError]. Events before the failure are returned first.
func (c *Client) Next(ctx context.Context) (Event, error) {
	for {
		c.mu.Lock()
		e, ok := c.core.pop()
		err := c.err
		c.mu.Unlock()
		if ok {
			notify(c.space)
			return e, nil
		}
		if err != nil {
			return Event{}, err
		}
		select {
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-c.ready:
		case <-c.done:
		}
	}
}

// Pending returns how many messages have no final state. They are kept in the memory of this process. The number is not
// limited: it grows while messages are posted faster than the server accepts them.
func (c *Client) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.core.outbox.says) + len(c.core.outbox.held)
}

// Outbox returns the messages whose state is not final, in the order in which they are sent.
func (c *Client) Outbox() []Sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.outbox.messages()
}

// Join requests the messages of room: the newest last ones (0 to [wire.MaxLast]), then all new ones. It does nothing if the
// room is joined.
func (c *Client) Join(name string, last int) error {
	if last < 0 || last > wire.MaxLast {
		return fmt.Errorf("invalid number of old messages %d (want 0 to %d)", last, wire.MaxLast)
	}
	return c.joinRoom(room{name: name, last: last})
}

// JoinAfter is Join for a reader that has everything up to at: it requests everything after that. If the server's history
// was replaced, wire.Joined says Reset, and the newest [wire.DefaultJoin] messages arrive.
func (c *Client) JoinAfter(name string, at wire.Position) error {
	if at.HistoryID == "" {
		return errors.New("the position has no log; use Join to join without one")
	}
	return c.joinRoom(room{name: name, historyID: at.HistoryID, epoch: at.Epoch, n: at.N})
}

func (c *Client) joinRoom(r room) error {
	if err := wire.CheckRoom(r.name); err != nil {
		return err
	}
	return c.do(func() error {
		if c.core.plain && r.name != c.core.room {
			return errPlain
		}
		if !c.core.plain {
			c.core.join(r)
		}
		return nil
	})
}

// Leave undoes Join.
func (c *Client) Leave(room string) error {
	return c.do(func() error {
		if c.core.plain {
			return errPlain
		}
		c.core.leave(room)
		return nil
	})
}

// SetName requests a name, or releases it if name is empty. The answer arrives as a wire.Name or as [RequestFailed].
// Messages posted meanwhile wait for it and are then sent, with the name or without. To post only under the name, wait for
// the answer first.
func (c *Client) SetName(name string) error {
	return c.do(func() error {
		if c.core.plain {
			return errPlain
		}
		c.core.setName(name)
		return nil
	})
}

// Retry ends the wait before the next attempt to connect. It does nothing during a connection.
func (c *Client) Retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		notify(c.retry)
	}
}

// Check detects within 5 s whether the server still answers; without it, a broken network may stay unnoticed for up to a
// minute. If nothing arrives in that time, the client reconnects. Check returns at once, and does nothing without a
// connection. Call it while an answer is overdue, at most every 5 s.
func (c *Client) Check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return
	}
	c.link.raw.check()
	notify(c.check)
}

// ask sends f and waits for its answer, across reconnects if necessary. An error of the server is a [*wire.CodedError].
func (c *Client) ask(ctx context.Context, f wire.Frame) (wire.Frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type answer struct {
		frame wire.Frame
		err   error
	}
	answers := make(chan answer, 1)
	a := &ask{frame: f, done: func(f wire.Frame, err error) { answers <- answer{f, err} }}
	err := c.do(func() error {
		if c.core.plain {
			return errPlain
		}
		c.core.asks = append(c.core.asks, a)
		c.callers++
		return nil
	})
	if err != nil {
		return nil, err
	}
	notify(c.space)
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.callers--
		c.core.cancelAsk(a)
	}()
	select {
	case got := <-answers:
		return got.frame, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, c.err
	}
}

// do changes the core, unless the client has ended, and wakes the writer.
func (c *Client) do(change func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.closing {
		return ErrClosed
	}
	if err := change(); err != nil {
		return err
	}
	notify(c.wake)
	return nil
}

// closeWait is how long Close waits for the server to answer its close frame.
const closeWait = time.Second

// Close ends the connection and the client. Messages without a final state may or may not have been saved. It returns
// within about a second. Next then returns the remaining events, and after that ErrClosed.
func (c *Client) Close() {
	c.mu.Lock()
	c.closing = true
	l := c.link
	c.mu.Unlock()
	if l != nil {
		force := time.AfterFunc(closeWait, func() { l.raw.Close() })
		l.Close(websocket.StatusNormalClosure, "") // its error says only that the server did not answer
		force.Stop()
	}
	c.cancel()
	<-c.done
}

// notify puts a token into ch, unless it holds one already.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
