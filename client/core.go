package client

import (
	"errors"
	"fmt"
	"time"

	"ramai/wire"
)

const (
	firstWait = 100 * time.Millisecond // the longest wait before the first new attempt; it doubles with each
	maxWait   = 10 * time.Second
	maxRetry  = time.Hour // the longest wait that a server can request

	typingEvery = 3 * time.Second // more frequent frames are ignored (docs/PROTOCOL.md)
)

// core is the client without its socket. Its methods receive what arrives and what the user requests; next returns frames
// to send, pop returns events. It starts no goroutine, reads no clock, and is not safe for concurrent use.
type core struct {
	// Set once, before the first connection.
	plain  bool   // the server speaks the plain protocol
	room   string // of the connection, with the plain protocol
	prefix string // of the ids of this client
	jitter func(max time.Duration) time.Duration

	// State of the sender, kept across connections.
	session string // empty until the first welcome, unless it was given
	by      string
	name    string // the name to hold; meaningless unless named
	named   bool   // a name was requested or released explicitly
	rooms   []*room
	asks    []*ask
	outbox  outbox
	marks   marks

	// State of the connection, reset by disconnected.
	greetings int      // welcomes to come; 0 on an open connection
	open      bool     // the final welcome was received
	extra     [][]byte // frames that precede all others and have no answer
	limits    wire.Limits
	opened    time.Time     // when the final welcome was received
	typed     time.Time     // when typing was last sent
	restart   time.Duration // the wait that the server requested before it stopped, or 0

	attempt int // attempts since the last good connection
	events  []Event
	size    int // approximate size of events in bytes
}

// connected starts a connection.
func (c *core) connected() {
	c.greetings = 1
	if !c.plain && c.session != "" {
		c.greetings = 2 // the first one, and the answer to hello
		c.extra = append(c.extra, wire.Append(nil, wire.Hello{Session: c.session, Held: true}))
	}
}

// disconnected ends a connection or an attempt to connect, and returns how long to wait before the next attempt.
func (c *core) disconnected(now time.Time, err error) time.Duration {
	// A connection that is accepted and closed at once counts as a failed attempt, so that the waits grow.
	if c.open && now.Sub(c.opened) >= backoff(c.attempt) {
		c.attempt = 0
	}
	wait := c.jitter(backoff(c.attempt))
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		wait += refused.RetryAfter // the same for all refused clients, so the random part remains
	case c.restart > 0:
		wait = c.restart
	}
	c.attempt++

	c.greetings, c.open, c.extra, c.restart, c.typed = 0, false, nil, 0, time.Time{}
	for _, r := range c.rooms {
		r.joined = false
	}
	c.dropAsks()
	c.marks.disconnected()
	c.requeue()
	c.emit(Disconnected{Err: err, Wait: wait}, nil)
	return wait
}

// backoff returns the longest wait after a number of failed attempts.
func backoff(attempt int) time.Duration {
	if attempt > 7 {
		return maxWait
	}
	return min(maxWait, firstWait<<attempt)
}

// next returns the next frame to send. The caller sends it.
func (c *core) next(now time.Time) ([]byte, bool) {
	if len(c.extra) > 0 {
		f := c.extra[0]
		c.extra = c.extra[1:]
		return f, true
	}
	if !c.open {
		return nil, false
	}
	if f, ok := c.nextAsk(now); ok {
		return f, true
	}
	if f, ok := c.nextMark(now); ok {
		return f, true
	}
	return c.nextSay(now)
}

