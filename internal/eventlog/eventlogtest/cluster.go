package eventlogtest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testCluster makes clients write to three nodes that share one sequence while everything fails that can fail: batches are
// lost and repeated, commits fail, nodes restart, are started twice, fall behind a snapshot, or run an older version of the
// program. All nodes begin with the version without newKind and are upgraded one by one; then the level is raised. In the
// end every message is stored once and in its client's order, and all stores are equal.
func testCluster(t *testing.T, fresh func(t *testing.T) Location, seeds uint64) {
	kinds, decisions := map[eventlog.Kind]int{}, map[eventlog.Decision]int{}
	defer func() {
		for _, d := range []eventlog.Decision{eventlog.Approved, eventlog.Rejected, eventlog.Withdrawn} {
			if decisions[d] == 0 && seeds >= 20 && !t.Failed() {
				t.Errorf("no message that was held has the decision %d, so this test shows nothing", d)
			}
		}
		for _, k := range []eventlog.Kind{eventlog.Say, eventlog.Change, eventlog.Tally, eventlog.Set, eventlog.AppendLog, eventlog.Erase, eventlog.Restore, eventlog.EraseStep, eventlog.RestoreStep} {
			if kinds[k] == 0 && seeds >= 20 && !t.Failed() {
				t.Errorf("no record of the kind %d was added, so this test shows nothing", k)
			}
		}
	}()
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			c := newCluster(t, fresh, seed)
			for range 300 {
				c.step()
			}
			c.settle()
			c.compare()
			for _, r := range (&tested{Store: c.nodes[0].store, t: t}).all("cellar") {
				kinds[r.Kind]++
			}
			kinds[eventlog.AppendLog] += len((&tested{Store: c.nodes[0].store, t: t}).all("~cellar"))
			for d, count := range c.compareHeld() {
				decisions[d] += count
			}
		})
	}
}

// newKind is the kind that the older version of the program does not know. Its deletions are visible in the rows.
const newKind = eventlog.Trim

var older, newer = eventlog.Current.Versions(newKind)

type cluster struct {
	t         *testing.T
	fresh     func(t *testing.T) Location
	rng       *rand.Rand
	clock     time.Time
	seq       *Sequence
	nodes     []*node
	writers   []*writer
	decorated int                          // calls of decorate
	raised    bool                         // the level was submitted
	fed       map[string]map[uint64]string // the outcome fed for each number of each room
	plain     map[string]eventlog.Status   // of messages without a client's id; zero: not answered
	held      []*heldPost
	requests  []*request // about them; without those that were answered
}

type node struct {
	*eventlog.Log
	c      *cluster
	name   string
	store  *Faulty
	member *Member
	old    bool              // runs the version without newKind
	forged int               // batches with newKind that it submitted below the level
	newest map[string]uint64 // the newest number of each room that was fed
}

func newCluster(t *testing.T, fresh func(t *testing.T) Location, seed uint64) *cluster {
	c := &cluster{t: t, fresh: fresh, rng: rand.New(rand.NewPCG(seed, 3)), clock: start.Std(), seq: NewSequence(seed), fed: map[string]map[uint64]string{}, plain: map[string]eventlog.Status{}}
	for i := range 3 {
		n := &node{c: c, name: fmt.Sprint("node", i), store: &Faulty{Store: c.open()}, old: true}
		c.nodes = append(c.nodes, n)
		n.start()
	}
	if seed%2 == 0 { // otherwise the level is raised while everything fails, so that less is decorated
		c.prepare()
	}
	c.seq.SetFaults(true)
	for i := range 4 {
		w := &writer{c: c, by: fmt.Sprint("writer", i)}
		c.writers = append(c.writers, w)
		w.connect()
	}
	return c
}

// prepare raises the level to that of the older program, and lets a room hold messages.
func (c *cluster) prepare() {
	n := c.nodes[0]
	for n.store.Level() < older.Level() || n.store.Limits().EditWindow == 0 || n.store.Bounds("cellar").Last == 0 {
		if n.InDoubt() || !n.advance() {
			c.decorate(n)
		}
		c.clock = c.clock.Add(100 * time.Millisecond)
	}
}

func (c *cluster) open() eventlog.Store {
	store := c.fresh(c.t).Open()
	c.t.Cleanup(func() {
		if err := store.Close(); err != nil {
			c.t.Errorf("Close: %v", err)
		}
	})
	return store
}

// start starts or restarts the node's program.
func (n *node) start() {
	if n.member != nil {
		n.member.Close()
	}
	n.store = &Faulty{Store: n.store.Store}
	if err := n.store.Reopen(); err != nil {
		n.c.t.Fatalf("Reopen: %v", err)
	}
	n.member = n.c.seq.Member(n.program())
	n.resetFeed()
	n.Log = eventlog.NewLog(n.store, n.member, eventlog.Options{
		Feed: n.feed, Now: func() time.Time { return n.c.clock }, Logger: slog.New(slog.DiscardHandler), Batch: 3,
		Node: n.name, Start: starts(n.name), Program: n.program(),
	})
	for _, w := range n.c.writers {
		w.disconnected = w.disconnected || w.node == n
	}
}

