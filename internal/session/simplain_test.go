package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ramai/wire"
)

// Clients of the plain protocol in the simulation.

// plainClient is a client of the plain protocol.
type plainClient struct {
	sim  *sim
	room string
	conn *plainConn // nil: not connected
}

// plainConn is one connection of a plain client.
type plainConn struct {
	l       *link
	room    string
	start   uint64 // the number after which it started
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
	last := l.sim.rng.IntN(5)
	t := &plainConn{room: l.room, start: node.store.StartOf(l.room, last)}
	t.l = node.connect(Client{Room: l.room, Last: last, Deflate: l == l.sim.plainClients[1] && l.sim.deflate(), Addr: l.sim.addr(100 + len(l.sim.plainConns))})
	t.l.onLine = func(line string) {
		t.lines = append(t.lines, line)
		l.sim.checkErased("a plain client", simText.FindString(line))
	}
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
	text := l.sim.text("plain client")
	l.conn.posts = append(l.conn.posts, text)
	l.conn.l.sendText(text)
}

// A shownLine is a line that a client of the plain protocol may receive.
type shownLine struct {
	n    uint64
	line string
}

// shownLines returns the lines of a room, by the text in them: those of messages, and those of edits.
func (s *sim) shownLines(room string) map[string][]shownLine {
	lines := map[string][]shownLine{}
	add := func(name, text string, options []string, n uint64, suffix string) {
		m := wire.Message{DisplayName: name, Text: text, Options: options}
		lines[text] = append(lines[text], shownLine{n, string(wire.AppendLine(nil, &m)) + suffix})
	}
	for n, r := range s.transcript[room] {
		for _, m := range r.forms {
			if !m.Gone {
				add(m.DisplayName, m.Text, m.Options, n, "")
			}
		}
		if r.change != nil && r.change.Text != nil {
			add(r.change.DisplayName, *r.change.Text, nil, n, " (edited)")
		}
	}
	for _, p := range s.v1Clients { // texts that nobody but a plain client has received
		for _, q := range p.posts {
			r := s.transcript[room][q.n]
			if q.room != room || q.deletes || r == nil {
				continue
			}
			if q.of == 0 {
				if _, ok := r.forms[0]; !ok {
					for _, m := range r.forms {
						add(m.DisplayName, q.text, q.options, q.n, "")
						break
					}
				}
				continue
			}
			if r.change == nil && r.superseded != nil {
				add(r.superseded.DisplayName, q.text, nil, q.n, " (edited)")
			}
			if m := s.transcript[room][q.of]; m != nil && len(m.forms) > 0 {
				if _, ok := m.forms[q.n]; !ok {
					for _, m := range m.forms {
						add(m.DisplayName, q.text, m.Options, q.of, "")
						break
					}
				}
			}
		}
	}
	return lines
}

// mayBeHidden reports whether a client of the plain protocol may have received no line for a number.
func (s *sim) mayBeHidden(room string, n uint64, final map[uint64]wire.Message) bool {
	r := s.transcript[room][n]
	if r == nil {
		return s.trims
	}
	if len(r.forms) > 0 {
		m, ok := final[n]
		return m.Gone || !ok
	}
	return r.superseded != nil || r.other != nil || r.change.Text == nil
}

// verifyPlainConn checks that the lines are those of the room, one after the other, from where it began to the newest.
func (s *sim) verifyPlainConn(t *plainConn, final map[uint64]wire.Message) {
	shown := s.shownLines(t.room)
	at, deleted := t.start, uint64(0)
	skip := func(to uint64) { // the numbers up to there had no lines
		for ; at < to; at++ {
			if !s.mayBeHidden(t.room, at+1, final) {
				if deleted == 0 {
					s.t.Fatalf("a plain client has no line of number %d of %s: %+v", at+1, t.room, *s.transcript[t.room][at+1])
				}
				deleted--
			}
		}
	}
	for i, line := range t.lines {
		if i == 0 {
			if line != wire.Greeting {
				s.t.Fatalf("a plain client is greeted with %q", line)
			}
			continue
		}
		if notice, ok := strings.CutPrefix(line, wire.NoticePrefix); ok {
			var gone uint64
			if k, _ := fmt.Sscanf(notice, "%d messages were deleted", &gone); k == 0 {
				t.refused++
			}
			deleted += gone
			continue
		}
		lines := shown[simText.FindString(line)]
		k := slices.IndexFunc(lines, func(l shownLine) bool { return l.line == line && l.n > at })
		switch {
		case k >= 0:
			skip(lines[k].n - 1)
			at++
		case !s.trims: // otherwise nobody else may have received the message
			s.t.Fatalf("a plain client receives %q after number %d of %s, want one of %+v", line, at, t.room, lines)
		}
	}
	if !t.closed {
		skip(s.newest(t.room))
	}
	s.verifyPlainPosts(t)
}

// verifyPlainPosts checks that no post of a plain client is stored twice or out of order, and that none is missing unless it was
// refused or cut off.
func (s *sim) verifyPlainPosts(t *plainConn) {
	next, found := 0, 0
	for n := uint64(1); n <= s.newest(t.room); n++ {
		r := s.transcript[t.room][n]
		if r == nil || !slices.Contains(t.posts, r.forms[0].Text) || r.forms[0].Text == "" {
			continue
		}
		found++
		text := r.forms[0].Text
		for next < len(t.posts) && t.posts[next] != text {
			next++
		}
		if next == len(t.posts) {
			s.t.Fatalf("what a plain client posted is there twice, or out of order: %q is number %d of %s", text, n, t.room)
		}
		next++
	}
	if !t.closed && !s.trims && found+t.refused != len(t.posts) {
		s.t.Fatalf("a plain client posted %d lines; %d are there, and %d were refused", len(t.posts), found, t.refused)
	}
}
