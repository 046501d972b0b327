package session

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// submitTallies submits the tallies that are due, as the server does.
func (st *harness) submitTallies() {
	for room, at := range st.store.PendingTallies() {
		if now := wire.TimeOf(st.clock); at == 0 || at > now || int64(now-at) >= eventlog.TallyInterval.Milliseconds() {
			_ = st.sequencer.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Tally, Room: room}}, nil) // if the queue is full, another time
		}
	}
}

// markTarget is what a client can mark with or without: a reaction on a message, or the message with one of its options.
type markTarget struct {
	room string
	of   uint64
	key  string // empty: any option
}

// ownMark is what a client knows of its marks.
type ownMark struct {
	key        string // empty: there is none
	unanswered int
	unknown    bool // a request was lost, and may be applied at any time
}

// markRequest is a request that was not answered yet.
type markRequest struct {
	wire.Mark
	own      *ownMark
	doubtful bool   // when it was sent, nobody knew that the message has such an option
	closed   uint64 // number of the record that had closed the poll when it was sent; 0: it may be open, or the request changes nothing
}

// mark marks a message, or takes a mark away: mostly one of the newest, and sometimes any number of the room.
func (p *v1Client) mark() {
	if !p.ready {
		return
	}
	s := p.sim
	room := simRooms[s.rng.IntN(2)]
	m := &markRequest{Mark: wire.Mark{Room: room, Of: s.markable(room), Key: []string{"👍", "❤️", "up", "0"}[s.rng.IntN(4)], On: s.rng.IntN(4) > 0}}
	if polls := s.polls(room); len(polls) > 0 && s.rng.IntN(3) > 0 {
		m.Of, m.Key = polls[max(0, len(polls)-1-s.rng.IntN(2))], []string{"0", "1", "0", "1", "2"}[s.rng.IntN(5)]
	}
	target := markTarget{room, m.Of, m.Key}
	option, vote := wire.OptionOf(m.Key)
	if vote {
		target.key = ""
	}
	m.doubtful = !s.isMessage(room, m.Of) || vote && option >= s.options(room, m.Of)
	if p.marks == nil {
		p.marks = map[markTarget]*ownMark{}
	}
	if m.own = p.marks[target]; m.own == nil {
		m.own = &ownMark{unknown: s.rewinds > 0}
		p.marks[target] = m.own
	}
	if vote && !m.own.unknown && m.own.unanswered == 0 && m.On != (m.own.key == m.Key) {
		m.closed = s.closedBy(room, m.Of)
	}
	m.own.unanswered++
	ref := fmt.Sprint("mark-", p.ids)
	p.ids++
	if p.marking == nil {
		p.marking = map[string]*markRequest{}
	}
	p.marking[ref] = m
	p.l.sendText(strings.TrimSuffix(string(wire.Append(nil, m.Mark)), "}") + `,"ref":"` + ref + `"}`)
}

// markable returns one of the newest messages of a room, and sometimes any number.
func (s *sim) markable(room string) uint64 {
	newest := s.newest(room)
	if s.rng.IntN(8) == 0 {
		return 1 + s.rng.Uint64N(newest+2)
	}
	n := newest - min(newest, s.rng.Uint64N(8))
	for n > 1 && !s.isMessage(room, n) {
		n--
	}
	return max(n, 1)
}

// loseMarks is called when the connection has ended: nobody knows whether unanswered requests were, or will be, applied.
func (p *v1Client) loseMarks() {
	for _, m := range p.marking {
		m.own.unknown = true
	}
	p.marking = nil
}

func (p *v1Client) answered(ref string) *markRequest {
	m := p.marking[ref]
	if m == nil {
		p.fail("an answer to the mark %q, which was not sent on this connection or was answered before", ref)
	}
	delete(p.marking, ref)
	m.own.unanswered--
	return m
}

func (p *v1Client) onMarked(f wire.Marked) {
	if f.Ref == "" {
		return
	}
	m := p.answered(f.Ref)
	if m.Mark != (wire.Mark{Room: f.Room, Of: f.Of, Key: f.Key, On: f.On}) {
		p.fail("%+v is answered with %+v", m.Mark, f)
	}
	if m.closed > 0 && m.closed == p.sim.closedBy(f.Room, f.Of) {
		p.fail("%+v is accepted, and number %d has closed the poll", m.Mark, m.closed)
	}
	switch {
	case m.On:
		m.own.key = m.Key
	case m.own.key == m.Key:
		m.own.key = ""
	}
}

func (p *v1Client) onMarkRefused(f wire.Error) {
	m := p.answered(f.Ref)
	_, vote := wire.OptionOf(m.Key)
	switch {
	case f.Code == wire.RateLimited || f.Code == wire.Unavailable:
	case p.sim.rewinds > 0: // the number may be that of something else now
	case f.Code == wire.BadRequest && m.doubtful:
	case f.Code == wire.Closed && vote && p.sim.everClosed(m.Room, m.Of):
	case f.Code == wire.Gone && p.sim.mayBeGone(m.Room, m.Of):
	default:
		p.fail("%+v is refused: %s: %s", m.Mark, f.Code, f.Reason)
	}
}