func (n *node) program() *eventlog.Program {
	if n.old {
		return older
	}
	return newer
}

// upgrade starts the newer version of the program.
func (n *node) upgrade() {
	if n.old {
		n.old = false
		n.start()
	}
}

// appendForged orders a batch with newKind as if n had submitted it before the level allows that. No node may apply it.
func (n *node) appendForged() {
	n.forged++
	trim := trim("lobby", 1<<20)
	n.c.seq.mu.Lock()
	defer n.c.seq.mu.Unlock()
	b := newer.NewBatch(eventlog.Batch{At: start, Node: fmt.Sprint("forger", n.forged), Commands: commands(once("forger", "lobby", "f", "x"), trim)})
	if err := n.c.seq.append(b, 0); err != nil {
		n.c.t.Fatal(err)
	}
}

// resetFeed does what the rooms of a node do when its store is replaced.
func (n *node) resetFeed() {
	n.newest = map[string]uint64{}
	for room, bounds := range n.store.AllBounds() {
		n.newest[room] = bounds.Last
	}
}

func (n *node) feed(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Judged != nil {
			n.c.noteJudged(n.name, o.Judged)
		}
		if !o.HasRecord() {
			continue
		}
		m := o.Record()
		if n.newest[m.Room]++; m.N != n.newest[m.Room] {
			n.c.t.Fatalf("%s feeds number %d of %s, want %d", n.name, m.N, m.Room, n.newest[m.Room])
		}
		room := n.c.fed[m.Room]
		if room == nil {
			room = map[uint64]string{}
			n.c.fed[m.Room] = room
		}
		if was, got := room[m.N], fmt.Sprint(m); was != "" && was != got {
			n.c.t.Fatalf("%s feeds %s, but another node fed %s", n.name, got, was)
		} else {
			room[m.N] = got
		}
	}
	for i := range submissions {
		if reply := submissions[i].ReplyTo; reply != nil {
			reply.Deliver(&submissions[i], &outcomes[i])
		}
	}
}

// advance steps the node. After a gap it restores a snapshot, as an operator would.
func (n *node) advance() bool {
	worked, err := n.Step()
	if errors.Is(err, eventlog.ErrGap) {
		n.restore()
	}
	return worked
}

// restore gives the node a snapshot of everything that was ordered.
func (n *node) restore() {
	store := n.c.open()
	if err := n.c.seq.Restore(store, n.program()); err != nil {
		n.c.t.Fatalf("restore: %v", err)
	}
	n.store.Store = store
	n.resetFeed()
}

// startDuplicate starts another process with the node's name, which does nothing else.
func (n *node) startDuplicate() {
	s, _ := starts(n.name)(n.store.Incarnation(n.name))
	n.c.seq.mu.Lock()
	defer n.c.seq.mu.Unlock()
	if err := n.c.seq.append(&eventlog.Batch{At: start, Node: n.name, Commands: []eventlog.Command{s.Command}}, 0); err != nil {
		n.c.t.Fatal(err)
	}
}

// step makes one thing happen.
func (c *cluster) step() {
	n := c.nodes[c.rng.IntN(len(c.nodes))]
	switch k := c.rng.IntN(100); {
	case k < 5:
		c.writePlain(n)
	case k < 20:
		c.decorate(n)
	case k < 30:
		c.writers[c.rng.IntN(len(c.writers))].write()
	case k < 80:
		c.clock = c.clock.Add(time.Duration(c.rng.IntN(400)) * time.Millisecond)
		n.advance()
	case k < 85:
		n.store.Fail([]Fault{RolledBack, Full, Lost, Unreported}[c.rng.IntN(4)])
	case k < 87:
		n.store.FailReopen(c.rng.IntN(3))
	case k < 89:
		n.start()
	case k < 91:
		n.startDuplicate()
	case k < 93:
		c.seq.SetDown(c.rng.IntN(2) == 0)
	case k < 95:
		c.seq.SetFaults(c.rng.IntN(4) > 0)
	case k < 96:
		if !n.InDoubt() {
			n.restore()
		}
	case k < 97:
		c.seq.Trim(n.store.Position())
	case k < 99:
		w := c.writers[c.rng.IntN(len(c.writers))]
		w.disconnected = true
	case c.rng.IntN(3) == 0:
		n.upgrade()
	default:
		c.raiseLevel(n)
		_ = n.Submit(eventlog.Submission{Command: trim(OtherNodeRoom, uint64(c.rng.IntN(40)))}, nil) // if the queue is full, another time
		if n.store.Level() < newer.Level() && !c.raised {
			n.appendForged()
		}
	}
	for _, w := range c.writers {
		w.retry()
	}
}

