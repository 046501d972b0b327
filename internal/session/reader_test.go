package session

import (
	"math/rand/v2"

	"ramai/internal/chat"
	"ramai/wire"
)

// reader is a client in a simulation that only reads one room: it stops reading, loads pages, leaves, and comes back at any
// position.
type reader struct {
	st      *harness
	rng     *rand.Rand
	client  Client           // what it connects as
	check   func(b []byte)   // called with everything that it is sent, as bytes and as frames or lines
	onFrame func(wire.Frame) // called with frames of ramai.v1; may be nil
	link    *link            // nil: it has not connected yet
}

// newReaders returns readers of all protocols. Their checks have to be set.
func newReaders(st *harness, rng *rand.Rand, room string) (all []*reader) {
	for _, c := range []Client{
		{Protocol: chat.V1}, {Protocol: chat.V1, Deflate: true}, {Protocol: chat.V1}, {Protocol: chat.Plain}, {Protocol: chat.Plain, Deflate: true},
		{Protocol: chat.Events}, {Protocol: chat.Lines},
	} {
		c.Room = room
		all = append(all, &reader{st: st, rng: rng, client: c})
	}
	return all
}

// connect connects the reader. It resumes, or starts at some position.
func (r *reader) connect() {
	c := r.client
	c.Last = r.rng.IntN(100)
	stream := c.Protocol == chat.Events || c.Protocol == chat.Lines
	if stream && r.rng.IntN(3) > 0 {
		c.After = r.position()
	}
	r.link = r.st.connect(c)
	r.link.onWrite = r.check
	if stream {
		r.link.onBytes = func([]byte) {}
	}
	r.link.onFrame = func(f wire.Frame) {
		if r.check(wire.Append(nil, f)); r.onFrame != nil {
			r.onFrame(f)
		}
	}
	r.link.onLine = func(s string) { r.check([]byte(s)) }
	if c.Protocol == chat.V1 {
		r.join()
	}
}

func (r *reader) position() *wire.Position {
	last := r.st.store.Bounds(r.client.Room).Last
	return &wire.Position{HistoryID: r.st.store.HistoryID(), N: uint64(r.rng.Int64N(int64(last) + 1))}
}

func (r *reader) join() {
	j := wire.Join{Room: r.client.Room, After: r.position()}
	if r.rng.IntN(3) == 0 {
		last := r.rng.IntN(200)
		j.After, j.Last = nil, &last
	}
	r.link.send(j)
}

// act does something.
func (r *reader) act() {
	if r.link == nil || r.link.closed {
		r.connect()
		return
	}
	l := r.link
	switch k := r.rng.IntN(100); {
	case k < 3:
		l.end(nil)
	case k < 10:
		l.blocked = !l.blocked
	case k < 16 && l.v1:
		r.join()
	case k < 18 && l.v1:
		l.send(wire.Leave{Room: r.client.Room})
	case k < 30 && l.v1:
		before := r.st.store.Bounds(r.client.Room).Last + 2
		before -= min(before, uint64(r.rng.IntN(60)))
		l.send(wire.History{Room: r.client.Room, Before: &before, Limit: 1 + r.rng.IntN(30)})
	case k < 45:
		l.receive(1 + r.rng.IntN(300))
	case k < 75:
		l.max = 1 + r.rng.IntN(3000)
		l.next()
	case l.unconfirmed != nil && (!l.blocked || r.rng.IntN(50) == 0):
		l.write(r.rng.IntN(len(l.unconfirmed) + 1))
	default:
		l.interrupt()
	}
}
