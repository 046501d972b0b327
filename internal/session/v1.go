package session

import (
	"fmt"
	"time"

	"ramai/internal/journal"
	"ramai/internal/room"
	"ramai/wire"
)

// ReadCost is what a read of the past, or of who is here, takes of the rates.
const ReadCost = 2

// SearchCost is what a search takes: as much as two reads.
const SearchCost = 2 * ReadCost

const (
	typingEvery = 3 * time.Second // more is not heard
	gateStands  = 5 * time.Second // see gate
)

// v1 is the protocol ramai.v1.
type v1 struct{ websocket }

// gate keeps the order of what is said after a refusal that may be retried: until the first refused id comes again,
// everything else is refused too. It may never come again: if it was also sent on an earlier connection, and stored
// from there, the client has heard its echo and has done with it. Then the gate would stay closed for ever; so after
// gateStands the connection is closed instead, and the client begins again on a new one.
type gate struct {
	room, id string        // what has to come
	stored   bool          // the journal refused it; such a one came before all that were refused here
	until    time.Duration // what comes later, and is not id, closes the connection
	why      *wire.Error
}

// shut closes the gate behind a say that was refused.
func (v v1) shut(room, id string, stored bool, why *wire.Error) {
	v.talks().refuse = &gate{room: room, id: id, stored: stored, why: why, until: v.now + why.RetryAfter + gateStands}
}

func (v v1) encoding() room.Encoding { return room.JSON }

func (v v1) open(c *Client) { v.welcome(c.Session) }

func (v v1) received(b []byte) (int, error) { return v.decode(b, v) }

// send puts a frame into the private buffer.
func (v v1) send(f wire.Frame) { v.sendText(wire.Append(nil, f)) }

// refuse sends the refusal of something that the journal was not asked about.
func (v v1) refuse(f wire.Frame, code wire.Code) {
	v.env.refused(code)
	v.send(f)
}

func (v v1) presence(payload []byte) { v.sendText(payload) }

func (v v1) typing(payload []byte) { v.sendText(payload) }

func (v v1) renamed(name string) { v.send(wire.Name{Name: name}) }

func (v v1) welcome(secret string) {
	v.send(wire.Welcomed{
		Protocol: wire.Protocol, Server: v.env.Server, By: v.sender(), Session: secret, Name: v.env.Store.Name(v.sender()),
		Text: wire.Welcome, Limits: v.env.Limits,
	})
}

func (v v1) text(b []byte) {
	f, err := wire.ParseRequest(b)
	if err != nil {
		if say, ok := f.(wire.Say); ok {
			v.refuse(wire.RefusedBy(say.Room, say.ID, err), err.Code)
		} else {
			v.refuse(wire.FaultOf(err), err.Code)
		}
		return
	}
	begun := v.begun
	v.begun = true
	switch f := f.(type) {
	case wire.Say:
		v.say(f)
	case wire.Hello:
		v.hello(f, begun)
	case wire.Join:
		v.joins(f)
	case wire.Leave:
		v.leave(f.Room)
	case wire.History:
		v.history(f)
	case wire.Who:
		if v.paid(ReadCost) {
			v.send(v.env.Hub.Who(f.Room))
		}
	case wire.Name:
		v.name(f)
	case wire.Typing:
		if t := v.talks(); t.typed == 0 || v.now-t.typed >= typingEvery {
			t.typed = v.now
			v.env.Hub.Typing(f.Room, v.sender(), v.at())
		}
	case wire.Ping:
		v.send(wire.Pong(f))
	}
}

func (v v1) hello(f wire.Hello, begun bool) {
	if begun {
		v.fault(wire.BadRequest, "hello comes first on a connection, or not at all")
		return
	}
	was := v.sender()
	v.become(f.Session)
	v.keyed = v.keyed && v.sender() == was
	v.welcome(f.Session)
}

// fault answers what no other answer is for.
func (v v1) fault(code wire.Code, reason string) {
	v.refuse(wire.Fault{Code: code, Reason: reason}, code)
}

// paid takes cost from the rates, or says when it will do.
func (v v1) paid(cost int) bool {
	wait := v.pay(price{events: cost})
	if wait > 0 {
		v.refuse(wire.FaultOf(tooFast(wait)), wire.RateLimited)
	}
	return wait == 0
}

func tooFast(wait time.Duration) *wire.Error {
	return &wire.Error{Code: wire.RateLimited, Reason: "too fast; wait, then send it again", RetryAfter: wait}
}