// raiseLevel submits the level when all nodes run the newer version.
func (c *cluster) raiseLevel(n *node) {
	if !slices.ContainsFunc(c.nodes, func(n *node) bool { return n.old }) {
		c.raised = true
		_ = n.Submit(eventlog.Submission{Command: raiseLevel(newer.Level())}, nil) // if the queue is full, another time
	}
}

// writePlain writes a message that cannot be repeated.
func (c *cluster) writePlain(n *node) {
	id := fmt.Sprint("p", len(c.plain))
	c.plain[id] = 0
	reply := &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
		if c.plain[id] != 0 {
			c.t.Fatalf("%s is answered twice", id)
		}
		c.plain[id] = o.Status
	}}
	if err := n.Submit(eventlog.Submission{Command: once("plain", "cellar", id, "x"), ReplyTo: reply}, nil); err != nil {
		c.t.Fatalf("Submit(%s): %v", id, err)
	}
}

// settle stops all faults, until everything written is stored and all nodes have applied everything.
func (c *cluster) settle() {
	c.seq.SetFaults(false)
	c.seq.SetDown(false)
	for _, n := range c.nodes {
		n.store.faults, n.store.reopens = nil, 0
		n.upgrade()
	}
	c.raiseLevel(c.nodes[0])
	for round := 0; ; round++ {
		if round == 1000 {
			c.t.Fatal("the cluster does not settle")
		}
		c.clock = c.clock.Add(200 * time.Millisecond)
		done := true
		for _, n := range c.nodes {
			done = !n.advance() && done
			done = done && n.store.Level() == newer.Level()
		}
		if round == 5 {
			_ = c.nodes[0].Submit(eventlog.Submission{Command: trim(OtherNodeRoom, 1)}, nil) // the new kind, at last
		}
		if round < 20 {
			c.decorate(c.nodes[round%len(c.nodes)])
		}
		for _, r := range c.unanswered() {
			r.submit(c.nodes[round%len(c.nodes)])
			done = false
		}
		if steps := c.nodes[0].store.ErasureSteps(wire.TimeOf(c.clock), false); len(steps) > 0 {
			done = false
			if round%5 == 0 { // each is a batch of its own
				_ = c.nodes[0].Submit(eventlog.Submission{Command: steps[0]}, nil) // if the queue is full, another time
			}
		}
		for _, w := range c.writers {
			w.retry()
			done = done && len(w.unsaved) == 0
		}
		for _, n := range c.nodes {
			done = done && n.store.Position() == c.seq.Last()
		}
		if done && round > 20 {
			return
		}
	}
}

func (c *cluster) compare() {
	want := viewOf(c.t, c.nodes[0].store)
	for _, n := range c.nodes {
		want.compare(c.t, n.name+" has", viewOf(c.t, n.store))
		if a, b := Hash(c.t, c.nodes[0].store), Hash(c.t, n.store); a != b {
			c.t.Fatalf("the rows of %s have the hash %x, those of node0 %x", n.name, b, a)
		}
	}
	times := map[string]int{}
	for _, m := range (&tested{Store: c.nodes[0].store, t: c.t}).all("cellar") {
		times[m.ID]++
	}
	for id, status := range c.plain {
		if k := times[id]; k > 1 || status == eventlog.Saved && k == 0 || status == eventlog.Refused && k > 0 {
			c.t.Fatalf("%s has the status %d and is stored %d times", id, status, k)
		}
	}
	wrote := map[string][]string{}
	for _, m := range (&tested{Store: c.nodes[0].store, t: c.t}).all("lobby") {
		wrote[m.SenderID] = append(wrote[m.SenderID], m.ID)
	}
	if n := len(wrote["forger"]); n > 0 {
		c.t.Fatalf("%d messages of batches above the level are stored", n)
	}
	if b := c.nodes[0].store.Bounds(OtherNodeRoom); b.Last > 0 && b.First < 2 {
		c.t.Fatalf("the new kind has no effect after the level was raised: %s has the bounds %v", OtherNodeRoom, b)
	}
	for _, w := range c.writers {
		if !slices.Equal(wrote[w.by], w.written) {
			c.t.Fatalf("%s wrote %v, stored %v", w.by, w.written, wrote[w.by])
		}
	}
}

// Hash returns a hash over all rows of a store.
func Hash(t fatal, s eventlog.Store) (sum [32]byte) {
	h := sha256.New()
	for _, room := range slices.Sorted(maps.Keys(s.AllBounds())) {
		for _, m := range (&tested{Store: s, t: t}).all(room) {
			fmt.Fprintf(h, "%+v\n", m)
		}
	}
	return [32]byte(h.Sum(nil))
}
