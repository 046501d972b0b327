package client

import (
	"fmt"
	"slices"

	"ramai/wire"
)

// room is a room that the user wants to be in.
type room struct {
	name      string
	last      int    // number of old messages to start with, while historyID is empty
	historyID string // the history of n; empty until the first joined
	n         uint64 // the position: everything up to here was received
	epoch     string // in which n was received; empty: unknown
	now       string // the epoch of the following frames: that of the newest joined or epoch frame
	joined    bool   // on this connection
}

func (c *core) find(name string) *room {
	for _, r := range c.rooms {
		if r.name == name {
			return r
		}
	}
	return nil
}

// join adds r to the rooms, unless it is there.
func (c *core) join(r room) {
	if c.find(r.name) != nil {
		return
	}
	c.rooms = append(c.rooms, &r)
	if c.open {
		c.asks = append(c.asks, &ask{frame: wire.Join{Room: r.name}})
	}
}

// leave undoes join.
func (c *core) leave(name string) {
	if c.drop(name) && c.open {
		c.extra = append(c.extra, wire.Append(nil, wire.Leave{Room: name}))
	}
}

// left removes a room that the sender may no longer read.
func (c *core) left(f wire.Left, raw []byte) {
	if c.drop(f.Room) {
		c.emit(f, raw)
	}
}

// drop removes a room that cannot be joined now, so that it is not joined again on the next connection. It reports whether the
// room was there.
func (c *core) drop(name string) bool {
	before := len(c.rooms)
	c.rooms = slices.DeleteFunc(c.rooms, func(r *room) bool { return r.name == name })
	c.asks = slices.DeleteFunc(c.asks, func(a *ask) bool { return !a.sent && a.isJoin(name) })
	return len(c.rooms) < before
}

// request returns the join that resumes the room.
func (r *room) request() wire.Join {
	if r.historyID == "" {
		return wire.Join{Room: r.name, Last: &r.last}
	}
	return wire.Join{Room: r.name, After: &wire.Position{HistoryID: r.historyID, Epoch: r.epoch, N: r.n}}
}

// start sets the position at the first joined: the newest last messages follow.
func (r *room) start(j wire.Joined, last uint64) {
	r.historyID, r.epoch, r.n = j.HistoryID, j.Epoch, 0
	if j.N > last {
		r.n = j.N - last
	}
	if j.First > 0 {
		r.n = max(r.n, j.First-1)
	}
	if j.From != nil { // an older server does not send it, and counts numbers as messages
		r.n = *j.From
	}
}

func (c *core) joined(f wire.Joined, raw []byte) error {
	r := c.find(f.Room)
	if r == nil {
		return nil // the room was left meanwhile
	}
	switch {
	case f.HistoryID == "":
		return fmt.Errorf("room %s: the server named no log", f.Room)
	case r.historyID == "":
		r.start(f, uint64(r.last))
	case f.Reset:
		r.start(f, wire.DefaultJoin)
	case f.HistoryID != r.historyID:
		return fmt.Errorf("room %s: the server changed to another log without saying so", f.Room)
	}
	r.joined, r.now = true, f.Epoch
	c.popAsk(func(a *ask) bool { return a.isJoin(f.Room) })
	c.emit(f, raw)
	return nil
}

// epoch sets the epoch of everything that follows.
func (c *core) epoch(f wire.Epoch) {
	for _, r := range c.rooms {
		if r.joined && r.historyID == f.HistoryID {
			r.now = f.Epoch
		}
	}
}

// advance emits f if it has the room's next number. An earlier number is dropped. A later one violates the protocol; the
// client reconnects to get the missing numbers.
func (c *core) advance(name string, n uint64, f wire.Frame, raw []byte) error {
	r := c.find(name)
	if r == nil || !r.joined || n <= r.n {
		return nil
	}
	if n-r.n > 1 {
		return fmt.Errorf("room %s: the server sent number %d where %d was next", name, n, r.n+1)
	}
	r.n, r.epoch = n, r.now
	c.emit(f, raw)
	return nil
}

// gap moves past numbers that were deleted.
func (c *core) gap(f wire.Gap, raw []byte) error {
	r := c.find(f.Room)
	if r == nil || !r.joined || f.To <= r.n {
		return nil
	}
	if f.From > r.n && f.From-r.n > 1 {
		return fmt.Errorf("room %s: the server named a gap from %d where %d was next", f.Room, f.From, r.n+1)
	}
	r.n, r.epoch = f.To, r.now
	c.emit(f, raw)
	return nil
}

// unknown handles a frame of a newer server. If it has a number, it counts like any other.
func (c *core) unknown(f wire.Unknown, raw []byte) error {
	if f.Room == "" {
		c.emit(f, raw)
		return nil
	}
	if f.N == 0 {
		c.emitIn(f.Room, f, raw)
		return nil
	}
	return c.advance(f.Room, f.N, f, raw)
}

// emitIn emits f if the user is in the room.
func (c *core) emitIn(name string, f wire.Frame, raw []byte) {
	if r := c.find(name); r != nil && r.joined {
		c.emit(f, raw)
	}
}
