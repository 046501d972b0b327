package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestRulesSimulation lets clients post in a room whose moderators ban, mute, give roles, lock the room, slow it down, close it, hold
// messages and decide about them, while rules end, commits fail, and the server crashes. A model of its own says how each request
// is answered and who receives what. One seed is one course of events, always the same.
func TestRulesSimulation(t *testing.T) {
	first, last := uint64(1), *seeds/5
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	answers := map[string]int{}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			s := newRulesSim(t, seed, answers)
			for range 120 {
				s.step()
			}
		})
	}
	for _, answer := range []string{"saved", "held", "not_allowed person", "not_allowed role", "not_allowed lock", "not_allowed slow", "held hold", "gone", "rejected", "approved", "joined", "left"} {
		if answers[answer] == 0 && *oneSeed == 0 && !t.Failed() {
			t.Errorf("no answer was %q, so this test shows nothing: %v", answer, answers)
		}
	}
	t.Logf("answers: %v", answers)
}

// rulesSim is one run of TestRulesSimulation.
type rulesSim struct {
	*harness
	t       *testing.T
	rng     *rand.Rand
	clients []*rulesClient // the first one owns the room
	count   map[string]int // answers, over all runs
	ids     int

	// The model.
	rules    map[string]modelRule // also those that are over
	noting   bool                 // the room had a rule, before or in this batch, for which it is noted who has posted when
	records  uint64               // numbers of the room
	messages map[uint64]string    // author and text, by number
	posts    []*modelPost
	approved []*modelPost // in this batch: they get their numbers at its end
}

// A modelRule is a rule of the room.
type modelRule struct {
	text  string
	n     uint64
	until wire.Time // 0: it has no end
}

// A modelPost is a message that a client has posted, and what became of it.
type modelPost struct {
	by       *rulesClient
	id, text string
	n        uint64 // 0: it has none yet
	waits    bool
	decision eventlog.Decision // 0: none
}

// rulesClient is a client of ramai.v1 that knows held messages.
type rulesClient struct {
	sim      *rulesSim
	name     string
	secret   string
	by       string
	l        *link
	joined   map[string]bool // rooms
	top      map[string]uint64
	received map[uint64]string     // messages of the room since it was joined
	answers  map[string]wire.Frame // by ref
	judged   map[string]string     // what it was told of its messages unasked, by id
	posted   bool                  // something in the room, as far as that is remembered
	last     wire.Time             // when it last posted, as far as that was noted
}

// A rulesRequest is a request of a client.
type rulesRequest struct {
	client *rulesClient
	frame  wire.Frame
	ref    string
	decide func(at wire.Time) (want string) // as the model decides it
	want   string
	after  func() string // a part of want that is known at the end of the batch; nil: none
}

const rulesRoom = "den"

func newRulesSim(t *testing.T, seed uint64, count map[string]int) *rulesSim {
	s := &rulesSim{
		harness: newHarness(t, setting{seed: seed}), t: t, rng: rand.New(rand.NewPCG(seed, 117)), count: count,
		rules: map[string]modelRule{}, messages: map[uint64]string{},
	}
	for i, name := range []string{"owner", "mona", "max", "gus", "hal", "ida"} {
		secret := fmt.Sprintf("client%016d", i)
		c := &rulesClient{sim: s, name: name, secret: secret, by: wire.SenderIDOf(secret)}
		s.clients = append(s.clients, c)
		c.connect()
	}
	s.run([]*rulesRequest{s.say(s.clients[0])}) // makes the room
	s.run([]*rulesRequest{s.say(s.clients[3])}) // and the first one its owner for good
	s.run([]*rulesRequest{s.set(s.clients[0], wire.RolePrefix+s.clients[1].by, "moderator", 0, 0)})
	return s
}

func (c *rulesClient) connect() {
	c.joined, c.top, c.answers, c.judged = map[string]bool{}, map[string]uint64{}, map[string]wire.Frame{}, map[string]string{}
	c.l = c.sim.harness.connect(Client{Protocol: chat.V1, Session: c.secret})
	c.l.onFrame = c.onFrame
	c.l.send(wire.Hello{Session: c.secret, Held: true})
	c.sim.settle()
}

func (c *rulesClient) fail(format string, args ...any) {
	c.sim.t.Helper()
	c.sim.t.Fatalf(c.name+": "+format, args...)
}

