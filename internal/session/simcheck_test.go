package session

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"ramai/wire"
)

// newest returns the highest number that any client received in a room.
func (s *sim) newest(room string) (n uint64) {
	for k := range s.transcript[room] {
		n = max(n, k)
	}
	return n
}

// verify compares what the clients received with the promises. That numbers follow each other without a gap or a repetition,
// and that all clients receive the same under the same number, was checked when they came. The last client is the auditor.
func (s *sim) verify() {
	s.verifyForms()
	s.verifyJoins()
	s.verifyCounts()
	auditor := s.v1Clients[len(s.v1Clients)-1]
	for _, room := range simRooms {
		e := auditor.rooms[room]
		want := s.final(auditor, room)
		s.verifyMarks(room, want, e.first)
		s.verifySettings(auditor, room)
		for _, p := range s.v1Clients {
			s.verifyRows(p.name, room, want, p.rooms[room].view.rows(), e.first)
			s.verifyChanges(p, room, want)
		}
		for _, c := range s.streamClients {
			if c.room == room {
				s.verifyRows(c.name, room, want, c.view.rows(), e.first)
			}
		}
		for _, conn := range s.plainConns {
			if conn.room == room {
				s.verifyPlainConn(conn, want)
			}
		}
	}
	for _, p := range s.v1Clients {
		for _, room := range simRooms {
			e := p.rooms[room]
			if e.position != s.newest(room) {
				p.fail("is at %d of %s, want %d", e.position, room, s.newest(room))
			}
			if want := s.connections(p.l.st, room); e.count != want {
				p.fail("presence has %d connections in %s, but there are %d", e.count, room, want)
			}
		}
		s.verifyPosts(p)
	}
	for _, c := range s.streamClients {
		if c.position != s.newest(c.room) {
			c.fail("is at %d of %s, want %d", c.position, c.room, s.newest(c.room))
		}
		if want := s.connections(c.l.st, c.room); c.count != want {
			c.fail("presence has %d connections in %s, but there are %d", c.count, c.room, want)
		}
	}
}

// final returns the messages of a room as a client sees them that comes when everything is over: it is sent no text that
// was replaced. Counts may be replaced by the tallies that follow.
func (s *sim) final(auditor *v1Client, room string) map[uint64]wire.Message {
	e := auditor.rooms[room]
	rows := e.view.rows()
	for _, m := range rows {
		if forms := e.view.forms[m.N]; len(forms) != 1 || !reflect.DeepEqual(untallied(forms[0].Message), untallied(m)) {
			auditor.fail("receives %+v of %s, and then changes of it", e.view.forms[m.N], room)
		}
	}
	for _, f := range e.view.changes {
		if m, ok := rows[f.Of.One()]; ok && m.Edited != f.N {
			auditor.fail("receives change %d of %+v, which is not its newest", f.N, m)
		}
	}
	return rows
}

// A simJoin is a join that was answered.
type simJoin struct {
	name string
	f    wire.Joined
	last int // messages that were asked for; negative: those after a position
}

// verifyJoins checks the numbers of messages that were replayed, and of those that were called unread.
func (s *sim) verifyJoins() {
	for _, j := range s.joins {
		messages, all := 0, 0
		for n := range s.transcript[j.f.Room] {
			if n <= j.f.N && s.isMessage(j.f.Room, n) {
				if all++; n > *j.f.From {
					messages++
				}
			}
		}
		switch {
		case s.trims:
		case j.last >= 0 && messages != min(j.last, all):
			s.t.Fatalf("%s asks for the newest %d messages, and %d of %d follow: %+v", j.name, j.last, messages, all, j.f)
		case j.last < 0 && j.f.Unread != nil && *j.f.Unread != messages:
			s.t.Fatalf("%s is told of %d unread messages, want %d: %+v", j.name, *j.f.Unread, messages, j.f)
		}
	}
}

// verifyForms compares the forms of messages with the changes that made them.
func (s *sim) verifyForms() {
	for room, all := range s.transcript {
		for n, r := range all {
			for edited, m := range r.forms {
				by := all[edited]
				if edited == 0 || by == nil && s.trims {
					continue
				}
				if by == nil || edited <= n || by.change == nil && by.superseded == nil {
					s.t.Fatalf("%+v of %s was received, and number %d is not a change", m, room, edited)
				}
				if f := by.change; f != nil && (f.Of.One() != n || f.Text == nil != m.Gone || f.Text != nil && (*f.Text != m.Text || f.SenderID != m.SenderID)) {
					s.t.Fatalf("%+v of %s was received, and its change is %+v", m, room, *f)
				}
			}
		}
	}
}

// verifyRows compares the messages that a client has with those of another one, from first on.
func (s *sim) verifyRows(who, room string, want, got map[uint64]wire.Message, first uint64) {
	for n, m := range got {
		if other, ok := want[n]; n >= first && (!ok || !reflect.DeepEqual(other, m)) {
			s.t.Fatalf("%s has %+v in %s, want %+v", who, m, room, other)
		}
	}
}

