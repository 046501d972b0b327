package session

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

// person is a client of ramai.v1 as PROTOCOL.md wants it: it resumes, and sends again in order what is not settled.
type person struct {
	sim     *sim
	name    string
	l       *link // nil: not connected
	greeted int   // welcomes on this connection
	open    bool  // the last of them has come
	session string
	by      string
	ears    map[string]*ear // rooms that it ever joined
	box     []*said         // not settled, in order
	sent    int             // so many of box are on their way over this connection
	hold    time.Time       // nothing is to be said before
	all     []*said
	away    bool // it does not connect
	ids     int  // given to what was said
	old     bool // it does not know the frame epoch, and may be reset where others are not
}

// said is one thing a person said.
type said struct {
	room, id, text string
	n              uint64 // the number it was told; 0: not yet
}

// ear is where a person stands in a room.
type ear struct {
	in      bool                    // in the room, or on the way into it
	waiting int                     // answers to join that are to come; until then what comes is from before
	started bool                    // at counts
	last    int                     // asked for at the first join
	at      uint64                  // everything up to there was heard, or was said to be gone
	epoch   string                  // in which that was
	now     string                  // the epoch of the newest joined
	has     map[uint64]wire.Message // heard since the newest reset
	resets  int
	count   int // of the newest presence
}

func (p *person) connect() {
	if p.l != nil || p.away {
		return
	}
	i := slices.Index(p.sim.people, p)
	p.l = p.sim.node().connect(Client{Protocol: chat.V1, Deflate: i == 1 && p.sim.deflate(), Addr: p.sim.addr(i)})
	p.l.hear, p.greeted, p.open = p.hear, 0, false
}

// cut is the end of a connection as a client sees it. What was on its way is lost.
func (p *person) cut() {
	if p.l != nil {
		p.l.end(errors.New("cut"))
	}
	p.l, p.open = nil, false
	for _, e := range p.ears {
		e.waiting = 0
	}
}

// begin is what follows the final welcome.
func (p *person) begin() {
	p.open = true
	for _, name := range simRooms {
		if e := p.ears[name]; e != nil && e.in {
			e.in = false
			p.join(name)
		}
	}
	p.sent, p.hold = 0, time.Time{}
	p.push()
}

func (p *person) join(name string) {
	e := p.ears[name]
	if e == nil {
		e = &ear{last: []int{0, 3, 500}[p.sim.rng.IntN(3)]}
		p.ears[name] = e
	}
	e.in = true
	e.waiting++
	if e.started {
		p.l.send(wire.Join{Room: name, After: &wire.Position{HistoryID: p.sim.store.HistoryID(), Epoch: e.epoch, N: e.at}})
	} else {
		p.l.send(wire.Join{Room: name, Last: &e.last})
	}
}

func (p *person) leave(name string) {
	if e := p.ears[name]; e != nil && e.in && e.waiting == 0 {
		e.in = false
		p.l.send(wire.Leave{Room: name})
	}
}

// comeBack joins every room, for the end.
func (p *person) comeBack() {
	for _, name := range simRooms {
		if e := p.ears[name]; p.open && (e == nil || !e.in) {
			p.join(name)
		}
	}
}

func (p *person) say() {
	s := &said{room: simRooms[p.sim.rng.IntN(2)], id: fmt.Sprint("id-", p.ids), text: p.sim.text(p.name)}
	p.ids++
	p.all, p.box = append(p.all, s), append(p.box, s)
	p.push()
}

// push sends what is to be said, when its time has come.
func (p *person) push() {
	for p.open && p.sent < len(p.box) && !p.sim.clock.Before(p.hold) {
		s := p.box[p.sent]
		p.l.send(wire.Say{Room: s.room, ID: s.id, Text: s.text})
		p.sent++
	}
}

func (p *person) fail(format string, args ...any) {
	p.sim.t.Helper()
	p.sim.t.Fatalf(p.name+": "+format, args...)
}