func (c *rulesClient) onFrame(f wire.Frame) {
	number := func(room string, n uint64) {
		if !c.joined[room] || n != c.top[room]+1 {
			c.fail("receives number %d of %s after %d; in the room: %v", n, room, c.top[room], c.joined[room])
		}
		c.top[room] = n
	}
	switch f := f.(type) {
	case wire.Joined:
		c.sim.count["joined"]++
		c.joined[f.Room], c.top[f.Room] = true, *f.From
		if f.Room == rulesRoom {
			c.received = map[uint64]string{}
		}
	case wire.Left:
		c.sim.count["left"]++
		c.joined[f.Room] = false
	case wire.Message:
		number(f.Room, f.N)
		if f.Room == rulesRoom {
			c.received[f.N] = f.SenderID + " " + f.Text
		}
	case wire.State:
		number(f.Room, f.N)
	case wire.Changed:
		number(f.Room, f.N)
	case wire.Saved:
		if c.answers[f.Ref] = f; f.Ref == "" {
			c.judged[f.ID] = fmt.Sprint("saved ", f.N)
		}
	case wire.Refused:
		if c.answers[f.Ref] = f; f.Ref == "" {
			c.judged[f.ID] = "refused"
		}
	case wire.HeldBack:
		c.answers[f.Ref] = f
	case wire.Error:
		if f.Code != wire.NotAllowed {
			c.fail("an error: %+v", f)
		}
		c.answers[f.Ref] = f
	}
}

// get returns a rule that is in force.
func (s *rulesSim) get(key string, at wire.Time) (modelRule, bool) {
	r, ok := s.rules[key]
	return r, ok && (r.until == 0 || r.until > at)
}

func (s *rulesSim) role(c *rulesClient, at wire.Time) wire.Role {
	role := wire.RoleGuest
	if r, ok := s.get(wire.RolePrefix+c.by, at); ok {
		role, _ = wire.ParseRole(r.text)
	} else if c == s.clients[0] {
		role = wire.RoleOwner
	} else if r, ok := s.get(wire.EveryoneKey, at); ok {
		role, _ = wire.ParseRole(r.text)
	}
	return role
}

// mayRead reports whether a client may read the room, or that of its moderators.
func (s *rulesSim) mayRead(c *rulesClient, room string, at wire.Time) bool {
	if r, ok := s.get(wire.PersonPrefix+c.by, at); ok && r.text == wire.Ban {
		return false
	}
	if room != rulesRoom {
		return s.role(c, at) >= wire.RoleModerator
	}
	return s.role(c, at) >= wire.RoleReader
}

// refusedPerson returns the refusal of somebody who posts, sets a rule or decides; "": there is none.
func (s *rulesSim) refusedPerson(c *rulesClient, at wire.Time) string {
	if _, ok := s.get(wire.PersonPrefix+c.by, at); ok {
		return "not_allowed person"
	}
	return ""
}

func (s *rulesSim) refusedRole(c *rulesClient, at wire.Time) string {
	if refused := s.refusedPerson(c, at); refused != "" {
		return refused
	}
	if s.role(c, at) < wire.RoleGuest {
		return "not_allowed role"
	}
	return ""
}

// refused returns the refusal of somebody who posts or sets a rule.
func (s *rulesSim) refused(c *rulesClient, at wire.Time) string {
	if refused := s.refusedRole(c, at); refused != "" {
		return refused
	}
	if _, locked := s.get(wire.LockKey, at); locked && s.role(c, at) < wire.RoleModerator {
		return "not_allowed lock"
	}
	return ""
}

func (s *rulesSim) request(c *rulesClient, f wire.Frame, decide func(at wire.Time) string) *rulesRequest {
	s.ids++
	return &rulesRequest{client: c, frame: f, ref: fmt.Sprint("ref", s.ids), decide: decide}
}

func (s *rulesSim) newID() string {
	s.ids++
	return fmt.Sprint("id", s.ids)
}

// say posts a message.
func (s *rulesSim) say(c *rulesClient) *rulesRequest {
	p := &modelPost{by: c, id: s.newID()}
	p.text = "text of " + p.id
	return s.post(p)
}

