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
	oneSeed = flag.Uint64("seed", 0, "run the simulation with this seed only")
	seeds   = flag.Uint64("seeds", 60, "number of seeds of the simulation")
)

// TestSimulation lets clients of all transports post, edit, delete, mark, set and receive while everything goes wrong that can: bytes
// are cut anywhere, commits fail in every way, connections break, clients block, the server crashes, and its machine is reset
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
			s.settleAll()
			s.vote()
			s.settleAll()
			s.addAuditor()
			s.verify()
		})
	}
}

// simRooms are the rooms of the simulation.
var simRooms = []string{wire.Lobby, "den"}

// sim is one run of the simulation.
type sim struct {
	*harness
	t             *testing.T
	rng           *rand.Rand
	v1Clients     []*v1Client
	plainClients  []*plainClient
	streamClients []*streamClient
	plainConns    []*plainConn // of all plain clients, including ended ones
	textCount     int          // texts so far; makes each of them unique
	diskSlowness  int          // 1: normal speed
	trims         bool         // retention deletes the oldest messages
	rewinds       int          // how often the machine was reset to an older state
	transcript    transcript
	erased        map[string]erasure // by text
	joins         []simJoin          // without those of numbers that were lost
	nodes         []*harness         // of a cluster; otherwise the one that is embedded
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
	s := &sim{harness: nodes[0], nodes: nodes, t: t, rng: rng, transcript: transcript{}, erased: map[string]erasure{}, diskSlowness: pick(1, 2, 10), trims: rng.IntN(3) == 0}
	for i := range 3 {
		s.v1Clients = append(s.v1Clients, &v1Client{sim: s, name: fmt.Sprint("person ", i), rooms: map[string]*clientRoom{}})
	}
	for i := range 2 {
		s.plainClients = append(s.plainClients, &plainClient{sim: s, room: simRooms[i%2]})
	}
	s.streamClients = newStreamClients(s)
	return s
}

// addr returns a client's address: not loopback, so that the limits of addresses apply.
func (s *sim) addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 40000)
}

// deflate reports whether one client of each protocol negotiates permessage-deflate. Only some seeds do: under the race
// detector, deflate takes most of the time.
func (s *sim) deflate() bool { return s.set.seed%3 == 0 }

// node returns one of the nodes.
func (s *sim) node() *harness {
	if len(s.nodes) == 1 {
		return s.nodes[0]
	}
	return s.nodes[s.rng.IntN(len(s.nodes))]
}

// advanceAll advances the clocks of all nodes by d, starting with the node whose clock is furthest ahead.
func (s *sim) advanceAll(d time.Duration) {
	latest := s.nodes[0].clock
	for _, n := range s.nodes {
		if n.clock.After(latest) {
			latest = n.clock
		}
	}
	for _, n := range s.nodes {
		n.clock = latest.Add(d)
		n.runTimers()
		n.submitTallies()
	}
}

// step makes one thing happen.
func (s *sim) step() {
	p, l := s.v1Clients[s.rng.IntN(len(s.v1Clients))], s.plainClients[s.rng.IntN(len(s.plainClients))]
	switch k := s.rng.IntN(100); {
	case k < 8:
		p.say()
	case k < 11:
		p.change()
	case k < 20:
		p.mark()
	case k < 23:
		p.set()
	case k < 27:
		l.say()
	case k < 66:
		s.moveBytes()
	case k < 79:
		if s.rng.IntN(s.diskSlowness) == 0 {
			s.stepOneLog()
		}
	case k < 87:
		if node := s.node(); len(node.jobs) > 0 {
			node.runJob(s.rng.IntN(len(node.jobs)))
		}
	case k < 88:
		s.streamClients[s.rng.IntN(len(s.streamClients))].connect()
	case k < 92:
		s.advanceAll(time.Duration(s.rng.IntN(700)) * time.Millisecond)
	case k < 95:
		p.randomAction()
	default:
		s.injectFault(p, l)
	}
	s.noticeClosed()
	for _, p := range s.v1Clients {
		p.sendUnsent()
	}
}

