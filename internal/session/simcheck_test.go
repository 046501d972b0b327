package session

import (
	"errors"
	"fmt"
	"strings"

	"ramai/wire"
)

// truth is what was heard under each number of each room.
type truth map[string]map[uint64]wire.Message

// hear holds a message against what others heard under its number.
func (s *sim) hear(who string, m *wire.Message) {
	room := s.truth[m.Room]
	if room == nil {
		room = map[uint64]wire.Message{}
		s.truth[m.Room] = room
	}
	if other, ok := room[m.N]; ok && other != *m {
		s.t.Fatalf("%s hears %+v where another heard %+v", who, *m, other)
	}
	room[m.N] = *m
}

// newest is the largest number that anybody heard in a room.
func (s *sim) newest(room string) (n uint64) {
	for k := range s.truth[room] {
		n = max(n, k)
	}
	return n
}

// judge holds what the clients saw against the promises. That numbers follow each other without a hole or a double, and
// that all heard the same under the same number, was seen to as they came.
func (s *sim) judge() {
	for _, p := range s.people {
		for _, room := range simRooms {
			e := p.ears[room]
			if e.at != s.newest(room) {
				p.fail("got to %d of %s, but %d were said", e.at, room, s.newest(room))
			}
			s.judgeHeld(p.name, room, e.has)
			if want := s.present(p.l.st, room); e.count != want {
				p.fail("was told of %d connections in %s, but there are %d", e.count, room, want)
			}
		}
		s.judgeSayings(p)
	}
	for _, c := range s.ears {
		if c.at != s.newest(c.room) {
			c.fail("got to %d of %s, but %d were said", c.at, c.room, s.newest(c.room))
		}
		s.judgeHeld(c.name, c.room, c.has)
		if want := s.present(c.l.st, c.room); c.count != want {
			c.fail("was told of %d connections in %s, but there are %d", c.count, c.room, want)
		}
	}
	for _, stint := range s.stints {
		s.judgeStint(stint)
	}
}

// judgeHeld sees to it that what a client has, and was not told to forget, is what others hear under the same numbers.
func (s *sim) judgeHeld(who, room string, has map[uint64]wire.Message) {
	for n, m := range has {
		if other, ok := s.truth[room][n]; ok && other != m {
			s.t.Fatalf("%s has %+v, and was not told that there is %+v by now", who, m, other)
		}
	}
}

// present returns the number of connections of a node in a room.
func (s *sim) present(node *harness, room string) (n int) {
	for _, p := range s.people {
		if p.ears[room].in && p.l.st == node {
			n++
		}
	}
	for _, l := range s.liners {
		if l.room == room && l.now.l.st == node {
			n++
		}
	}
	for _, c := range s.ears {
		if c.room == room && c.l.st == node {
			n++
		}
	}
	return n
}

// judgeSayings sees to it that everything a person said is there once, under the number it was told, and in order.
func (s *sim) judgeSayings(p *person) {
	times := map[string]int{}
	for room, messages := range s.truth {
		for _, m := range messages {
			if m.SenderID == p.by {
				times[room+" "+m.ID]++
			}
		}
	}
	at := map[string]uint64{}
	for _, said := range p.all {
		if k := times[said.room+" "+said.id]; k > 1 {
			p.fail("%s is there %d times", said.id, k)
		}
		if said.n <= at[said.room] {
			p.fail("%s has the number %d of %s, and one that was said before it has %d", said.id, said.n, said.room, at[said.room])
		}
		at[said.room] = said.n
		if m, ok := s.truth[said.room][said.n]; ok && (m.SenderID != p.by || m.ID != said.id || m.Text != said.text) {
			p.fail("was told that %s is number %d of %s, where %+v is", said.id, said.n, said.room, m)
		} else if !ok && !s.forget {
			p.fail("was told that %s is number %d of %s, which nobody heard", said.id, said.n, said.room)
		}
	}
}

// liner is a client of the plain protocol.
type liner struct {
	sim  *sim
	room string
	now  *stint // nil: not connected
}

// stint is one connection of a liner.
type stint struct {
	l       *link
	room    string
	at      uint64 // where it began
	heard   []string
	said    []string
	refused int
	ended   bool
}

func (l *liner) connect() {
	if l.now != nil {
		return
	}
	node := l.sim.node()
	h := node.store.Bounds(l.room)
	last := l.sim.rng.IntN(5)
	t := &stint{room: l.room, at: max(h.First-1, h.Last-min(h.Last, uint64(last)))}
	t.l = node.connect(Client{Room: l.room, Last: last, Deflate: l == l.sim.liners[1] && l.sim.deflate(), Addr: l.sim.addr(100 + len(l.sim.stints))})
	t.l.line = func(s string) { t.heard = append(t.heard, s) }
	l.now = t
	l.sim.stints = append(l.sim.stints, t)
}

func (l *liner) cut() {
	if l.now != nil {
		l.now.l.end(errors.New("cut"))
		l.now.ended = true
		l.now = nil
	}
}

func (l *liner) say() {
	l.connect()
	text := l.sim.text("liner")
	l.now.said = append(l.now.said, text)
	l.now.l.text(text)
}

// judgeStint sees to it that the lines are those of the room, one after the other, from where it began to the newest.
func (s *sim) judgeStint(t *stint) {
	mine := map[string]bool{}
	for _, text := range t.said {
		mine[text] = true
	}
	at := t.at
	for i, line := range t.heard {
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
		m, known := s.truth[t.room][at]
		if known && line != string(wire.AppendLine(nil, &m)) {
			s.t.Fatalf("a liner hears %q as number %d of %s, where %+v is", line, at, t.room, m)
		}
		if !known && !s.forget {
			s.t.Fatalf("a liner hears %q as number %d of %s, which nobody else heard", line, at, t.room)
		}
	}
	if !t.ended && at != s.newest(t.room) {
		s.t.Fatalf("a liner got to %d of %s, but %d were said", at, t.room, s.newest(t.room))
	}
	s.judgeLines(t, mine)
}

// judgeLines sees to it that nothing a liner said is there twice or out of order, and that nothing is missing unless it
// was told so, or was cut off.
func (s *sim) judgeLines(t *stint, mine map[string]bool) {
	next, found := 0, 0
	for n := uint64(1); n <= s.newest(t.room); n++ {
		m, known := s.truth[t.room][n]
		if !known || !mine[m.Text] {
			continue
		}
		found++
		for next < len(t.said) && t.said[next] != m.Text {
			next++
		}
		if next == len(t.said) {
			s.t.Fatalf("what a liner said is there twice, or out of order: %q is number %d of %s", m.Text, n, t.room)
		}
		next++
	}
	if !t.ended && !s.forget && found+t.refused != len(t.said) {
		s.t.Fatalf("a liner said %d lines; %d are there, and %d were refused", len(t.said), found, t.refused)
	}
}
