package session

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

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

// set changes a setting: the topic, the pins, the stage, or the status of a poll or question.
func (p *v1Client) set() {
	s := p.sim
	q := &post{room: simRooms[s.rng.IntN(2)]}
	n := 1 + s.rng.Uint64N(s.newest(q.room)+2)
	switch s.rng.IntN(8) {
	case 0:
		q.key, q.value = wire.TopicKey, wire.TextValue(fmt.Sprint("topic ", p.name, p.ids))
	case 1:
		q.key, q.value = wire.PinKey, wire.Value{Numbers: []uint64{n, n + 1 + s.rng.Uint64N(5)}[:1+s.rng.IntN(2)]}
	case 2:
		q.key, q.value = wire.StageKey, wire.NumberValue(n)
	case 3:
		q.key = []string{wire.TopicKey, wire.PinKey, wire.StageKey}[s.rng.IntN(3)]
	case 4:
		n = p.ownAs(q.room, wire.Question, n)
		q.key, q.value = fmt.Sprint(wire.QuestionPrefix, n), wire.TextValue([]string{wire.Open, wire.Answered}[s.rng.IntN(2)])
	default:
		n = p.ownAs(q.room, wire.Poll, n)
		q.key, q.value = fmt.Sprint(wire.PollPrefix, n), wire.TextValue([]string{wire.Open, wire.PollOver, wire.PollOver, wire.Hidden}[s.rng.IntN(4)])
	}
	for _, n := range q.names() {
		q.doubtful = q.doubtful || !s.isMessage(q.room, n) || q.isStatus() && !strings.HasPrefix(q.key, s.as(q.room, n)+"/")
	}
	p.post(q)
}

// ownAs returns one of the client's newest questions or polls (as), and sometimes n.
func (p *v1Client) ownAs(room, as string, n uint64) uint64 {
	if p.sim.rng.IntN(8) == 0 {
		return n
	}
	for _, q := range p.posts {
		if q.room == room && q.as == as && q.n > 0 && p.sim.rng.IntN(2) == 0 {
			n = q.n
		}
	}
	return n
}

// said returns the message that a client has posted under a number, or nil.
func (p *v1Client) said(room string, n uint64) *post {
	i := slices.IndexFunc(p.posts, func(q *post) bool { return q.room == room && q.says() && q.n == n })
	if i < 0 {
		return nil
	}
	return p.posts[i]
}

// says reports whether a post is a message.
func (p *post) says() bool { return p.of == 0 && p.key == "" }

// isStatus reports whether a post sets the status of a poll or question.
func (p *post) isStatus() bool { return strings.Contains(p.key, "/") }

// names returns the messages that a post changes, or that its key and value name.
func (p *post) names() []uint64 {
	switch _, digits, _ := strings.Cut(p.key, "/"); {
	case p.of > 0:
		return []uint64{p.of}
	case digits != "":
		n, _ := strconv.ParseUint(digits, 10, 64)
		return []uint64{n}
	case p.value.Number != nil:
		return []uint64{*p.value.Number}
	}
	return p.value.Numbers
}

// as returns what the message of a number is, as far as any client knows.
func (s *sim) as(room string, n uint64) string {
	if r := s.transcript[room][n]; r != nil {
		for _, m := range r.forms {
			if !m.Gone {
				return m.As
			}
		}
	}
	return ""
}

// options returns how many options the poll of a number has, as far as any client knows.
func (s *sim) options(room string, n uint64) int {
	if r := s.transcript[room][n]; r != nil {
		for _, m := range r.forms {
			if !m.Gone {
				return len(m.Options)
			}
		}
	}
	return 0
}