// loadPages returns the messages of a room as pages have them, and the client's own marks on them.
func (s *sim) loadPages(p *v1Client, room string) (map[uint64]wire.Message, wire.Mine) {
	s.t.Helper()
	pages, mine := &view{}, wire.Mine{}
	backwards := s.rng.IntN(2) == 0
	next, more := uint64(0), true
	if backwards {
		next = s.newest(room) + 1
	}
	p.loading = func(page wire.Page, numbers []uint64) {
		for _, m := range page.Messages {
			pages.message(s, p.name, m, page.Head)
		}
		maps.Copy(mine, page.Mine)
		if more = page.More; len(numbers) == 0 {
			return
		}
		if next = numbers[len(numbers)-1]; backwards {
			next = numbers[0]
		}
	}
	defer func() { p.loading = nil }()
	for requests := 0; more; requests++ {
		if requests > 2000 {
			p.fail("the pages of %s have no end", room)
		}
		h := wire.History{Room: room, Limit: 1 + s.rng.IntN(20)}
		if before := next; backwards {
			h.Before = &before
		} else {
			h.After = &wire.Position{N: next}
		}
		p.l.send(h)
		p.l.st.advance(200 * time.Millisecond)
	}
	rows := pages.rows()
	for n := range p.rooms[room].view.rows() {
		if _, ok := rows[n]; !ok && n >= s.auditor().rooms[room].first {
			p.fail("no page has the message %d of %s", n, room)
		}
	}
	return rows, mine
}

// verifyChanges checks that each message of a client has the text of its newest change that was saved.
func (s *sim) verifyChanges(p *v1Client, room string, final map[uint64]wire.Message) {
	newest := map[uint64]*post{}
	for _, q := range p.posts {
		n := q.of
		if n == 0 {
			n = q.n
		}
		if q.room == room && q.key == "" && (newest[n] == nil || newest[n].n < q.n) {
			newest[n] = q
		}
	}
	for n, q := range newest {
		m, ok := final[n]
		edited := q.n
		if q.of == 0 {
			edited = 0
		}
		text := q.text
		if q.deletes {
			text = ""
		}
		if ok && m.Gone && s.deletedByOther(p, room, m) {
			continue
		}
		if ok && (m.Edited != edited || m.Gone != q.deletes || m.Text != text) {
			p.fail("its newest change of %d is %+v, and %s has %+v", n, *q, room, m)
		}
	}
}

// deletedByOther reports whether another client than p has deleted a message, as the owner of the room.
func (s *sim) deletedByOther(p *v1Client, room string, m wire.Message) bool {
	if room == wire.Lobby { // has no owner
		return false
	}
	for _, other := range s.v1Clients {
		if other != p && slices.ContainsFunc(other.posts, func(q *post) bool { return q.room == room && q.of == m.N && q.deletes && q.n == m.Edited }) {
			return true
		}
	}
	return false
}

// refusable reports whether a post may be refused for good.
func (s *sim) refusable(p *v1Client, q *post, f wire.Refused) bool {
	code := f.Code
	if f.Rule == wire.RuleRole && q.key != "" && !q.isStatus() { // rooms besides the lobby are owned by their creators
		return q.room != wire.Lobby
	}
	if s.rewinds > 0 { // the message may be lost, and its number that of another one
		return q.of > 0 || q.re > 0 || len(q.names()) > 0
	}
	if code == wire.BadRequest {
		return q.doubtful
	}
	names := q.names()
	switch {
	case len(names) == 0:
		return false
	case code == wire.NotAllowed && q.key == "": // a poll in which somebody has voted
		said := p.said(q.room, q.of)
		return said == nil || said.as == wire.Poll && !q.deletes
	case code == wire.NotAllowed:
		return q.isStatus() && p.said(q.room, names[0]) == nil
	case code == wire.Gone:
		return s.mayBeGone(q.room, names...)
	}
	return false
}

// mayBeGone reports whether messages may be deleted.
func (s *sim) mayBeGone(room string, numbers ...uint64) bool {
	return s.trims || slices.ContainsFunc(s.v1Clients, func(p *v1Client) bool {
		return slices.ContainsFunc(p.posts, func(q *post) bool { return q.deletes && q.room == room && slices.Contains(numbers, q.of) })
	})
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

// verifyPosts checks that everything that a client posted is there once, under the number that it was told, and in order.
func (s *sim) verifyPosts(p *v1Client) {
	times := map[string]int{}
	for room, all := range s.transcript {
		for _, r := range all {
			if senderID, id := r.posted(); senderID == p.senderID {
				times[room+" "+id]++
			}
		}
	}
	at := map[string]uint64{}
	for _, q := range p.posts {
		if k := times[q.room+" "+q.id]; k > 1 {
			p.fail("%s is there %d times", q.id, k)
		}
		if !q.doubtful {
			if q.n <= at[q.room] {
				p.fail("%s has the number %d of %s, and an earlier one has %d", q.id, q.n, q.room, at[q.room])
			}
			at[q.room] = q.n
		}
		r := s.transcript[q.room][q.n]
		if r == nil {
			if !s.trims {
				p.fail("was told that %s is number %d of %s, which nobody received", q.id, q.n, q.room)
			}
			continue
		}
		senderID, id := r.posted()
		form, posted := r.forms[0]
		if senderID != p.senderID || id != q.id || q.says() != (len(r.forms) > 0) || posted && (form.Text != q.text || form.Re != q.re || form.As != q.as || !slices.Equal(form.Options, q.options)) {
			p.fail("was told that %+v is number %d of %s, where %+v is", *q, q.n, q.room, *r)
		}
		if f := r.change; f != nil && (f.Of.One() != q.of || f.Text == nil != q.deletes || f.Text != nil && *f.Text != q.text) {
			p.fail("was told that %+v is number %d of %s, where %+v is", *q, q.n, q.room, *f)
		}
		if f, ok := r.other.(wire.State); r.other != nil && (!ok || f.Key != q.key || !f.Value.Equal(q.value)) {
			p.fail("was told that %+v is number %d of %s, where %+v is", *q, q.n, q.room, r.other)
		}
	}
}
