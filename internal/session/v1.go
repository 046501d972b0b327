package session

import (
	"fmt"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// ReadCost is what a read of the past, or of who is here, takes of the rates.
const ReadCost = 2

// SearchCost is what a search takes: as much as two reads.
const SearchCost = 2 * ReadCost

const (
	typingEvery = 3 * time.Second // more is not heard
	fenceHolds  = 5 * time.Second // see gate
)

// v1 is the protocol ramai.v1.
type v1 struct{ websocket }

// fence keeps the order of what is said after a refusal that may be retried: until the first refused id comes again,
// everything else is refused too. It may never come again: if it was also sent on an earlier connection, and stored
// from there, the client has heard its echo and has done with it. Then the fence would stay closed for ever; so after
// fenceHolds the connection is closed instead, and the client begins again on a new one.
type fence struct {
	room, id string        // what has to come
	stored   bool          // the journal refused it; such a one came before all that were refused here
	until    time.Duration // what comes later, and is not id, closes the connection
	err      *wire.CodedError
}

// fenceOff closes the gate behind a say that was refused.
func (v v1) fenceOff(room, id string, stored bool, why *wire.CodedError) {
	v.ensurePublisher().refusal = &fence{room: room, id: id, stored: stored, err: why, until: v.now + why.RetryAfter + fenceHolds}
}

func (v v1) encoding() room.Encoding { return room.JSON }

func (v v1) open(c *Client) { v.welcome(c.Session, "") }

func (v v1) received(b []byte) (int, error) { return v.decode(b, v) }

// send puts a frame into the private buffer.
func (v v1) send(f wire.Frame) { v.sendText(wire.Append(nil, f)) }

// refusal says why a request is not done. It is for what the journal was not asked about.
func (v v1) refuse(r wire.Request, why *wire.CodedError) {
	v.env.refused(why.Code)
	v.send(r.Refused(why))
}

func (v v1) presence(payload []byte) { v.sendText(payload) }

func (v v1) typing(payload []byte) { v.sendText(payload) }

func (v v1) renamed(name string) { v.send(wire.Name{Name: name}) }

func (v v1) welcome(secret, ref string) {
	v.send(wire.Welcome{
		Protocol: wire.Protocol, Server: v.env.Server, SenderID: v.sender(), Session: secret, Name: v.env.Store.Name(v.sender()),
		Text: wire.Greeting, Limits: v.env.Limits, Ref: ref,
	})
}

func (v v1) text(b []byte) {
	r, err := wire.ParseRequest(b)
	if err != nil {
		v.refuse(r, err)
		return
	}
	begun := v.sawRequest
	v.sawRequest = true
	switch f := r.Frame.(type) {
	case wire.Say:
		v.say(r, f)
	case wire.Hello:
		v.hello(r, f, begun)
	case wire.Join:
		v.join(r, f)
	case wire.Leave:
		v.leave(f.Room)
	case wire.History:
		v.history(r, f)
	case wire.Who:
		if v.charge(r, ReadCost) {
			who := v.env.Hub.Who(f.Room)
			who.Ref = r.Ref
			v.send(who)
		}
	case wire.Name:
		v.name(r, f)
	case wire.Typing:
		if t := v.ensurePublisher(); t.typingAt == 0 || v.now-t.typingAt >= typingEvery {
			t.typingAt = v.now
			v.env.Hub.Typing(f.Room, v.sender(), v.wallTime())
		}
	case wire.Ping:
		v.send(wire.Pong{ID: f.ID, Ref: r.Ref})
	}
}

func (v v1) hello(r wire.Request, f wire.Hello, begun bool) {
	if begun {
		v.refuse(r, &wire.CodedError{Code: wire.BadRequest, Reason: "hello comes first on a connection, or not at all"})
		return
	}
	was := v.sender()
	v.become(f.Session)
	v.hasKey = v.hasKey && v.sender() == was
	v.welcome(f.Session, r.Ref)
}

// charge takes cost from the rates, or says when it will do.
func (v v1) charge(r wire.Request, cost int) bool {
	wait := v.pay(price{events: cost})
	if wait > 0 {
		v.refuse(r, tooFast(wait))
	}
	return wait == 0
}

func tooFast(wait time.Duration) *wire.CodedError {
	return &wire.CodedError{Code: wire.RateLimited, Reason: "too fast; wait, then send it again", RetryAfter: wait}
}

func (v v1) say(r wire.Request, f wire.Say) {
	if err := wire.CheckText(f.Text, v.env.Limits.Text); err != nil {
		v.refuse(r, err)
		return
	}
	t := v.ensurePublisher()
	if t.refusal != nil && (t.refusal.id != f.ID || t.refusal.room != f.Room) {
		if v.now > t.refusal.until {
			v.end(wire.ClosePolicy, "what was refused did not come again; connect anew, and send what is not saved in order")
			return
		}
		v.refuse(r, &wire.CodedError{
			Code:       t.refusal.err.Code,
			Reason:     fmt.Sprintf("%q was refused before it; send that again first, then this", t.refusal.id),
			RetryAfter: t.refusal.err.RetryAfter,
		})
		return
	}
	if t.refusal != nil && t.refusal.stored { // what is still on its way came after it, and has to come again
		t.fence++
	}
	t.refusal = nil
	if wait := v.pay(price{events: 1, room: f.Room}); wait > 0 {
		v.fenceOff(f.Room, f.ID, false, tooFast(wait))
		v.refuse(r, t.refusal.err)
		return
	}
	v.env.Clients.Heard(v.addrPort(), f.Room, f.Text)
	v.submitOrWait(eventlog.Command{Kind: eventlog.Say, SenderID: v.sender(), Room: f.Room, ID: f.ID, Text: f.Text, RegisterKey: v.registerKey()}, r.Ref)
}

// name is paced, not refused: whoever comes with many others behind one address gets their name, a moment later. What
// follows is read when the name is answered, so that it is done under that name, and answered after it.
func (v v1) name(r wire.Request, f wire.Name) {
	e := eventlog.Command{Kind: eventlog.ReleaseName, SenderID: v.sender()}
	if f.Name != "" {
		var err *wire.CodedError
		if e, err = ReserveName(v.sender(), f.Name); err != nil {
			v.refuse(r, err)
			return
		}
		if v.nameBound { // nobody could ever come back to it
			e.BindName()
		}
	}
	v.ensurePublisher().naming = true
	v.paced(price{events: 1, name: f.Name != ""}, func() bool { return v.submitOrWait(e, r.Ref) })
}

func (v v1) reply(o *reply) {
	e := &o.Command
	if e.Kind == eventlog.Say {
		v.said(o)
		return
	}
	v.publisher.naming = false
	if o.Status == eventlog.Refused {
		v.send(wire.Request{Type: wire.Name{}.Type(), Ref: o.ref}.Refused(o.Err))
		return
	}
	name := ""
	if body, ok := e.Body.(eventlog.ReserveNameBody); ok {
		name = body.Name
	}
	v.send(wire.Name{Name: name, Ref: o.ref})
}

// said tells what became of a say.
func (v v1) said(o *reply) {
	e := &o.Command
	if o.Status != eventlog.Refused {
		v.send(wire.Saved{Room: e.Room, ID: e.ID, N: o.N, At: o.At, Ref: o.ref})
		return
	}
	refused := wire.RefusedBy(e.Room, e.ID, o.Err)
	refused.Ref = o.ref
	v.send(refused)
	if o.Err.RetryAfter > 0 && o.fence == v.publisher.fence && (v.publisher.refusal == nil || !v.publisher.refusal.stored) {
		v.fenceOff(e.Room, e.ID, true, o.Err)
	}
}

// join is paced, not refused: who comes back to many rooms at once waits a moment.
func (v v1) join(r wire.Request, f wire.Join) {
	v.paced(joinPrice(f.After), func() bool {
		v.joinNow(r, f)
		return true
	})
}

func (v v1) joinNow(r wire.Request, f wire.Join) {
	v.leave(f.Room)
	if len(v.cursors) >= v.env.Limits.Rooms {
		v.refuse(r, &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("a connection can be in %d rooms; leave one first", v.env.Limits.Rooms)})
		return
	}
	seat := v.subscribe(f.Room)
	last := wire.DefaultJoin
	if f.Last != nil {
		last = *f.Last
	}
	joined, n := startPosition(v.env.Store, seat, f.After, last)
	joined.Ref = r.Ref
	v.send(joined)
	v.addCursor(n, seat)
}

func (v v1) leave(name string) {
	for i, p := range v.cursors {
		if p.sub.Room() == name {
			p.leave()
			v.cursors = append(v.cursors[:i:i], v.cursors[i+1:]...)
			return
		}
	}
}

func (v v1) gap(name string, from, to uint64) {
	v.send(wire.Gap{Room: name, From: from, To: to})
}

func (v v1) unreadable(room string, why *wire.CodedError) { v.refuse(wire.Request{Room: room}, why) }

func (v v1) bye(retry time.Duration) {
	v.send(wire.Restarting{RetryAfterMS: retry.Milliseconds()})
}

// history reads one page, beside everything else; meanwhile nothing more is read from the client.
func (v v1) history(r wire.Request, f wire.History) {
	if !v.charge(r, ReadCost) {
		return
	}
	v.reading = true
	v.env.Hub.Go(v.addr, func() {
		page, err := ReadPage(v.env.Store, f)
		v.enqueue(func() {
			v.reading = false
			if err != nil {
				v.env.Logger.Error("a page of history could not be read", "room", f.Room, "err", err)
				v.send(r.Refused(Unreadable(v.env.Store, f.Room)))
				return
			}
			page.Ref = r.Ref
			v.send(page)
		})
	})
}
