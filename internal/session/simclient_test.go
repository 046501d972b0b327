package session

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

// v1Client is a client of ramai.v1 that follows PROTOCOL.md: it resumes, and sends unsettled messages again in order.
type v1Client struct {
	sim           *sim
	name          string
	l             *link // nil: not connected
	welcomes      int   // welcomes on this connection
	ready         bool  // the last of them was received
	session       string
	senderID      string
	rooms         map[string]*clientRoom // rooms that it has ever joined
	unsaved       []*post                // not settled, in order
	sent          int                    // how many of unsaved were sent on this connection
	retryAt       time.Time              // nothing is posted before
	posts         []*post
	marks         map[markTarget]*ownMark
	marking       map[string]*markRequest // on this connection, by ref; without answers
	offline       bool                    // it does not connect
	ids           int                     // ids used so far
	ignoresEpochs bool                    // it does not know the frame epoch, and may be reset where others are not

	loading func(page wire.Page, numbers []uint64) // receives pages, with all numbers that they have or skip; nil: nobody waits for them
	reading func(wire.Settings)                    // receives pages of settings; nil: nobody waits for them
}

// post is a message, a change or a setting that a client has sent.
type post struct {
	room, id, text string
	re             uint64 // the message that it replies to; 0: none
	of             uint64 // the message that it changes; 0: it is a message
	deletes        bool   // the message that it changes
	as             string // of a message
	options        []string
	key            string // of a setting; empty: it is none
	value          wire.Value
	doubtful       bool   // when it was posted, nobody knew that it names a message of the right kind: it may be refused at first, and saved later
	n              uint64 // the number that the server told; 0: none yet
}

// frame returns what the client sends.
func (p *post) frame() wire.Frame {
	switch {
	case p.key != "":
		return wire.Set{Room: p.room, ID: p.id, Key: p.key, Value: p.value}
	case p.of == 0:
		return wire.Say{Room: p.room, ID: p.id, Text: p.text, Re: p.re, As: p.as, Options: p.options}
	case p.deletes:
		return wire.Change{Room: p.room, ID: p.id, Of: p.of}
	}
	return wire.Change{Room: p.room, ID: p.id, Of: p.of, Text: &p.text}
}

// clientRoom is the state of a client in a room.
type clientRoom struct {
	joined       bool   // in the room, or on the way into it
	pendingJoins int    // answers to join that are to come; until then what comes is from before
	positioned   bool   // at counts
	last         int    // asked for at the first join
	position     uint64 // everything up to there was heard, or was said to be gone
	epoch        string // in which that was
	joinedEpoch  string // the epoch of the newest joined
	view         view   // of what was received since the newest reset
	first        uint64 // of the newest joined
	resets       int
	count        int // of the newest presence
}

func (p *v1Client) connect() {
	if p.l != nil || p.offline {
		return
	}
	i := slices.Index(p.sim.v1Clients, p)
	p.l = p.sim.node().connect(Client{Protocol: chat.V1, Deflate: i == 1 && p.sim.deflate(), Addr: p.sim.addr(i)})
	p.l.onFrame, p.welcomes, p.ready = p.onFrame, 0, false
}

// disconnect ends the connection on the client's side. Bytes in transit are lost.
func (p *v1Client) disconnect() {
	if p.l != nil {
		p.l.end(errors.New("cut"))
	}
	p.l, p.ready = nil, false
	p.loseMarks()
	for _, e := range p.rooms {
		e.pendingJoins = 0
	}
}

// resume is called after the final welcome.
func (p *v1Client) resume() {
	p.ready = true
	for _, name := range simRooms {
		if e := p.rooms[name]; e != nil && e.joined {
			e.joined = false
			p.join(name)
		}
	}
	p.sent, p.retryAt = 0, time.Time{}
	p.sendUnsent()
}

func (p *v1Client) join(name string) {
	e := p.rooms[name]
	if e == nil {
		e = &clientRoom{last: []int{0, 3, 500}[p.sim.rng.IntN(3)]}
		p.rooms[name] = e
	}
	e.joined = true
	e.pendingJoins++
	if e.positioned {
		p.l.send(wire.Join{Room: name, After: &wire.Position{HistoryID: p.sim.store.HistoryID(), Epoch: e.epoch, N: e.position}})
	} else {
		p.l.send(wire.Join{Room: name, Last: &e.last})
	}
}

func (p *v1Client) leave(name string) {
	if e := p.rooms[name]; e != nil && e.joined && e.pendingJoins == 0 {
		e.joined = false
		p.l.send(wire.Leave{Room: name})
	}
}