// recordCounts compares the counts of a message with what was received of the same tally before.
func (s *sim) recordCounts(who string, r *numbered, m wire.Message) {
	if m.Tallied == 0 && len(m.Tally) > 0 || m.Gone && (m.Tallied > 0 || len(m.Tally) > 0) {
		s.t.Fatalf("%s receives a message with counts that it cannot have: %+v", who, m)
	}
	if m.Tallied == 0 {
		return
	}
	if other, ok := r.tallies[m.Tallied]; ok && !maps.Equal(other, m.Tally) {
		s.t.Fatalf("%s receives %+v, another client the counts %v", who, m, other)
	}
	r.tallies[m.Tallied] = m.Tally
}

// recordOther compares a tally or a setting with what was received under its number before.
func (s *sim) recordOther(who, room string, n uint64, f wire.Frame) {
	r := s.transcript.at(room, n)
	if r.other == nil {
		r.other = f
	}
	if len(r.forms) > 0 || r.change != nil || r.superseded != nil || !reflect.DeepEqual(r.other, f) {
		s.t.Fatalf("%s receives %+v, another client %+v", who, f, *r)
	}
}

func (v *view) tally(s *sim, who string, f wire.Tally) {
	s.recordOther(who, f.Room, f.N, f)
	v.tallies = append(v.tallies, f)
}

// tallyRow gives a message the newest counts that were received.
func (v *view) tallyRow(m *wire.Message) {
	if m.Gone {
		m.Tally, m.Tallied = nil, 0
		return
	}
	newest := slices.MaxFunc(v.forms[m.N], func(a, b form) int { return int(a.talliedVersion()) - int(b.talliedVersion()) })
	m.Tally, m.Tallied = newest.Tally, newest.Tallied
	for _, f := range v.tallies { // ascending
		if counts, ok := f.Of[m.N]; ok && f.N > newest.talliedVersion() {
			m.Tally, m.Tallied = counts, f.N
		}
	}
	if len(m.Tally) == 0 {
		m.Tally = nil
	}
}

// verifyCounts compares the counts of messages with the tallies that they are from.
func (s *sim) verifyCounts() {
	for room, all := range s.transcript {
		for n, r := range all {
			for tallied, counts := range r.tallies {
				by := all[tallied]
				if by == nil && s.trims {
					continue
				}
				if by == nil {
					s.t.Fatalf("message %d of %s has counts of the tally %d, which nobody received", n, room, tallied)
				}
				f, ok := by.other.(wire.Tally)
				if got, named := f.Of[n]; !ok || !named || !maps.Equal(got, counts) {
					s.t.Fatalf("message %d of %s has the counts %v of number %d, which is %+v", n, room, counts, tallied, *by)
				}
			}
		}
	}
}

// verifyMarks compares the counts of messages with the marks that their senders have, and these with what the senders were
// told. It also compares what clients that only load pages have with the messages of a room.
func (s *sim) verifyMarks(room string, want map[uint64]wire.Message, first uint64) {
	counts := map[uint64]wire.Counts{}
	for _, p := range s.v1Clients {
		rows, mine := s.loadPages(p, room)
		s.verifyRows(p.name+", who only loads pages,", room, want, rows, first)
		for n, keys := range mine {
			votes := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { _, vote := wire.OptionOf(key); return !vote })
			if want[n].Gone || len(votes) > 1 {
				p.fail("has the marks %q on %+v", keys, want[n])
			}
			if counts[n] == nil {
				counts[n] = wire.Counts{}
			}
			for _, key := range keys {
				counts[n][key]++
			}
		}
		for target, own := range p.marks {
			m, there := want[target.of]
			if target.room != room || own.unknown || own.unanswered > 0 || !there || m.Gone || target.of < first {
				continue
			}
			has := ""
			for _, key := range mine[target.of] {
				if _, vote := wire.OptionOf(key); key == target.key || vote && target.key == "" {
					has = key
				}
			}
			if has != own.key {
				p.fail("was told that its mark %+v is %q, and it is %q", target, own.key, has)
			}
		}
	}
	for n, m := range want {
		if m.Gone || n < first {
			continue
		}
		if text := s.auditor().rooms[room].view.settings[fmt.Sprint(wire.PollPrefix, n)].Text; text != nil && *text == wire.Hidden {
			maps.DeleteFunc(counts[n], func(key string, _ uint64) bool { _, vote := wire.OptionOf(key); return vote })
		}
		if !maps.Equal(m.Tally, counts[n]) {
			s.t.Fatalf("message %+v of %s has marks with the counts %v", m, room, counts[n])
		}
	}
}

func (s *sim) auditor() *v1Client { return s.v1Clients[len(s.v1Clients)-1] }

// isGone reports whether a message was received as deleted, or its deletion was.
func (s *sim) isGone(room string, n uint64) bool {
	for _, m := range s.transcript[room][n].forms {
		if m.Gone {
			return true
		}
	}
	return false
}
