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
	"unicode/utf8"

	"github.com/coder/websocket"

	"ramai/wire"
)

// NoJoin as Config.Last joins no room.
const NoJoin = -1

// Config says whom to connect to, and as whom. Only URL must be set.
type Config struct {
	URL     string // http, https, ws or wss; the path is / for the lobby or /r/<room> for another room: see [Room]
	Session string // of an earlier client, to be the same sender again: Session of wire.Welcomed. Empty: a new one
	Name    string // to claim, now and after each connection without it. Empty: take what the session holds
	Plain   bool   // do not offer ramai.v1
	Last    int    // old messages to begin the URL's room with, 0 to wire.MaxLast; NoJoin: do not join it

	TLS *tls.Config // whom to believe that it is the server, of https and wss; nil: who the system believes

	// DialContext opens the connection below HTTP and TLS; nil: that of net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	Random      io.Reader    // for ids and waits; nil: crypto/rand
	Logger      *slog.Logger // attempts to connect, at level debug; nil: nowhere
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the client was closed")

// errNotUTF8 is returned for a text that nobody could hear as it was meant.
var errNotUTF8 = &wire.CodedError{Code: wire.BadRequest, Reason: "the text is not UTF-8; convert it first"}

// errPlain is returned for what the plain door cannot do.
var errPlain = errors.New("this server speaks the plain protocol, which has one room a connection, no history and no change of name")

// A Client is one sender and its connection. Its methods may be called concurrently, Next by one goroutine at a time.
type Client struct {
	// Set by Dial.
	dialer dialer
	logger *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	// Each holds at most one token: look again.
	wake  chan struct{} // for the writer: there may be something to send
	ready chan struct{} // for Next: there may be an event
	space chan struct{} // for the reader: events were taken

	done chan struct{} // closed at the very end, after err was set

	mu      sync.Mutex // guards everything below
	core    core
	callers int   // of History and Who: they wait for an answer that only the reader can bring
	link    *link // the open connection, or nil
	closing bool
	err     error // why the client ended
}

// Dial connects, for as long as ctx allows but at most 30 s, and returns a Client that from then on connects again by
// itself whenever the connection breaks. A server that was reached and refused is a [*RefusedError].
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
	c.dialer.offer = !c.core.plain // a server that once did not speak it is not asked again
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
		return nil, fmt.Errorf("%d old messages were asked for; 0 to %d can be", config.Last, wire.MaxLast)
	}
	random := config.Random
	if random == nil {
		random = rand.Reader
	}
	prefix := make([]byte, 12)
	if _, err := io.ReadFull(random, prefix); err != nil {
		return nil, fmt.Errorf("drawing random bytes: %w", err)
	}
	c := &Client{
		dialer: dialer{url: u, offer: !config.Plain, name: config.Name, tls: config.TLS, dial: config.DialContext, proxy: http.ProxyFromEnvironment,
			patience: greeting},
		logger: config.Logger,
		wake:   make(chan struct{}, 1),
		ready:  make(chan struct{}, 1),
		space:  make(chan struct{}, 1),
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
	if config.Last != NoJoin {
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

// Plain tells whether the server speaks the plain protocol. It stays what it was on the first connection.
func (c *Client) Plain() bool { return c.core.plain }

// Next returns the next event. It fails when ctx ends, with [ErrClosed] after Close, with a [*RefusedError] when the server
// no longer lets this client in, and with a [*BrokenError]; what happened before that is returned first.
func (c *Client) Next(ctx context.Context) (Event, error) {
	for {
		c.mu.Lock()
		e, ok := c.core.take()
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

// Say says text in room, joined or not, and returns the id by which events name it. What is said waits for as long as
// there is no connection; see [Client.Pending]. A text that is not UTF-8 is
// an error. It is said as [wire.NormalizeText] makes it.
func (c *Client) Say(room, text string) (id string, err error) {
	if err := wire.CheckRoom(room); err != nil {
		return "", err
	}
	if !utf8.ValidString(text) {
		return "", errNotUTF8
	}
	err = c.do(func() error {
		if c.core.plain && room != c.core.room {
			return errPlain
		}
		id = c.core.say(room, text)
		return nil
	})
	return id, err
}

// Pending returns how many texts are said and not settled: in memory, of this process alone. It grows for as long as
// the user says more than the server takes, and has no bound of its own.
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

// Join asks for what is said in room: the newest last messages (0 to [wire.MaxLast]) and then all that come. In a room
// that is joined already it does nothing.
func (c *Client) Join(name string, last int) error {
	if last < 0 || last > wire.MaxLast {
		return fmt.Errorf("%d old messages were asked for; 0 to %d can be", last, wire.MaxLast)
	}
	return c.enter(room{name: name, last: last})
}

// JoinAfter is Join for who has everything up to at: what came after it, and then all that comes. If the server numbers
// another history by now, wire.Joined says Reset, and the newest [wire.DefaultJoin] messages come.
func (c *Client) JoinAfter(name string, at wire.Position) error {
	if at.HistoryID == "" {
		return errors.New("a position has a log; to join without one, use Join")
	}
	return c.enter(room{name: name, historyID: at.HistoryID, epoch: at.Epoch, n: at.N})
}

func (c *Client) enter(r room) error {
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

// Leave ends a Join.
func (c *Client) Leave(room string) error {
	return c.do(func() error {
		if c.core.plain {
			return errPlain
		}
		c.core.leave(room)
		return nil
	})
}

// SetName asks for a name, or gives it up if name is empty. The answer comes as a wire.Name or as [Failed]. What is
// said from now on waits for it and then goes, with the name or without: who would rather say nothing waits for the
// answer.
func (c *Client) SetName(name string) error {
	return c.do(func() error {
		if c.core.plain {
			return errPlain
		}
		c.core.setName(name)
		return nil
	})
}

// Typing lets the others in room know that something is being written. It may be called for each key: the server is told
// at most once every 3 s, which is as often as it listens, and not at all while there is no connection or on the plain
// protocol.
func (c *Client) Typing(room string) {
	_ = c.do(func() error { // a client that has ended tells nobody
		c.core.typing(time.Now(), room)
		return nil
	})
}

// History returns a page of what was said. While it waits, events are kept however many come.
func (c *Client) History(ctx context.Context, h wire.History) (wire.Page, error) {
	f, err := c.ask(ctx, h)
	page, _ := f.(wire.Page)
	return page, err
}

// Who returns who is in room. While it waits, events are kept however many come.
func (c *Client) Who(ctx context.Context, room string) (wire.Who, error) {
	f, err := c.ask(ctx, wire.Who{Room: room})
	who, _ := f.(wire.Who)
	return who, err
}

// ask sends f and waits for its answer, over as many connections as it takes. A fault is a [*wire.CodedError].
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
		c.core.forget(a)
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

// do lets change change the core, unless the client has ended, and sends what comes of it.
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

// Close ends the connection and the client. What is not settled by then may or may not have been said. It returns
// within about a second; Next then returns what is left and after that ErrClosed.
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

// notify leaves a token; one that lies there already says the same.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