// vote lets clients post polls, and vote, react and set while their connections hold, which few do otherwise.
func (s *sim) vote() {
	for range 100 {
		p := s.v1Clients[s.rng.IntN(len(s.v1Clients))]
		switch k := s.rng.IntN(10); {
		case k < 1:
			p.say()
		case k < 2:
			p.change()
		case k < 4:
			p.set()
		default:
			p.mark()
		}
		for range s.rng.IntN(20) {
			s.moveBytes()
		}
		if s.rng.IntN(2) == 0 {
			s.stepOneLog()
		}
		if s.rng.IntN(6) == 0 {
			s.advanceAll(time.Duration(s.rng.IntN(1000)) * time.Millisecond)
		}
		s.noticeClosed()
		for _, p := range s.v1Clients {
			p.sendUnsent()
		}
	}
}

// moveBytes transfers some bytes on one connection.
func (s *sim) moveBytes() {
	node := s.node()
	if len(node.links) == 0 {
		return
	}
	l := node.links[s.rng.IntN(len(node.links))]
	if l.interrupt() && l.closed {
		return
	}
	l.receive(1 + s.rng.IntN(400))
	l.max = 1 + s.rng.IntN(3000)
	l.next()
	if l.unconfirmed != nil && !l.blocked && !l.closed {
		l.write(s.rng.IntN(len(l.unconfirmed) + 1)) // none, some or all
	}
}

// injectFault makes something fail.
func (s *sim) injectFault(p *v1Client, l *plainClient) {
	n := s.node()
	switch s.rng.IntN(13) {
	case 0, 1, 2:
		n.store.faults = append(n.store.faults, fault(s.rng.IntN(4)))
	case 3:
		n.store.reopens += s.rng.IntN(3)
	case 4:
		n.store.reads += s.rng.IntN(3)
	case 5, 6:
		p.disconnect()
	case 7:
		l.disconnect()
		s.streamClients[s.rng.IntN(len(s.streamClients))].disconnect()
	case 8, 9:
		if len(n.links) > 0 {
			n.links[s.rng.IntN(len(n.links))].blocked = s.rng.IntN(2) == 0
		}
	case 10:
		if room := simRooms[s.rng.IntN(2)]; s.trims {
			h := n.store.Bounds(room)
			to := h.First + uint64(s.rng.IntN(int(h.Last-h.First+2))) - 1
			_ = n.sequencer.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: to}}}, nil) // if the queue is full, another time
		}
	case 11:
		if s.rng.IntN(3) == 0 {
			s.upgrade(n)
			n.crash()
		} else if s.rng.IntN(3) == 0 {
			s.restart(n)
		}
	case 12:
		if s.set.seed%3 == 1 { // all nodes of a cluster: a single one would get back what it lost
			s.rewind()
		}
	}
}

// rewind resets the machine to an earlier state, like restoring a snapshot. Messages since then are lost.
func (s *sim) rewind() {
	for _, n := range s.nodes {
		n.crash()
	}
	all := len(s.store.applied)
	to := all - s.rng.IntN(min(all, 40)+1)
	if s.set.cluster != nil {
		s.set.cluster.Rewind(uint64(to))
	}
	for _, n := range s.nodes {
		n.store.rewind(s.t, min(to, len(n.store.applied)))
	}
	for _, n := range s.nodes {
		n.crash() // and starts there
	}
	s.advanceAll(0)
	s.rewinds++
	// Some clients reconnect after others have posted under the numbers that they know.
	s.endAbsences()
	s.v1Clients[s.rng.IntN(2)].offline, s.streamClients[s.rng.IntN(len(s.streamClients))].offline = true, true
	for _, l := range s.plainClients {
		for range s.rng.IntN(8) {
			l.say()
		}
	}
	s.plainConns = nil // their lines have no numbers, so those that survived cannot be identified
	for _, room := range simRooms {
		last := s.lastStored(room)
		s.transcript.forgetAbove(room, last)
		s.joins = slices.DeleteFunc(s.joins, func(j simJoin) bool { return j.f.Room == room && j.f.N > last })
		maps.DeleteFunc(s.erased, func(_ string, e erasure) bool { return e.room == room && e.by > last })
		for _, p := range s.v1Clients {
			p.posts = slices.DeleteFunc(p.posts, func(s *post) bool { return s.room == room && s.n > last }) // saved, and lost
			p.marks = nil
		}
	}
}