// wake returns the earliest time after now at which next may return a frame although nothing else has happened, or the
// zero time.
func (c *core) wake(now time.Time) time.Time {
	var wake time.Time
	for _, t := range [...]time.Time{c.askWake(), c.marks.wake(), c.outbox.wake(c.plain)} {
		if t.After(now) && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	return wake
}

// received handles one text frame. After an error the connection must be closed.
func (c *core) received(now time.Time, b []byte) error {
	if c.plain {
		c.line(now, b)
		return nil
	}
	f, err := wire.ParseFrame(b)
	if err != nil {
		return fmt.Errorf("the server sent an invalid frame of %s: %w", wire.Protocol, err)
	}
	if !c.open {
		return c.greeting(now, f, b)
	}
	return c.frame(now, f, b)
}

// frame handles a frame that arrived after the greeting.
func (c *core) frame(now time.Time, f wire.Frame, b []byte) error {
	switch f := f.(type) {
	case wire.Message:
		err := c.advance(f.Room, f.N, f, b)
		c.echoed(now, f.SenderID, f.Room, f.ID, f.N, f.At)
		return err
	case wire.Changed:
		err := c.advance(f.Room, f.N, f, b)
		c.echoed(now, f.SenderID, f.Room, f.ID, f.N, f.At)
		return err
	case wire.State:
		err := c.advance(f.Room, f.N, f, b)
		c.echoed(now, f.SenderID, f.Room, f.ID, f.N, f.At)
		return err
	case wire.Tally:
		return c.advance(f.Room, f.N, f, b)
	case wire.Restored:
		return c.advance(f.Room, f.N, f, b)
	case wire.Marked:
		c.marked(f, b)
	case wire.HeldBack:
		c.emit(f, b)
		c.onHeld(f.Room, f.ID)
	case wire.Unknown:
		return c.unknown(f, b)
	case wire.Joined:
		return c.joined(f, b)
	case wire.Left:
		c.left(f, b)
	case wire.Gap:
		return c.gap(f, b)
	case wire.Saved:
		if c.answersAsk(f.Room, f.ID) {
			c.deliver(f, func(*ask) bool { return true })
			return nil
		}
		c.emit(f, b)
		c.saved(now, f.Room, f.ID, f.N, f.At.Std())
	case wire.Refused:
		c.refused(now, f, b)
	case wire.Welcome: // another device has linked this one. The server closes the connection
		return c.linked(f, b)
	case wire.Restarting:
		c.restart = retryAfter(f.RetryAfterMS)
		c.emit(f, b)
	case wire.Epoch:
		c.epoch(f)
		c.emit(f, b)
	case wire.Presence:
		c.emitIn(f.Room, f, b)
	case wire.Typing:
		c.emitIn(f.Room, f, b)
	default:
		c.answered(now, f, b)
	}
	return nil
}

// echoed notes that a message, a change or a setting of this client has come back in its room: it is saved.
func (c *core) echoed(now time.Time, senderID, room, id string, n uint64, at wire.Time) {
	if senderID == c.by {
		c.saved(now, room, id, n, at.Std())
	}
}

// greeting handles frames before the final welcome.
func (c *core) greeting(now time.Time, f wire.Frame, b []byte) error {
	switch f := f.(type) {
	case wire.Welcome:
		if c.greetings--; c.greetings > 0 {
			return nil // only the answer to hello counts
		}
		if err := wire.CheckSession(f.Session); err != nil {
			return fmt.Errorf("the server's welcome has an invalid session: %w", err)
		}
		if c.session == "" { // the answer is the same welcome again
			c.extra = append(c.extra, wire.Append(nil, wire.Hello{Session: f.Session, Held: true}))
		}
		c.session, c.by, c.limits = f.Session, f.SenderID, f.Limits
		c.open, c.opened = true, now
		c.outbox.open(f.Limits)
		c.askAnew(f.Name)
		c.emit(f, b)
	case wire.Restarting:
		c.restart = retryAfter(f.RetryAfterMS)
		c.emit(f, b)
	case wire.Error:
		if f.Request == (wire.Hello{}).Type() { // the session has ended: the welcome that follows has a new one
			c.emit(f, b)
			return nil
		}
		return fmt.Errorf("the server refused the session: %s", f.Reason)
	}
	return nil
}

// linked continues as the sender to which another device has linked this one, under the name of that sender. The rooms are joined again
// on the next connection.
func (c *core) linked(f wire.Welcome, b []byte) error {
	if err := wire.CheckSession(f.Session); err != nil {
		return fmt.Errorf("the server's welcome has an invalid session: %w", err)
	}
	if f.Session == c.session { // the answer to a hello that only said what this client understands
		return nil
	}
	c.session, c.by = f.Session, f.SenderID
	c.forgetName()
	c.emit(f, b)
	return nil
}

// retryAfter limits the wait that a server requests.
func retryAfter(ms int64) time.Duration {
	return min(time.Duration(min(max(ms, 0), maxRetry.Milliseconds()))*time.Millisecond, maxRetry)
}

// typing shows the others in room that a message is being written.
func (c *core) typing(now time.Time, room string) {
	if r := c.find(room); c.plain || !c.open || r == nil || !r.joined || now.Sub(c.typed) < typingEvery {
		return
	}
	c.typed = now
	c.extra = append(c.extra, wire.Append(nil, wire.Typing{Room: room}))
}

// emit queues an event for the user.
func (c *core) emit(f wire.Frame, raw []byte) {
	c.events = append(c.events, Event{Frame: f, Raw: raw})
	c.size += len(raw) + eventSize
}

// eventSize is the approximate cost of an event in addition to its bytes.
const eventSize = 100

// pop removes the oldest event and returns it.
func (c *core) pop() (Event, bool) {
	if len(c.events) == 0 {
		return Event{}, false
	}
	e := c.events[0]
	c.events[0] = Event{} // the array is reused; the frame can be freed
	c.events = c.events[1:]
	c.size -= len(e.Raw) + eventSize
	return e, true
}