// post posts a message, for the first time or again.
func (s *rulesSim) post(p *modelPost) *rulesRequest {
	c := p.by
	r := s.request(c, wire.Say{Room: rulesRoom, ID: p.id, Text: p.text}, nil)
	r.decide = func(at wire.Time) string {
		switch {
		case p.waits:
			return "held"
		case p.decision == eventlog.Withdrawn:
			return "gone"
		case p.decision == eventlog.Approved && p.n == 0: // in this batch
			r.after = func() string { return fmt.Sprint("saved ", p.n) }
			return ""
		case p.decision == eventlog.Rejected:
			return "held hold"
		case p.n > 0:
			return fmt.Sprint("saved ", p.n)
		}
		if refused := s.refused(c, at); refused != "" {
			return refused
		}
		if s.role(c, at) < wire.RoleModerator {
			if slow, ok := s.get(wire.SlowKey, at); ok && c.last != 0 && c.last+wire.Time(slow.n*1000) > at {
				return "not_allowed slow"
			}
			if hold, ok := s.get(wire.HoldKey, at); ok && (hold.text == wire.HoldAll || !c.posted) {
				p.waits = true
				s.posts = append(s.posts, p)
				return "held"
			}
		}
		if !slices.Contains(s.posts, p) {
			s.posts = append(s.posts, p)
		}
		s.number(p, at)
		return fmt.Sprint("saved ", p.n)
	}
	return r
}

// number gives a message its number.
func (s *rulesSim) number(p *modelPost, at wire.Time) {
	s.records++
	p.n, p.by.posted = s.records, true
	s.messages[p.n] = p.by.by + " " + p.text
	if s.noting {
		p.by.last = at
	}
}

// set sets a rule, or unsets it with no text and number 0.
func (s *rulesSim) set(c *rulesClient, key, text string, n uint64, until wire.Time) *rulesRequest {
	f := wire.Set{Room: rulesRoom, ID: s.newID(), Key: key, Until: until}
	if text != "" {
		f.Value = wire.TextValue(text)
	} else if n != 0 {
		f.Value = wire.NumberValue(n)
	}
	return s.request(c, f, func(at wire.Time) string {
		if refused := s.refused(c, at); refused != "" {
			return refused
		}
		if refused := s.refusedSet(c, key, text, at); refused != "" {
			return refused
		}
		s.records++
		if c.posted = true; f.Value.IsNull() {
			delete(s.rules, key)
		} else {
			s.rules[key] = modelRule{text: text, n: n, until: until}
			s.noting = s.noting || key == wire.SlowKey || key == wire.HoldKey
		}
		return fmt.Sprint("saved ", s.records)
	})
}

// refusedSet returns why a client must not set a rule. Nobody acts on somebody whose role is not lower, or gives such a role.
func (s *rulesSim) refusedSet(c *rulesClient, key, text string, at wire.Time) string {
	role, wants := s.role(c, at), wire.RoleModerator
	if key == wire.EveryoneKey {
		wants = wire.RoleOwner
	}
	if role < wants {
		return "not_allowed role"
	}
	for _, other := range s.clients {
		if strings.HasSuffix(key, "/"+other.by) && s.role(other, at) >= role {
			return "not_allowed role"
		}
	}
	if given, _ := wire.ParseRole(text); strings.HasPrefix(key, wire.RolePrefix) && given >= role {
		return "not_allowed role"
	}
	return ""
}

// judge decides about a message, which may not wait, or not any more.
func (s *rulesSim) judge(c *rulesClient, p *modelPost, decision eventlog.Decision) *rulesRequest {
	held := &wire.HeldID{SenderID: p.by.by, ID: p.id}
	f := wire.Frame(wire.Change{Room: rulesRoom, ID: s.newID(), Held: p.id})
	switch decision {
	case eventlog.Approved:
		f = wire.Moderate{Room: rulesRoom, ID: s.newID(), Approve: held}
	case eventlog.Rejected:
		f = wire.Moderate{Room: rulesRoom, ID: s.newID(), Reject: held}
	}
	return s.request(c, f, func(at wire.Time) string {
		if decision != eventlog.Withdrawn {
			if refused := s.refusedPerson(c, at); refused != "" {
				return refused
			}
			switch role := s.role(c, at); {
			case role < wire.RoleModerator:
				return "not_allowed role"
			case p.by == c: // a message from before
				return "not_allowed"
			case decision == eventlog.Rejected && s.role(p.by, at) >= role:
				return "not_allowed role"
			}
		}
		switch {
		case !p.waits && p.decision == decision:
			return "saved"
		case !p.waits:
			return "gone"
		case decision == eventlog.Approved:
			if refused := s.refusedRole(p.by, at); refused != "" {
				return refused
			}
			s.approved = append(s.approved, p)
		}
		p.waits, p.decision = false, decision
		s.count[map[eventlog.Decision]string{eventlog.Approved: "approved", eventlog.Rejected: "rejected", eventlog.Withdrawn: "withdrawn"}[decision]]++
		return "saved"
	})
}