// joinAll joins every room, at the end of a run.
func (p *v1Client) joinAll() {
	for _, name := range simRooms {
		if e := p.rooms[name]; p.ready && (e == nil || !e.joined) {
			p.join(name)
		}
	}
}

// say posts a message. Some are replies, also to numbers that are not messages, or not yet.
func (p *v1Client) say() {
	s := &post{room: simRooms[p.sim.rng.IntN(2)], text: p.sim.text(p.name)}
	if p.sim.rng.IntN(4) == 0 {
		s.re = 1 + p.sim.rng.Uint64N(p.sim.newest(s.room)+2)
		s.doubtful = !p.sim.isMessage(s.room, s.re)
	}
	switch p.sim.rng.IntN(8) {
	case 0:
		s.as = wire.Question
	case 1, 2, 3:
		s.as, s.options = wire.Poll, []string{"yes", "no", "maybe"}[:2+p.sim.rng.IntN(2)]
	}
	p.post(s)
}

// change edits or deletes a message: mostly a new one of the client's own, and sometimes any number of the room.
func (p *v1Client) change() {
	s := &post{room: simRooms[p.sim.rng.IntN(2)], text: p.sim.text(p.name), deletes: p.sim.rng.IntN(4) == 0}
	var own []uint64
	for _, said := range p.posts {
		if said.room == s.room && said.says() && said.n > 0 {
			own = append(own, said.n)
		}
	}
	if len(own) > 0 && p.sim.rng.IntN(8) > 0 {
		s.of = own[max(0, len(own)-1-p.sim.rng.IntN(5))]
	} else {
		s.of = 1 + p.sim.rng.Uint64N(p.sim.newest(s.room)+2)
		s.doubtful = !p.sim.isMessage(s.room, s.of)
	}
	p.post(s)
}

func (p *v1Client) post(s *post) {
	s.id = fmt.Sprint("id-", p.ids)
	p.ids++
	p.posts, p.unsaved = append(p.posts, s), append(p.unsaved, s)
	p.sendUnsent()
}

// sendUnsent sends unsent messages when they are due.
func (p *v1Client) sendUnsent() {
	for p.ready && p.sent < len(p.unsaved) && !p.sim.clock.Before(p.retryAt) {
		s := p.unsaved[p.sent]
		p.l.send(s.frame())
		p.sent++
	}
}

func (p *v1Client) fail(format string, args ...any) {
	p.sim.t.Helper()
	p.sim.t.Fatalf(p.name+": "+format, args...)
}

func (p *v1Client) onFrame(f wire.Frame) {
	switch f := f.(type) {
	case wire.Welcome:
		p.onWelcome(f)
	case wire.Joined:
		p.onJoined(f)
	case wire.Epoch:
		for _, e := range p.rooms {
			if e.pendingJoins == 0 && !p.ignoresEpochs {
				e.joinedEpoch = f.Epoch
			}
		}
	case wire.Message:
		if e := p.room(f.Room); e != nil {
			p.onNumber(e, f.Room, f.N, f.SenderID, f.ID)
			e.view.message(p.sim, p.name, f, 0)
		}
	case wire.Changed:
		if e := p.room(f.Room); e != nil {
			p.onNumber(e, f.Room, f.N, f.SenderID, f.ID)
			e.view.change(p.sim, p.name, f)
		}
	case wire.Tally:
		if e := p.room(f.Room); e != nil {
			p.onNumber(e, f.Room, f.N, "", "")
			e.view.tally(p.sim, p.name, f)
		}
	case wire.State:
		if e := p.room(f.Room); e != nil {
			p.onNumber(e, f.Room, f.N, f.SenderID, f.ID)
			e.view.state(p.sim, p.name, f)
		}
	case wire.Marked:
		p.onMarked(f)
	case wire.Settings:
		p.reading(f)
	case wire.Gap:
		if e := p.room(f.Room); e != nil {
			if f.From != e.position+1 || f.To < f.From || f.To >= p.l.st.store.Bounds(f.Room).First {
				p.fail("at %d of %s: %s", e.position, f.Room, describe(f))
			}
			e.position, e.epoch = f.To, e.joinedEpoch
			e.view.gap(f)
		}
	case wire.Saved:
		p.onSaved(f.Room, f.ID, f.N)
		p.sim.erase(p, f)
	case wire.Refused:
		p.onRefused(f)
	case wire.Page:
		p.onPage(f)
	case wire.Presence:
		if e := p.rooms[f.Room]; e != nil {
			e.count = f.Count
		}
	case wire.Error:
		if f.Request == "mark" {
			p.onMarkRefused(f)
		} else if f.Code != wire.RateLimited && f.Code != wire.NameTaken && f.Code != wire.Unavailable {
			p.fail("an error: %s", f.Reason)
		}
	}
}

