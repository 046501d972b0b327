package client

import (
	"errors"
	"slices"
	"time"

	"ramai/wire"
)

// ask is a request that is answered by a frame or by an error. An error does not name its request, so requests are sent one
// at a time: the first in the queue is the one waiting for its answer.
type ask struct {
	frame     wire.Frame // a Join is rebuilt when it is sent: its room's position may have changed
	sent      bool
	notBefore time.Time               // the earliest time to send it
	done      func(wire.Frame, error) // for requests whose answers are returned to a caller
}

func (a *ask) isJoin(name string) bool {
	j, ok := a.frame.(wire.Join)
	return ok && j.Room == name
}

func (a *ask) isSignOut() bool {
	_, ok := a.frame.(wire.SignOut)
	return ok
}

// once reports whether a request is sent once: sent again on the next connection, it could be about another session or fail although it
// has succeeded.
func (a *ask) once() bool {
	link, ok := a.frame.(wire.Link)
	return ok && link.Confirm || a.isSignOut()
}

// tells reports whether the caller learns that a request was rate limited for long, because its user has guessed or may do something else.
func (a *ask) tells() bool {
	switch a.frame.(type) {
	case wire.Link, wire.Redeem, wire.SignOut:
		return true
	}
	return false
}

// shortWait is how long a request for which a user waits is delayed without a word.
const shortWait = 2 * time.Second

// forgetName makes the client keep whatever name its session has.
func (c *core) forgetName() {
	c.name, c.named = "", false
	c.asks = slices.DeleteFunc(c.asks, func(a *ask) bool { return !a.sent && a.isName() })
}

func (a *ask) isName() bool {
	_, ok := a.frame.(wire.Name)
	return ok
}

// setName sets the name to claim, now and after each welcome.
func (c *core) setName(name string) {
	c.name, c.named = name, true
	if !c.open {
		return
	}
	c.asks = slices.DeleteFunc(c.asks, func(a *ask) bool { return !a.sent && a.isName() })
	c.asks = append(c.asks, &ask{frame: wire.Name{Name: name}})
}

// askAnew starts a connection on which the session has the name held. The name and the rooms are sent first, then the
// requests that were not answered.
func (c *core) askAnew(held string) {
	var first []*ask
	if c.named && held != c.name {
		first = append(first, &ask{frame: wire.Name{Name: c.name}})
	}
	for _, r := range c.rooms {
		first = append(first, &ask{frame: wire.Join{Room: r.name}})
	}
	c.asks = append(first, c.asks...)
}

// dropAsks keeps the requests for which a caller waits, to be sent on the next connection, except those that are sent once. askAnew
// creates the others again.
func (c *core) dropAsks() {
	if a, ok := c.popAsk((*ask).once); ok {
		a.done(nil, errors.New("the connection broke before the server answered; it may have happened or not"))
	}
	c.asks = slices.DeleteFunc(c.asks, func(a *ask) bool { return a.done == nil })
	for _, a := range c.asks {
		a.sent, a.notBefore = false, time.Time{}
	}
}

// cancelAsk cancels a request. If its answer arrives later, it is dropped.
func (c *core) cancelAsk(a *ask) {
	a.done = func(wire.Frame, error) {}
	if !a.sent {
		c.asks = slices.DeleteFunc(c.asks, func(b *ask) bool { return a == b })
	}
}

func (c *core) nextAsk(now time.Time) ([]byte, bool) {
	if len(c.asks) == 0 || c.asks[0].sent || now.Before(c.asks[0].notBefore) {
		return nil, false
	}
	a := c.asks[0]
	a.sent = true
	if j, ok := a.frame.(wire.Join); ok {
		a.frame = c.find(j.Room).request() // the room exists: leave would have removed the ask
	}
	return wire.Append(nil, a.frame), true
}

// askWake returns when the first request may be sent, if it only waits for that time.
func (c *core) askWake() time.Time {
	if len(c.asks) == 0 || c.asks[0].sent {
		return time.Time{}
	}
	return c.asks[0].notBefore
}

// saysWait reports whether messages have to wait for requests: for a name, so that they are posted under it; for a join
// that was not sent; and for a first join until it is answered, because without its position the client could not
// resume after a break.
func (c *core) saysWait() bool {
	return slices.ContainsFunc(c.asks, func(a *ask) bool {
		j, join := a.frame.(wire.Join)
		return a.isName() || join && (!a.sent || j.After == nil)
	})
}

