package session

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/wire"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run the simulation with this seed alone")
	seeds   = flag.Uint64("seeds", 200, "how many seeds the simulation runs with")
)

// TestSimulation lets clients of all transports post and receive while everything goes wrong that can: bytes are cut
// anywhere, commits fail in every way, connections break, clients block, the server crashes, and its machine is reset
// to an older state. Then it lets everything settle, and checks what the clients received against the guarantees. One
// seed is one course of events, always the same.
func TestSimulation(t *testing.T) {
	first, last := uint64(1), *seeds
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			s := newSim(t, seed, nil)
			for range 400 {
				s.step()
			}
			s.rest()
			s.audit()
			s.judge()
		})
	}
}

// simRooms are the rooms of the simulation.
var simRooms = []string{wire.Lobby, "den"}

// sim is one course of events.
type sim struct {
	*harness
	t      *testing.T
	rng    *rand.Rand
	people []*person
	liners []*liner
	ears   []*listener
	stints []*stint // of all liners, ended ones too
	spoken int      // texts so far; makes each of them unlike all others
	disk   int      // how slow it is; 1: not at all
	forget bool     // retention takes the oldest messages away
	backs  int      // how often the machine was set back
	truth  truth
	nodes  []*harness // of a cluster; otherwise the one that is embedded
}

func newSim(t *testing.T, seed uint64, cluster *eventlogtest.Sequence) *sim {
	rng := rand.New(rand.NewPCG(seed, 20))
	pick := func(of ...int) int { return of[rng.IntN(len(of))] }
	set := setting{
		buffer: int64(pick(1, 4000, 20000, 1<<20)), rate: float64(pick(0, 5, 20)), burst: pick(3, 30), queue: pick(2, 8, 1000),
		batch: pick(1, 3, 100), seed: seed, cluster: cluster,
	}
	var nodes []*harness
	for set.node = range 3 {
		if cluster != nil {
			set.program = olderProgram
		}
		if nodes = append(nodes, newHarness(t, set)); cluster == nil {
			break
		}
	}
	s := &sim{harness: nodes[0], nodes: nodes, t: t, rng: rng, truth: truth{}, disk: pick(1, 2, 10), forget: rng.IntN(3) == 0}
	for i := range 3 {
		s.people = append(s.people, &person{sim: s, name: fmt.Sprint("person ", i), ears: map[string]*ear{}})
	}
	for i := range 2 {
		s.liners = append(s.liners, &liner{sim: s, room: simRooms[i%2]})
	}
	s.ears = newListeners(s)
	return s
}

// addr is where clients come from: not loopback, so that the address's share holds.
func (s *sim) addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 40000)
}

// deflate reports whether one client of each transport negotiates permessage-deflate. Not with every seed: under the
// race detector, deflate takes most of the time.
func (s *sim) deflate() bool { return s.set.seed%3 == 0 }

// node returns one of the nodes.
func (s *sim) node() *harness {
	if len(s.nodes) == 1 {
		return s.nodes[0]
	}
	return s.nodes[s.rng.IntN(len(s.nodes))]
}

// pass moves the clocks of all nodes by d, beginning with the latest of them.
func (s *sim) pass(d time.Duration) {
	latest := s.nodes[0].clock
	for _, n := range s.nodes {
		if n.clock.After(latest) {
			latest = n.clock
		}
	}
	for _, n := range s.nodes {
		n.clock = latest.Add(d)
		n.fire()
	}
}

// step is one thing that happens.
func (s *sim) step() {
	p, l := s.people[s.rng.IntN(len(s.people))], s.liners[s.rng.IntN(len(s.liners))]
	switch k := s.rng.IntN(100); {
	case k < 12:
		p.say()
	case k < 16:
		l.say()
	case k < 60:
		s.bytes()
	case k < 75:
		if s.rng.IntN(s.disk) == 0 {
			s.sequenceOne()
		}
	case k < 85:
		if node := s.node(); len(node.jobs) > 0 {
			node.job(s.rng.IntN(len(node.jobs)))
		}
	case k < 86:
		s.ears[s.rng.IntN(len(s.ears))].connect()
	case k < 91:
		s.pass(time.Duration(s.rng.IntN(700)) * time.Millisecond)
	case k < 95:
		p.whim()
	default:
		s.mishap(p, l)
	}
	s.cutAll()
	for _, p := range s.people {
		p.push()
	}
}

// bytes moves some on one connection.
func (s *sim) bytes() {
	node := s.node()
	if len(node.links) == 0 {
		return
	}
	l := node.links[s.rng.IntN(len(node.links))]
	l.receive(1 + s.rng.IntN(400))
	l.max = 1 + s.rng.IntN(3000)
	l.next()
	if l.handed != nil && !l.frozen && !l.closed {
		l.write(s.rng.IntN(len(l.handed) + 1)) // nothing, some or all
	}
}

// mishap is something that goes wrong.
func (s *sim) mishap(p *person, l *liner) {
	n := s.node()
	switch s.rng.IntN(13) {
	case 0, 1, 2:
		n.store.faults = append(n.store.faults, fault(s.rng.IntN(4)))
	case 3:
		n.store.reopens += s.rng.IntN(3)
	case 4:
		n.store.reads += s.rng.IntN(3)
	case 5, 6:
		p.cut()
	case 7:
		l.cut()
		s.ears[s.rng.IntN(len(s.ears))].cut()
	case 8, 9:
		if len(n.links) > 0 {
			n.links[s.rng.IntN(len(n.links))].frozen = s.rng.IntN(2) == 0
		}
	case 10:
		if room := simRooms[s.rng.IntN(2)]; s.forget {
			h := n.store.Bounds(room)
			to := h.First + uint64(s.rng.IntN(int(h.Last-h.First+2))) - 1
			_ = n.sequencer.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: to}}}, nil) // if there is no room, another time
		}
	case 11:
		if s.rng.IntN(3) == 0 {
			s.upgrade(n)
			n.crash()
		} else if s.rng.IntN(3) == 0 {
			s.restart(n)
		}
	case 12:
		if s.set.seed%3 == 1 { // all nodes of a cluster: one of them would get back what it lost
			s.setBack()
		}
	}
}