func (p *v1Client) onWelcome(f wire.Welcome) {
	p.welcomes++
	switch {
	case p.session == "":
		p.session, p.senderID = f.Session, f.SenderID
		p.resume()
	case p.welcomes == 1:
		p.l.send(wire.Hello{Session: p.session})
	case f.Session != p.session || f.SenderID != p.senderID:
		p.fail("the sender has changed after hello")
	default:
		p.resume()
	}
}

// room returns the state that a frame applies to, or nil if the frame is from before the room was joined again.
func (p *v1Client) room(room string) *clientRoom {
	e := p.rooms[room]
	if e == nil {
		p.fail("received a frame of room %s, which it never joined", room)
	}
	if e.pendingJoins > 0 {
		return nil
	}
	return e
}

func (p *v1Client) onJoined(f wire.Joined) {
	e := p.rooms[f.Room]
	if e == nil || e.pendingJoins == 0 {
		p.fail("unasked: %s", describe(f))
	}
	if e.pendingJoins--; e.pendingJoins > 0 {
		return
	}
	if f.Reset {
		e.resets++
	}
	if e.resets > p.sim.rewinds && !p.ignoresEpochs || f.HistoryID != p.sim.store.HistoryID() {
		p.fail("its position is unknown: %s", describe(f))
	}
	if f.Epoch != e.joinedEpoch {
		e.view.forgetAbove(e.position)
	}
	e.joinedEpoch, e.first = f.Epoch, f.First
	j := simJoin{name: p.name, f: f, last: -1}
	if !e.positioned {
		j.last = e.last
	} else if f.Reset {
		j.last = wire.DefaultJoin
	}
	p.sim.joins = append(p.sim.joins, j)
	if !e.positioned || f.Reset {
		e.positioned, e.epoch, e.view = true, f.Epoch, view{}
		e.position = *f.From
	}
	e.view.join(f.State, f.N)
}

// onNumber is called with the next number of a room, and who posted it under which id.
func (p *v1Client) onNumber(e *clientRoom, room string, n uint64, senderID, id string) {
	if n != e.position+1 {
		p.fail("received number %d of %s after %d", n, room, e.position)
	}
	e.position, e.epoch = n, e.joinedEpoch
	if senderID == p.senderID {
		p.onSaved(room, id, n)
	}
}

func (p *v1Client) onPage(f wire.Page) {
	numbers := map[uint64]bool{}
	for _, r := range f.Skipped {
		for n := r.From; n <= r.To; n++ {
			numbers[n] = true
		}
	}
	v := &view{}
	if e := p.rooms[f.Room]; e != nil {
		v = &e.view
	}
	for _, m := range f.Messages {
		if numbers[m.N] {
			p.fail("number %d of %s is a message, and the page skips it", m.N, f.Room)
		}
		numbers[m.N] = true
		v.message(p.sim, p.name, m, f.Head)
	}
	all := slices.Sorted(maps.Keys(numbers))
	if k := len(all); k > 0 && all[k-1]-all[0] != uint64(k-1) {
		p.fail("a page has the numbers %d of %s, want all of a range", all, f.Room)
	}
	if p.loading != nil {
		p.loading(f, all)
	}
}

func (p *v1Client) onSaved(room, id string, n uint64) {
	for _, s := range p.posts {
		if s.room != room || s.id != id {
			continue
		}
		if s.n != 0 && s.n != n {
			p.fail("%s is saved as number %d and as %d", id, s.n, n)
		}
		s.n = n
		if i := slices.Index(p.unsaved, s); i >= 0 {
			p.unsaved = slices.Delete(p.unsaved, i, i+1)
			if i < p.sent {
				p.sent--
			}
		}
		return
	}
	p.fail("%s %s is saved, but was never posted", room, id)
}

func (p *v1Client) onRefused(f wire.Refused) {
	i := slices.IndexFunc(p.unsaved[:p.sent], func(s *post) bool { return s.room == f.Room && s.id == f.ID })
	switch {
	case i < 0:
	case f.RetryAfterMS > 0: // from there on all has to be sent again
		p.sent, p.retryAt = i, p.sim.clock.Add(time.Duration(f.RetryAfterMS)*time.Millisecond)
	default:
		s := p.unsaved[i]
		if !p.sim.refusable(p, s, f) {
			p.fail("%+v is refused for good: %s: %s", *s, describe(f), f.Reason)
		}
		p.unsaved = slices.Delete(p.unsaved, i, i+1)
		p.posts = slices.DeleteFunc(p.posts, func(q *post) bool { return q == s })
		p.sent--
	}
}