// newest returns one of the newest posts of a kind, or nil.
func (s *rulesSim) newest(is func(*modelPost) bool) *modelPost {
	posts := slices.DeleteFunc(slices.Clone(s.posts), func(p *modelPost) bool { return !is(p) })
	if len(posts) == 0 {
		return nil
	}
	return posts[max(0, len(posts)-1-s.rng.IntN(4))]
}

// draw returns a request of a client.
func (s *rulesSim) draw(c *rulesClient) *rulesRequest {
	other := s.clients[1+s.rng.IntN(len(s.clients)-1)]
	for other == c {
		other = s.clients[1+s.rng.IntN(len(s.clients)-1)]
	}
	until := wire.Time(0)
	if s.rng.IntN(2) == 0 {
		until = wire.TimeOf(s.clock.Add(time.Duration(1+s.rng.IntN(60_000)) * time.Millisecond))
	}
	pick := func(of ...string) string { return of[s.rng.IntN(len(of))] }
	set := func(key, text string, n uint64) *rulesRequest {
		if text == "" && n == 0 {
			until = 0
		}
		return s.set(c, key, text, n, until)
	}
	switch k := s.rng.IntN(28); {
	case k < 10 || len(s.posts) == 0:
		return s.say(c)
	case k < 12:
		if p := s.newest(func(p *modelPost) bool { return p.by == c && (p.waits || p.decision != 0) }); p != nil {
			return s.post(p)
		}
		return s.say(c)
	case k < 18:
		p := s.newest(func(p *modelPost) bool { return p.waits })
		if p == nil {
			p = s.posts[max(0, len(s.posts)-1-s.rng.IntN(4))]
		}
		if decision := eventlog.Decision(1 + s.rng.IntN(3)); decision != eventlog.Withdrawn || p.by == c {
			return s.judge(c, p, decision)
		}
		return s.judge(c, p, eventlog.Approved)
	case k < 20:
		return set(wire.PersonPrefix+other.by, pick(wire.Ban, wire.Mute, "", ""), 0)
	case k < 22:
		return set(wire.RolePrefix+other.by, pick("reader", "guest", "trusted", "moderator", "moderator", ""), 0)
	case k < 23:
		return set(wire.LockKey, pick(wire.LockOn, "", ""), 0)
	case k < 24:
		return set(wire.SlowKey, "", uint64(s.rng.IntN(4)*10))
	case k < 25:
		return set(wire.EveryoneKey, pick("none", "reader", "guest", "", ""), 0)
	}
	return set(wire.HoldKey, pick(wire.HoldAll, wire.HoldFirst, wire.HoldAll, ""), 0)
}

// step lets several clients make a request at once, and sometimes time pass, commits fail or the server crash.
func (s *rulesSim) step() {
	switch s.rng.IntN(12) {
	case 0:
		s.store.faults = append(s.store.faults, []fault{lostInDoubt, committedInDoubt}[s.rng.IntN(2)])
		s.store.reopens += s.rng.IntN(2)
	case 1:
		s.crash()
		for _, i := range s.rng.Perm(len(s.clients)) {
			s.clients[i].connect()
		}
	case 2, 3:
		s.advance(time.Duration(s.rng.IntN(40_000)) * time.Millisecond)
	case 4:
		c := s.clients[s.rng.IntN(len(s.clients))]
		c.l.end(nil)
		c.connect()
	}
	var requests []*rulesRequest
	for _, c := range s.clients {
		if s.rng.IntN(len(s.clients)) < 2 {
			if k := s.rng.IntN(4); k == 0 { // moderators do most
				c = s.clients[s.rng.IntN(2)]
			}
			if !slices.ContainsFunc(requests, func(r *rulesRequest) bool { return r.client == c }) {
				requests = append(requests, s.draw(c))
			}
		}
	}
	s.run(requests)
	s.advance(time.Second)
	s.enter()
}