// setBack resets the machine to an earlier state, like restoring a snapshot. Messages since then are lost.
func (s *sim) setBack() {
	for _, n := range s.nodes {
		n.crash()
	}
	all := len(s.store.applied)
	to := all - s.rng.IntN(min(all, 40)+1)
	if s.set.cluster != nil {
		s.set.cluster.SetBack(uint64(to))
	}
	for _, n := range s.nodes {
		n.store.setBack(s.t, min(to, len(n.store.applied)))
	}
	for _, n := range s.nodes {
		n.crash() // and starts there
	}
	s.pass(0)
	s.backs++
	// Some come back when others have said something under the numbers that they had.
	s.comeBack()
	s.people[s.rng.IntN(2)].away, s.ears[s.rng.IntN(len(s.ears))].away = true, true
	for _, l := range s.liners {
		for range s.rng.IntN(8) {
			l.say()
		}
	}
	s.stints = nil // their lines have no numbers, by which those that are left could be told
	for _, room := range simRooms {
		last := s.stored(room)
		maps.DeleteFunc(s.truth[room], func(n uint64, _ wire.Message) bool { return n > last })
		for _, p := range s.people {
			p.all = slices.DeleteFunc(p.all, func(s *said) bool { return s.room == room && s.n > last }) // saved, and lost
		}
	}
}

// restart ends the server in good order, and begins it anew. Not everybody takes the goodbye in time.
func (s *sim) restart(n *harness) {
	n.store.faults, n.store.reopens = nil, 0
	links := append([]*link(nil), n.links...)
	for _, l := range links {
		l.s.Quiet()
	}
	n.sequencer.Close()
	for n.sequence() {
	}
	for _, l := range links {
		l.s.Leave(time.Duration(s.rng.IntN(500)) * time.Millisecond)
	}
	for range s.rng.IntN(100) {
		s.bytes()
	}
	n.crash()
}

// cutAll has the clients notice which connections have ended.
func (s *sim) cutAll() {
	for _, p := range s.people {
		if p.l != nil && p.l.closed {
			p.cut()
		}
	}
	for _, l := range s.liners {
		if l.now != nil && l.now.l.closed {
			l.cut()
		}
	}
	for _, c := range s.ears {
		if c.l != nil && c.l.closed {
			c.cut()
		}
	}
}

// rest has everything go well from now on, and returns when nothing is left to happen.
func (s *sim) rest() {
	for _, n := range s.nodes {
		n.store.faults, n.store.reopens, n.store.reads = nil, 0, 0
	}
	s.quiet()
	for round := range 100 {
		if round == 5 {
			s.comeBack()
		}
		s.cutAll()
		for _, p := range s.people {
			p.connect()
			p.comeBack()
		}
		for _, l := range s.liners {
			l.connect()
		}
		for _, c := range s.ears {
			c.connect()
		}
		s.pass(0)
		for _, n := range s.nodes {
			for _, l := range n.links {
				l.frozen, l.max, l.bite, l.chunk = false, 1+s.rng.IntN(64<<10), s.rng.IntN(5000), s.rng.IntN(500)
			}
			n.advance(time.Second)
		}
		pending := s.behindNodes()
		for _, p := range s.people {
			p.push()
			pending += len(p.box)
			for _, name := range simRooms {
				if e := p.ears[name]; e == nil || !e.in || e.waiting > 0 {
					pending++
				}
			}
		}
		if pending == 0 && round > 5 {
			for _, n := range s.nodes {
				n.advance(5 * time.Second)
			}
			return
		}
	}
	s.t.Fatal("some things said are never settled")
}

// comeBack ends the absence of all.
func (s *sim) comeBack() {
	for _, p := range s.people {
		p.away = false
	}
	for _, c := range s.ears {
		c.away = false
	}
}

// audit has one more come and hear all that is kept: something may have been said that nobody was there to hear.
func (s *sim) audit() {
	p := &person{sim: s, name: "the auditor", ears: map[string]*ear{}}
	for _, room := range simRooms {
		p.ears[room] = &ear{in: true, last: wire.MaxLast}
	}
	s.people = append(s.people, p)
	s.rest()
}

// text makes one unlike all others, of any length.
func (s *sim) text(who string) string {
	s.spoken++
	text := fmt.Sprintf("%s says %d", who, s.spoken)
	for range s.rng.IntN(s.rng.IntN(80) + 1) {
		text += " and on\n"
	}
	return text
}

// whim is something that a person does now and then.
func (p *person) whim() {
	room := simRooms[p.sim.rng.IntN(2)]
	k := p.sim.rng.IntN(6)
	switch {
	case k == 0 && p.l == nil:
		p.connect()
	case !p.open:
		p.connect()
	case k == 0:
		p.l.send(wire.Typing{Room: room})
	case k == 1:
		p.leave(room)
	case k == 2:
		p.join(room)
	case k == 3:
		n := uint64(p.sim.rng.IntN(50))
		p.l.send(wire.History{Room: room, After: &wire.Position{N: n}, Limit: 1 + p.sim.rng.IntN(20)})
	case k == 4:
		p.l.send(wire.Name{Name: []string{"ann", "bob", ""}[p.sim.rng.IntN(3)]})
	case k == 5:
		p.l.send(wire.Who{Room: room}, wire.Ping{ID: "x"})
	}
}