// restart stops the server in good order and starts it again. Not every client receives the goodbye in time.
func (s *sim) restart(n *harness) {
	n.store.faults, n.store.reopens = nil, 0
	links := append([]*link(nil), n.links...)
	for _, l := range links {
		l.s.Quiet()
	}
	n.sequencer.Close()
	for n.stepLog() {
	}
	for _, l := range links {
		l.s.Leave(time.Duration(s.rng.IntN(500)) * time.Millisecond)
	}
	for range s.rng.IntN(100) {
		s.moveBytes()
	}
	n.crash()
}

// noticeClosed makes the clients notice which connections have ended.
func (s *sim) noticeClosed() {
	for _, p := range s.v1Clients {
		if p.l != nil && p.l.closed {
			p.disconnect()
		}
	}
	for _, l := range s.plainClients {
		if l.conn != nil && l.conn.l.closed {
			l.disconnect()
		}
	}
	for _, c := range s.streamClients {
		if c.l != nil && c.l.closed {
			c.disconnect()
		}
	}
}

// settleAll lets everything succeed from now on, and returns when nothing is left to do.
func (s *sim) settleAll() {
	for _, n := range s.nodes {
		n.store.faults, n.store.reopens, n.store.reads = nil, 0, 0
	}
	s.endClusterFaults()
	for round := range 100 {
		if round == 5 {
			s.endAbsences()
		}
		s.noticeClosed()
		for _, p := range s.v1Clients {
			p.connect()
			p.joinAll()
		}
		for _, l := range s.plainClients {
			l.connect()
		}
		for _, c := range s.streamClients {
			c.connect()
		}
		s.advanceAll(0)
		for _, n := range s.nodes {
			for _, l := range n.links {
				l.blocked, l.max, l.writeSize, l.readSize = false, 1+s.rng.IntN(64<<10), s.rng.IntN(5000), s.rng.IntN(500)
			}
			n.advance(time.Second)
		}
		pending := s.behindNodes() + len(s.store.PendingTallies())
		for _, p := range s.v1Clients {
			p.sendUnsent()
			pending += len(p.unsaved) + len(p.marking)
			for _, name := range simRooms {
				if e := p.rooms[name]; e == nil || !e.joined || e.pendingJoins > 0 {
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
	s.t.Fatal("some messages are never settled")
}

// endAbsences lets all absent clients connect again.
func (s *sim) endAbsences() {
	for _, p := range s.v1Clients {
		p.offline = false
	}
	for _, c := range s.streamClients {
		c.offline = false
	}
}

// addAuditor adds a client that reads everything stored: some messages may have had no reader.
func (s *sim) addAuditor() {
	p := &v1Client{sim: s, name: "the auditor", rooms: map[string]*clientRoom{}}
	for _, room := range simRooms {
		p.rooms[room] = &clientRoom{joined: true, last: wire.MaxLast}
	}
	s.v1Clients = append(s.v1Clients, p)
	s.settleAll()
}

// text returns a unique text of random length.
func (s *sim) text(who string) string {
	s.textCount++
	text := fmt.Sprintf("%s says %d", who, s.textCount)
	for range s.rng.IntN(s.rng.IntN(80) + 1) {
		text += " and on\n"
	}
	return text
}

// randomAction makes a client do what a person might do.
func (p *v1Client) randomAction() {
	room := simRooms[p.sim.rng.IntN(2)]
	k := p.sim.rng.IntN(6)
	switch {
	case k == 0 && p.l == nil:
		p.connect()
	case !p.ready:
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