// run makes requests, which are one batch, and compares the answers with those of the model.
func (s *rulesSim) run(requests []*rulesRequest) {
	s.t.Helper()
	order := func(r *rulesRequest) int { return slices.Index(s.links, r.client.l) }
	slices.SortFunc(requests, func(a, b *rulesRequest) int { return order(a) - order(b) })
	at := wire.TimeOf(s.clock)
	inRoom := map[*rulesClient]bool{}
	for _, c := range s.clients {
		inRoom[c] = c.joined[rulesRoom]
		clear(c.judged)
	}
	var decided []*modelPost
	for _, r := range requests {
		waiting := slices.DeleteFunc(slices.Clone(s.posts), func(p *modelPost) bool { return !p.waits })
		r.want = r.decide(at)
		decided = append(decided, slices.DeleteFunc(waiting, func(p *modelPost) bool { return p.waits })...)
		r.client.l.sendText(strings.TrimSuffix(string(wire.Append(nil, r.frame)), "}") + `,"ref":"` + r.ref + `"}`)
	}
	for _, p := range s.approved {
		s.number(p, at)
	}
	s.approved = nil
	_, slow := s.rules[wire.SlowKey]
	_, hold := s.rules[wire.HoldKey]
	s.noting = slow || hold
	for range 10 { // commits fail
		s.settle()
	}
	for _, r := range requests {
		if r.after != nil {
			r.want = r.after()
		}
		got := ""
		switch f := r.client.answers[r.ref].(type) {
		case wire.Saved:
			if got = fmt.Sprint("saved ", f.N); r.want == "saved" {
				got = "saved"
			}
			s.count["saved"]++
		case wire.HeldBack:
			got = "held"
			s.count[got]++
		case wire.Refused:
			got = strings.TrimSpace(string(f.Code) + " " + f.Rule)
			s.count[got]++
		}
		if got != r.want {
			r.client.fail("%s at %v is answered with %q (%+v), want %q", wire.Append(nil, r.frame), at, got, r.client.answers[r.ref], r.want)
		}
	}
	for _, p := range decided {
		want := "refused"
		if p.decision == eventlog.Approved {
			want = fmt.Sprint("saved ", p.n)
		}
		if got := p.by.judged[p.id]; inRoom[p.by] && s.mayRead(p.by, rulesRoom, at) && got != want {
			p.by.fail("is told of the decision about %s: %q, want %q", p.id, got, want)
		}
	}
	s.verifyWaiting()
}

// verifyWaiting compares what waits in the room of the moderators with the model.
func (s *rulesSim) verifyWaiting() {
	s.t.Helper()
	var got, want []string
	for after := uint64(0); ; {
		records, _, err := s.store.Store.Read(wire.ModeratorsRoom(rulesRoom), after, eventlog.MaxRead)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		after = records[len(records)-1].N
		for i := range records {
			m, is, err := records[i].Message()
			if err != nil {
				s.t.Fatal(err)
			}
			if is && m.As == wire.HeldMessage && (m.Gone != (m.Text == "")) {
				s.t.Fatalf("the record of a held message is %+v", m)
			}
			if is && m.As == wire.HeldMessage && !m.Gone {
				got = append(got, m.SenderID+" "+m.Text)
			}
		}
	}
	for _, p := range s.posts {
		if p.waits {
			want = append(want, p.by.by+" "+p.text)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Fatalf("waiting are %q, want %q", got, want)
	}
}

// enter lets all clients join the room and that of its moderators, and checks who is in, and what they have received. A rule may have
// ended within the last second, so that its end was not noticed yet.
func (s *rulesSim) enter() {
	s.t.Helper()
	at := wire.TimeOf(s.clock)
	before := wire.TimeOf(s.clock.Add(-time.Second))
	for _, c := range s.clients {
		for _, room := range []string{rulesRoom, wire.ModeratorsRoom(rulesRoom)} {
			may := s.mayRead(c, room, at)
			if c.joined[room] && !may && !s.mayRead(c, room, before) {
				c.fail("is in %s, and may not read it", room)
			}
			if c.joined[room] {
				continue
			}
			c.l.send(wire.Join{Room: room, Last: new(wire.MaxLast)})
			s.settle()
			if c.joined[room] != may {
				c.fail("may join %s: %v, want %v", room, c.joined[room], may)
			}
		}
		if !c.joined[rulesRoom] {
			continue
		}
		if c.top[rulesRoom] != s.records || len(c.received) != len(s.messages) {
			c.fail("has %d messages up to number %d, want %d up to %d", len(c.received), c.top[rulesRoom], len(s.messages), s.records)
		}
		for n, text := range s.messages {
			if c.received[n] != text {
				c.fail("has %q under the number %d, want %q", c.received[n], n, text)
			}
		}
	}
}