func (p *person) hear(f wire.Frame) {
	switch f := f.(type) {
	case wire.Welcome:
		p.welcomed(f)
	case wire.Joined:
		p.joined(f)
	case wire.Epoch:
		for _, e := range p.ears {
			if e.waiting == 0 && !p.old {
				e.now = f.Epoch
			}
		}
	case wire.Message:
		if e := p.ear(f.Room); e != nil {
			p.heard(e, &f)
		}
	case wire.Gap:
		if e := p.ear(f.Room); e != nil {
			if f.From != e.at+1 || f.To < f.From || f.To >= p.l.st.store.Bounds(f.Room).First {
				p.fail("at %d of %s: %s", e.at, f.Room, describe(f))
			}
			e.at, e.epoch = f.To, e.now
		}
	case wire.Saved:
		p.settle(f.Room, f.ID, f.N)
	case wire.Refused:
		p.refused(f)
	case wire.Page:
		for i := range f.Messages {
			if i > 0 && f.Messages[i].N != f.Messages[i-1].N+1 {
				p.fail("a page with a hole: %s", describe(f))
			}
			p.sim.hear(p.name, &f.Messages[i])
		}
	case wire.Presence:
		if e := p.ears[f.Room]; e != nil {
			e.count = f.Count
		}
	case wire.Error:
		if f.Code != wire.RateLimited && f.Code != wire.NameTaken && f.Code != wire.Unavailable {
			p.fail("an error: %s", f.Reason)
		}
	}
}

func (p *person) welcomed(f wire.Welcome) {
	p.greeted++
	switch {
	case p.session == "":
		p.session, p.by = f.Session, f.SenderID
		p.begin()
	case p.greeted == 1:
		p.l.send(wire.Hello{Session: p.session})
	case f.Session != p.session || f.SenderID != p.by:
		p.fail("said hello, and is somebody else")
	default:
		p.begin()
	}
}

// ear returns where what comes now counts, or nil if that is from before the room was joined anew.
func (p *person) ear(room string) *ear {
	e := p.ears[room]
	if e == nil {
		p.fail("hears room %s, which it never joined", room)
	}
	if e.waiting > 0 {
		return nil
	}
	return e
}

func (p *person) joined(f wire.Joined) {
	e := p.ears[f.Room]
	if e == nil || e.waiting == 0 {
		p.fail("unasked: %s", describe(f))
	}
	if e.waiting--; e.waiting > 0 {
		return
	}
	if f.Reset {
		e.resets++
	}
	if e.resets > p.sim.backs && !p.old || f.HistoryID != p.sim.store.HistoryID() {
		p.fail("its position is not known any more: %s", describe(f))
	}
	e.now = f.Epoch
	if !e.started || f.Reset {
		e.started, e.epoch, e.has = true, f.Epoch, map[uint64]wire.Message{}
		if f.Reset {
			e.last = wire.DefaultJoin
		}
		e.at = max(f.First-1, f.N-min(f.N, uint64(e.last)))
	}
}

func (p *person) heard(e *ear, m *wire.Message) {
	if m.N != e.at+1 {
		p.fail("hears number %d of %s after %d", m.N, m.Room, e.at)
	}
	e.at, e.epoch = m.N, e.now
	e.has[m.N] = *m
	p.sim.hear(p.name, m)
	if m.SenderID == p.by {
		p.settle(m.Room, m.ID, m.N)
	}
}

func (p *person) settle(room, id string, n uint64) {
	for _, s := range p.all {
		if s.room != room || s.id != id {
			continue
		}
		if s.n != 0 && s.n != n {
			p.fail("%s is saved as number %d, and as %d", id, s.n, n)
		}
		s.n = n
		if i := slices.Index(p.box, s); i >= 0 {
			p.box = slices.Delete(p.box, i, i+1)
			if i < p.sent {
				p.sent--
			}
		}
		return
	}
	p.fail("%s %s is saved, and was never said", room, id)
}

func (p *person) refused(f wire.Refused) {
	if f.RetryAfterMS <= 0 {
		p.fail("refused for good: %s: %s", describe(f), f.Reason)
	}
	for i, s := range p.box[:p.sent] {
		if s.room == f.Room && s.id == f.ID { // from there on all has to be sent again
			p.sent, p.hold = i, p.sim.clock.Add(time.Duration(f.RetryAfterMS)*time.Millisecond)
			return
		}
	}
}