// popAsk removes the request that waits for its answer from the queue, if fits accepts it.
func (c *core) popAsk(fits func(*ask) bool) (*ask, bool) {
	if len(c.asks) == 0 || !c.asks[0].sent || !fits(c.asks[0]) {
		return nil, false
	}
	a := c.asks[0]
	c.asks = c.asks[1:]
	return a, true
}

// answered handles the frames that answer requests.
func (c *core) answered(now time.Time, f wire.Frame, raw []byte) {
	switch f := f.(type) {
	case wire.Name:
		answers := func(a *ask) bool { // an empty name may arrive without a request: the server's operator has released the name
			asked, ok := a.frame.(wire.Name)
			return ok && (asked.Name == "") == (f.Name == "")
		}
		if _, ok := c.popAsk(answers); ok && !slices.ContainsFunc(c.asks, (*ask).isName) {
			c.name = f.Name // as spelled by the server
		}
		c.emit(f, raw)
	case wire.Page:
		c.deliver(f, func(a *ask) bool {
			h, ok := a.frame.(wire.History)
			return ok && h.Room == f.Room
		})
	case wire.Who:
		c.deliver(f, func(a *ask) bool {
			w, ok := a.frame.(wire.Who)
			return ok && w.Room == f.Room
		})
	case wire.Settings:
		c.deliver(f, func(a *ask) bool {
			s, ok := a.frame.(wire.StateRequest)
			return ok && s.Room == f.Room
		})
	case wire.Invited:
		c.deliver(f, func(a *ask) bool {
			i, ok := a.frame.(wire.Invite)
			return ok && i.Room == f.Room && i.ID == f.ID
		})
	case wire.LinkCode:
		c.deliver(f, func(a *ask) bool {
			l, ok := a.frame.(wire.Link)
			return ok && l.Code == ""
		})
	case wire.Linking:
		c.deliver(f, func(a *ask) bool {
			l, ok := a.frame.(wire.Link)
			return ok && l.Code == f.Code && l.Confirm == f.Linked
		})
	case wire.OwnRole: // it may arrive without a request, or before the answer: the role is the same
		c.deliver(f, func(a *ask) bool {
			r, ok := a.frame.(wire.Redeem)
			return ok && r.Room == f.Room
		})
		c.emitIn(f.Room, f, raw)
	case wire.Preview:
		c.deliver(f, func(a *ask) bool { return a.isPreview(f.Room) })
	case wire.Undone:
		c.deliver(f, func(*ask) bool { return c.answersAsk(f.Room, f.ID) })
	case wire.Error:
		c.onError(now, f, raw)
	}
}

func (c *core) deliver(f wire.Frame, fits func(*ask) bool) {
	if a, ok := c.popAsk(fits); ok {
		a.done(f, nil)
	}
}

// onError handles an error frame. It belongs to the request that waits, if there is one.
func (c *core) onError(now time.Time, f wire.Error, raw []byte) {
	if c.refusedByOlder(f) || c.refusedMark(now, f, raw) {
		return
	}
	if f.Request == (wire.Hello{}).Type() { // the session has ended, and the connection ends
		if a, ok := c.popAsk((*ask).isSignOut); ok {
			a.done(f, nil)
			return
		}
		c.emit(RequestFailed{Error: f}, raw)
		return
	}
	wait := retryAfter(f.RetryAfterMS)
	if len(c.asks) > 0 && c.asks[0].sent && wait > 0 && (wait <= shortWait || !c.asks[0].tells()) {
		c.asks[0].sent, c.asks[0].notBefore = false, now.Add(wait)
		return
	}
	a, ok := c.popAsk(func(*ask) bool { return true })
	switch {
	case !ok:
		c.emit(RequestFailed{Error: f}, raw)
	case a.done != nil:
		a.done(nil, &wire.CodedError{Code: f.Code, Reason: f.Reason, RetryAfter: wait, Rule: f.Rule, Params: f.Params, Until: f.Until})
	default:
		if j, ok := a.frame.(wire.Join); ok && f.Rule != "" {
			c.drop(j.Room)
		}
		c.emit(RequestFailed{Request: a.frame, Error: f}, raw)
	}
}
