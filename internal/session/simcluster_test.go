package session

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
)

// olderProgram and newerProgram are two versions of the program: the older one cannot trim rooms.
var olderProgram, newerProgram = eventlog.Current.Versions(eventlog.Trim)

// TestClusterSimulation is TestSimulation on three nodes that share a sequence, which loses, repeats and delays batches.
// Clients move between nodes, which restart and are upgraded one by one to a newer version of the program. The level is
// raised once all are upgraded. At the end the stores of all nodes are equal.
func TestClusterSimulation(t *testing.T) {
	first, last := uint64(1), *seeds/4
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			s := newSim(t, seed, eventlogtest.NewSequence(seed))
			s.set.cluster.SetFaults(true)
			s.v1Clients[2].ignoresEpochs = true
			for range 400 {
				s.step()
				s.stepOneLog()
				s.raiseLevel()
			}
			for _, n := range s.nodes {
				if s.upgrade(n) {
					n.crash()
				}
			}
			s.settleAll()
			s.vote()
			s.settleAll()
			s.addAuditor()
			s.verify()
			s.verifyNodes()
		})
	}
}

// upgrade makes a node of a cluster run the newer version of the program from its next start on. It reports whether the
// node had the older one.
func (s *sim) upgrade(n *harness) bool {
	if n.set.program != olderProgram {
		return false
	}
	n.set.program = newerProgram
	return true
}

// stepOneLog steps the log of one node. One node of a cluster lags, so that clients that move to it are ahead of it.
func (s *sim) stepOneLog() {
	n := s.node()
	if n.set.node == 2 && s.rng.IntN(8) > 0 {
		n = s.nodes[0]
	}
	n.stepLog()
}

// raiseLevel submits the level when all nodes run the newer version.
func (s *sim) raiseLevel() {
	if s.store.Level() == newerProgram.Level() || slices.ContainsFunc(s.nodes, func(n *harness) bool { return n.set.program != newerProgram }) {
		return
	}
	level := eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: newerProgram.Level()}}
	_ = s.node().sequencer.Submit(eventlog.Submission{Command: level}, nil) // if the queue is full, another time
}

// behindNodes returns how many nodes of a cluster have not applied everything, or lack the level of the newer version.
func (s *sim) behindNodes() (behind int) {
	if s.set.cluster == nil {
		return 0
	}
	s.raiseLevel()
	for _, n := range s.nodes {
		if n.store.Position() != s.set.cluster.Last() || n.store.Level() != newerProgram.Level() {
			behind++
		}
	}
	return behind
}

// lastStored returns the highest number that a node has in a room.
func (s *sim) lastStored(room string) (last uint64) {
	for _, n := range s.nodes {
		last = max(last, n.store.Bounds(room).Last)
	}
	return last
}

// verifyNodes compares the stores of all nodes.
func (s *sim) verifyNodes() {
	s.t.Helper()
	for _, n := range s.nodes[1:] {
		if a, b := eventlogtest.Hash(s.t, s.store), eventlogtest.Hash(s.t, n.store); a != b {
			s.t.Fatalf("the rows of %s have the hash %x, those of the first node %x", n.nodeName(), b, a)
		}
		for _, part := range []func(eventlog.Store) any{
			func(s eventlog.Store) any { return s.Position() },
			func(s eventlog.Store) any { return s.AllBounds() },
			func(s eventlog.Store) any { return s.NewestTimes() },
			func(s eventlog.Store) any { return s.Epoch() },
			func(s eventlog.Store) any { return s.Level() },
		} {
			if a, b := part(s.store), part(n.store); !reflect.DeepEqual(a, b) {
				s.t.Fatalf("%s has %v, the first node %v", n.nodeName(), b, a)
			}
		}
	}
}

// endClusterFaults stops the faults between the nodes.
func (s *sim) endClusterFaults() {
	if s.set.cluster != nil {
		s.set.cluster.SetFaults(false)
		s.advanceAll(time.Second)
	}
}
