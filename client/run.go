package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"ramai/wire"
)

// maxEvents is how many bytes of events are buffered before reading stops.
const maxEvents = 256 << 10

// run keeps the client connected until it is closed or the server no longer admits it. It is the reader. For each
// connection it starts a writer and a pinger, and waits for them.
func (c *Client) run(l *link) {
	defer close(c.done)
	defer c.cancel()
	err := recovered(func() error {
		for {
			err := c.serve(l)
			if l, err = c.reconnect(err); err != nil {
				return err
			}
		}
	})
	c.mu.Lock()
	c.err, c.link = err, nil
	c.mu.Unlock()
}

// A BrokenError is a panic of one of the client's goroutines. It ends this client only: the program may have a terminal
// to restore, or other clients.
type BrokenError struct {
	Value any
	Stack []byte
}

// Error returns the panic and its stack.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("the client broke: %v\n%s", e.Value, e.Stack)
}

// recovered returns a panic as an error.
func recovered(what func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &BrokenError{fault, debug.Stack()}
		}
	}()
	return what()
}

// serve runs a connection until it breaks.
func (c *Client) serve(l *link) error {
	ctx, cancel := context.WithCancel(c.ctx)
	var helpers sync.WaitGroup
	broken := make(chan error, 2)
	help := func(what func()) {
		helpers.Go(func() {
			if err := recovered(func() error { what(); return nil }); err != nil {
				broken <- err
				cancel()
			}
		})
	}
	help(func() { c.write(ctx, l) })
	help(func() { ping(ctx, l, c.check) })
	err := recovered(func() error { return c.read(ctx, l) })
	cancel()
	l.CloseNow() // its error says only that it was closed already
	helpers.Wait()
	select {
	case err = <-broken: // the reason why reading failed
	default:
	}
	return err
}

// read passes frames to the core until the connection breaks. Before each frame it waits until there is space for events.
func (c *Client) read(ctx context.Context, l *link) error {
	for {
		if err := c.waitForUser(ctx); err != nil {
			return err
		}
		kind, b, err := l.Read(ctx)
		if err != nil {
			return cause(err)
		}
		if kind != websocket.MessageText {
			l.Close(websocket.StatusUnsupportedData, "a binary message; only text is accepted here") // the error of Close says only that the server did not answer
			return errors.New("the server sent a binary frame")
		}
		if !utf8.Valid(b) { // the library does not check it
			l.Close(websocket.StatusInvalidFramePayloadData, "a text message is not valid UTF-8")
			return errors.New("the server sent a text that is not UTF-8")
		}
		err = c.received(b)
		notify(c.ready)
		notify(c.wake)
		if err != nil {
			return err
		}
	}
}

func (c *Client) received(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.received(time.Now(), b)
}

// waitForUser returns once there is space for events.
func (c *Client) waitForUser(ctx context.Context) error {
	for {
		c.mu.Lock()
		full := c.core.size >= maxEvents && c.callers == 0
		c.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.space:
		}
	}
}

// write sends the frames of the core. The reader notices an error of the connection, too.
func (c *Client) write(ctx context.Context, l *link) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		b, ok, wake := c.next(now)
		notify(c.ready) // next also emits events: messages that are being sent, or do not fit a frame
		if ok {
			if err := l.Write(ctx, websocket.MessageText, b); err != nil {
				return
			}
			continue
		}
		var alarm <-chan time.Time
		if !wake.IsZero() {
			timer.Reset(wake.Sub(now))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-alarm:
		}
	}
}

// next returns the next frame of the core, and when there may be more.
func (c *Client) next(now time.Time) (b []byte, ok bool, wake time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok = c.core.next(now)
	return b, ok, c.core.wake(now)
}

// ping keeps the connection alive, even while the user is slow and nothing is read, so that no pong is processed. It also
// pings when check asks for it.
func ping(ctx context.Context, l *link, check <-chan struct{}) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-check:
		}
		// The read deadline decides whether the server is alive.
		asked := l.raw.pinging()
		wait, cancel := context.WithTimeout(ctx, pingEvery/2)
		_ = l.Ping(wait)
		l.raw.settle(asked) // if nothing was read meanwhile, the user is slow, and the silence means nothing
		cancel()
	}
}

// reconnect returns the next connection after the last one ended with err, or why there will be none.
func (c *Client) reconnect(err error) (*link, error) {
	for {
		var refused *RefusedError
		if errors.As(err, &refused) && refused.final() || errors.As(err, new(*BrokenError)) {
			return nil, err
		}
		wait, closing := c.onDisconnect(err)
		if closing {
			return nil, ErrClosed
		}
		c.logger.Debug("connection lost", "err", err, "retry_in", wait)
		if !c.sleep(wait) || c.waitForUser(c.ctx) != nil {
			return nil, ErrClosed
		}
		var l *link
		if l, err = c.dialer.open(c.ctx, 0); err != nil {
			continue
		}
		if c.dialer.offer && l.Subprotocol() == "" {
			l.CloseNow()
			return nil, fmt.Errorf("the server no longer speaks %s", wire.Protocol)
		}
		c.mu.Lock()
		c.core.connected()
		c.link = l
		select {
		case <-c.retry: // requested while this connection was being opened
		default:
		}
		closing = c.closing
		c.mu.Unlock()
		if closing {
			l.CloseNow()
			return nil, ErrClosed
		}
		c.logger.Debug("connected")
		return l, nil
	}
}

// onDisconnect informs the core that the connection is closed.
func (c *Client) onDisconnect(err error) (wait time.Duration, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer notify(c.ready)
	c.link = nil
	if c.closing {
		return 0, true
	}
	return c.core.disconnected(time.Now(), err), false
}

// sleep waits for d or for Retry, and reports whether the client is still open.
func (c *Client) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.retry:
		return true
	case <-c.ctx.Done():
		return false
	}
}