func (v v1) say(f wire.Say) {
	if err := wire.CheckText(f.Text, v.env.Limits.Text); err != nil {
		v.refuse(wire.RefusedBy(f.Room, f.ID, err), err.Code)
		return
	}
	t := v.talks()
	if t.refuse != nil && (t.refuse.id != f.ID || t.refuse.room != f.Room) {
		if v.now > t.refuse.until {
			v.end(wire.ClosePolicy, "what was refused did not come again; connect anew, and send what is not saved in order")
			return
		}
		v.refuse(wire.RefusedBy(f.Room, f.ID, &wire.Error{
			Code:       t.refuse.why.Code,
			Reason:     fmt.Sprintf("%q was refused before it; send that again first, then this", t.refuse.id),
			RetryAfter: t.refuse.why.RetryAfter,
		}), t.refuse.why.Code)
		return
	}
	if t.refuse != nil && t.refuse.stored { // what is still on its way came after it, and has to come again
		t.epoch++
	}
	t.refuse = nil
	if wait := v.pay(price{events: 1, room: f.Room}); wait > 0 {
		v.shut(f.Room, f.ID, false, tooFast(wait))
		v.refuse(wire.RefusedBy(f.Room, f.ID, t.refuse.why), wire.RateLimited)
		return
	}
	v.env.Clients.Heard(v.from(), f.Room, f.Text)
	v.hand(journal.Event{Kind: journal.Say, By: v.sender(), Room: f.Room, ID: f.ID, Text: f.Text, Own: v.owning()})
}

// name is paced, not refused: whoever comes with many others behind one address gets their name, a moment later.
func (v v1) name(f wire.Name) {
	e := journal.Event{Kind: journal.Release, By: v.sender()}
	if f.Name != "" {
		var err *wire.Error
		if e, err = ClaimOf(v.sender(), f.Name); err != nil {
			v.refuse(wire.FaultOf(err), err.Code)
			return
		}
		e.Bound = v.named // nobody could ever come back to it
	}
	v.paced(price{events: 1}, func() bool { return v.hand(e) })
}

func (v v1) outcome(o *journal.Outcome) {
	switch {
	case o.Event.Kind == journal.Say && o.Verdict != journal.Refused:
		v.send(wire.Saved{Room: o.Event.Room, ID: o.Event.ID, N: o.N, At: o.At})
	case o.Event.Kind == journal.Say:
		v.send(wire.RefusedBy(o.Event.Room, o.Event.ID, o.Err))
		if o.Err.RetryAfter > 0 && o.Event.Epoch == v.talk.epoch && (v.talk.refuse == nil || !v.talk.refuse.stored) {
			v.shut(o.Event.Room, o.Event.ID, true, o.Err)
		}
	case o.Verdict == journal.Refused:
		v.send(wire.FaultOf(o.Err))
	default:
		v.send(wire.Name{Name: o.Event.Name})
	}
}

// joins is paced, not refused: who comes back to many rooms at once waits a moment.
func (v v1) joins(f wire.Join) {
	v.paced(entering(f.After), func() bool {
		v.enter(f)
		return true
	})
}

func (v v1) enter(f wire.Join) {
	v.leave(f.Room)
	if len(v.places) >= v.env.Limits.Rooms {
		v.fault(wire.NotAllowed, fmt.Sprintf("a connection can be in %d rooms; leave one first", v.env.Limits.Rooms))
		return
	}
	seat := v.seat(f.Room)
	last := wire.DefaultJoin
	if f.Last != nil {
		last = *f.Last
	}
	joined, n := stand(v.env.Store, seat, f.After, last)
	v.send(joined)
	v.join(n, seat)
}

func (v v1) leave(name string) {
	for i, p := range v.places {
		if p.seat.Room() == name {
			p.leave()
			v.places = append(v.places[:i:i], v.places[i+1:]...)
			return
		}
	}
}

func (v v1) gap(name string, from, to uint64) {
	v.send(wire.Gap{Room: name, From: from, To: to})
}

func (v v1) bye(retry time.Duration) {
	v.send(wire.Restarting{RetryAfterMS: retry.Milliseconds()})
}

// history reads one page, beside everything else; meanwhile nothing more is read from the client.
func (v v1) history(f wire.History) {
	if !v.paid(ReadCost) {
		return
	}
	v.asking = true
	v.env.Hub.Go(func() {
		page, err := ReadPage(v.env.Store, f)
		v.later(func() {
			v.asking = false
			if err != nil {
				v.env.Log.Error("a page of history could not be read", "room", f.Room, "err", err)
				v.send(wire.FaultOf(&wire.Error{Code: wire.Unavailable, Reason: "the history cannot be read now; ask again", RetryAfter: tryAgain}))
				return
			}
			v.send(page)
		})
	})
}
