package session

import (
	"errors"
	"fmt"
	"strings"

	"ramai/wire"
)

// transcript is what was heard under each number of each room.
type transcript map[string]map[uint64]wire.Message

// record holds a message against what others heard under its number.
func (s *sim) record(who string, m *wire.Message) {
	room := s.transcript[m.Room]
	if room == nil {
		room = map[uint64]wire.Message{}
		s.transcript[m.Room] = room
	}
	if other, ok := room[m.N]; ok && other != *m {
		s.t.Fatalf("%s hears %+v where another heard %+v", who, *m, other)
	}
	room[m.N] = *m
}

// newest is the largest number that anybody heard in a room.
func (s *sim) newest(room string) (n uint64) {
	for k := range s.transcript[room] {
		n = max(n, k)
	}
	return n
}

// verify holds what the clients saw against the promises. That numbers follow each other without a hole or a double, and
// that all heard the same under the same number, was seen to as they came.
func (s *sim) verify() {
	for _, p := range s.v1Clients {
		for _, room := range simRooms {
			e := p.rooms[room]
			if e.position != s.newest(room) {
				p.fail("got to %d of %s, but %d were said", e.position, room, s.newest(room))
			}
			s.verifyReceived(p.name, room, e.messages)
			if want := s.connections(p.l.st, room); e.count != want {
				p.fail("was told of %d connections in %s, but there are %d", e.count, room, want)
			}
		}
		s.verifyPosts(p)
	}
	for _, c := range s.streamClients {
		if c.position != s.newest(c.room) {
			c.fail("got to %d of %s, but %d were said", c.position, c.room, s.newest(c.room))
		}
		s.verifyReceived(c.name, c.room, c.messages)
		if want := s.connections(c.l.st, c.room); c.count != want {
			c.fail("was told of %d connections in %s, but there are %d", c.count, c.room, want)
		}
	}
	for _, conn := range s.plainConns {
		s.verifyPlainConn(conn)
	}
}

// verifyReceived sees to it that what a client has, and was not told to forget, is what others hear under the same numbers.
func (s *sim) verifyReceived(who, room string, has map[uint64]wire.Message) {
	for n, m := range has {
		if other, ok := s.transcript[room][n]; ok && other != m {
			s.t.Fatalf("%s has %+v, and was not told that there is %+v by now", who, m, other)
		}
	}
}

// connections returns the number of connections of a node in a room.
func (s *sim) connections(node *harness, room string) (n int) {
	for _, p := range s.v1Clients {
		if p.rooms[room].joined && p.l.st == node {
			n++
		}
	}
	for _, l := range s.plainClients {
		if l.room == room && l.conn.l.st == node {
			n++
		}
	}
	for _, c := range s.streamClients {
		if c.room == room && c.l.st == node {
			n++
		}
	}
	return n
}

// verifyPosts sees to it that everything a person said is there once, under the number it was told, and in order.
func (s *sim) verifyPosts(p *v1Client) {
	times := map[string]int{}
	for room, messages := range s.transcript {
		for _, m := range messages {
			if m.SenderID == p.senderID {
				times[room+" "+m.ID]++
			}
		}
	}
	at := map[string]uint64{}
	for _, said := range p.posts {
		if k := times[said.room+" "+said.id]; k > 1 {
			p.fail("%s is there %d times", said.id, k)
		}
		if said.n <= at[said.room] {
			p.fail("%s has the number %d of %s, and one that was said before it has %d", said.id, said.n, said.room, at[said.room])
		}
		at[said.room] = said.n
		if m, ok := s.transcript[said.room][said.n]; ok && (m.SenderID != p.senderID || m.ID != said.id || m.Text != said.text) {
			p.fail("was told that %s is number %d of %s, where %+v is", said.id, said.n, said.room, m)
		} else if !ok && !s.trims {
			p.fail("was told that %s is number %d of %s, which nobody heard", said.id, said.n, said.room)
		}
	}
}

// plainClient is a client of the plain protocol.
type plainClient struct {
	sim  *sim
	room string
	conn *plainConn // nil: not connected
}

// plainConn is one connection of a liner.
type plainConn struct {
	l       *link
	room    string
	start   uint64 // where it began
	lines   []string
	posts   []string
	refused int
	closed  bool
}

func (l *plainClient) connect() {
	if l.conn != nil {
		return
	}
	node := l.sim.node()
	h := node.store.Bounds(l.room)
	last := l.sim.rng.IntN(5)
	t := &plainConn{room: l.room, start: max(h.First-1, h.Last-min(h.Last, uint64(last)))}
	t.l = node.connect(Client{Room: l.room, Last: last, Deflate: l == l.sim.plainClients[1] && l.sim.deflate(), Addr: l.sim.addr(100 + len(l.sim.plainConns))})
	t.l.onLine = func(s string) { t.lines = append(t.lines, s) }
	l.conn = t
	l.sim.plainConns = append(l.sim.plainConns, t)
}

func (l *plainClient) disconnect() {
	if l.conn != nil {
		l.conn.l.end(errors.New("cut"))
		l.conn.closed = true
		l.conn = nil
	}
}

func (l *plainClient) say() {
	l.connect()
	text := l.sim.text("liner")
	l.conn.posts = append(l.conn.posts, text)
	l.conn.l.sendText(text)
}

// verifyPlainConn sees to it that the lines are those of the room, one after the other, from where it began to the newest.
func (s *sim) verifyPlainConn(t *plainConn) {
	mine := map[string]bool{}
	for _, text := range t.posts {
		mine[text] = true
	}
	at := t.start
	for i, line := range t.lines {
		if i == 0 {
			if line != wire.Greeting {
				s.t.Fatalf("a liner is greeted with %q", line)
			}
			continue
		}
		if notice, ok := strings.CutPrefix(line, wire.NoticePrefix); ok {
			var gone uint64
			if k, _ := fmt.Sscanf(notice, "%d messages were deleted", &gone); k == 0 {
				t.refused++
			}
			at += gone
			continue
		}
		at++
		m, known := s.transcript[t.room][at]
		if known && line != string(wire.AppendLine(nil, &m)) {
			s.t.Fatalf("a liner hears %q as number %d of %s, where %+v is", line, at, t.room, m)
		}
		if !known && !s.trims {
			s.t.Fatalf("a liner hears %q as number %d of %s, which nobody else heard", line, at, t.room)
		}
	}
	if !t.closed && at != s.newest(t.room) {
		s.t.Fatalf("a liner got to %d of %s, but %d were said", at, t.room, s.newest(t.room))
	}
	s.verifyPlainPosts(t, mine)
}

// verifyPlainPosts sees to it that nothing a liner said is there twice or out of order, and that nothing is missing unless it
// was told so, or was cut off.
func (s *sim) verifyPlainPosts(t *plainConn, mine map[string]bool) {
	next, found := 0, 0
	for n := uint64(1); n <= s.newest(t.room); n++ {
		m, known := s.transcript[t.room][n]
		if !known || !mine[m.Text] {
			continue
		}
		found++
		for next < len(t.posts) && t.posts[next] != m.Text {
			next++
		}
		if next == len(t.posts) {
			s.t.Fatalf("what a liner said is there twice, or out of order: %q is number %d of %s", m.Text, n, t.room)
		}
		next++
	}
	if !t.closed && !s.trims && found+t.refused != len(t.posts) {
		s.t.Fatalf("a liner said %d lines; %d are there, and %d were refused", len(t.posts), found, t.refused)
	}
}
