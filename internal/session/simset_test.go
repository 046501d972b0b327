package session

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

// Settings in the simulation: polls, questions, and the state of a room.

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