// polls returns the numbers of the polls that clients know, ascending.
func (s *sim) polls(room string) (numbers []uint64) {
	for n := range s.transcript[room] {
		if s.as(room, n) == wire.Poll {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// statusOf returns the posts that set the status of a poll.
func (s *sim) statusOf(room string, poll uint64) (posts []*post) {
	key := fmt.Sprint(wire.PollPrefix, poll)
	for _, p := range s.v1Clients {
		for _, q := range p.posts {
			if q.room == room && q.key == key {
				posts = append(posts, q)
			}
		}
	}
	return posts
}

// closedBy returns the number of the record that has closed a poll; 0: it is not known to be closed.
func (s *sim) closedBy(room string, poll uint64) uint64 {
	newest := &post{}
	for _, q := range s.statusOf(room, poll) {
		if q.n == 0 {
			return 0
		}
		if q.n > newest.n {
			newest = q
		}
	}
	if newest.value.Equal(wire.TextValue(wire.PollOver)) {
		return newest.n
	}
	return 0
}

// everClosed reports whether anybody has tried to close a poll.
func (s *sim) everClosed(room string, poll uint64) bool {
	return slices.ContainsFunc(s.statusOf(room, poll), func(q *post) bool { return q.value.Equal(wire.TextValue(wire.PollOver)) })
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

func (v *view) state(s *sim, who string, f wire.State) {
	s.recordOther(who, f.Room, f.N, f)
	switch {
	case f.N <= v.settingsAt: // old news
	case f.Value.IsNull():
		delete(v.settings, f.Key)
	default:
		v.settings[f.Key] = f.Value
	}
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

// verifySettings compares the settings that all clients have with those that a client loads in pages, and with the newest
// change of each.
func (s *sim) verifySettings(auditor *v1Client, room string) {
	want := s.loadSettings(auditor, room)
	first := auditor.rooms[room].first
	check := func(who string, v *view) {
		s.t.Helper()
		if v.hidden {
			return
		}
		got := maps.Clone(v.settings)
		for _, settings := range []map[string]wire.Value{want, got} {
			maps.DeleteFunc(settings, func(key string, v wire.Value) bool {
				_, digits, status := strings.Cut(key, "/")
				n, _ := strconv.ParseUint(digits, 10, 64)
				return status && (n < first || *v.Text == wire.Open) // what is trimmed is not announced
			})
		}
		if !maps.EqualFunc(got, want, wire.Value.Equal) {
			s.t.Fatalf("%s has the settings %s of %s, want %s", who, showSettings(got), room, showSettings(want))
		}
	}
	for _, p := range s.v1Clients {
		check(p.name, &p.rooms[room].view)
	}
	for _, c := range s.streamClients {
		if c.room == room {
			check(c.name, &c.view)
		}
	}
	newest := map[string]wire.State{}
	for n, r := range s.transcript[room] {
		if f, ok := r.other.(wire.State); ok && n >= newest[f.Key].N {
			newest[f.Key] = f
		}
	}
	for key, f := range newest {
		q := post{key: key}
		if names := q.names(); len(names) > 0 && (names[0] < first || s.isGone(room, names[0])) {
			continue
		}
		if v := want[key]; !v.Equal(f.Value) && !(v.IsNull() && f.Value.Equal(wire.TextValue(wire.Open))) {
			s.t.Fatalf("%s of %s is %s, and %+v is its newest change", key, room, showSettings(want), f)
		}
	}
}

// isGone reports whether a message was received as deleted, or its deletion was.
func (s *sim) isGone(room string, n uint64) bool {
	for _, m := range s.transcript[room][n].forms {
		if m.Gone {
			return true
		}
	}
	return false
}

func showSettings(settings map[string]wire.Value) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		b, _ := settings[key].MarshalJSON()
		all = append(all, key+": "+string(b))
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// loadSettings returns the settings of a room as pages have them.
func (s *sim) loadSettings(p *v1Client, room string) map[string]wire.Value {
	s.t.Helper()
	all, after, more := map[string]wire.Value{}, "", true
	p.reading = func(page wire.Settings) {
		for _, one := range page.Settings {
			all[one.Key], after = one.Value, one.Key
		}
		if more = page.More; page.N != s.newest(room) {
			p.fail("reads the settings of %s as of %d, want %d", room, page.N, s.newest(room))
		}
	}
	for requests := 0; more; requests++ {
		if requests > 1000 {
			p.fail("the pages of settings of %s have no end", room)
		}
		p.l.send(wire.StateRequest{Room: room, After: after, Limit: 1 + s.rng.IntN(20)})
		p.l.st.advance(200 * time.Millisecond)
	}
	return all
}
