package session

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/store/memory"
)

// TestClusterSimulation is TestSimulation on one of three nodes that share a sequence, which loses, repeats and delays
// batches. Clients of the other nodes write to the same rooms. In the end the stores of all nodes are equal.
func TestClusterSimulation(t *testing.T) {
	first, last := uint64(1), *seeds/4
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			s := newSim(t, seed, eventlogtest.NewSequence(seed))
			s.set.cluster.SetTrouble(true)
			for i := range 2 {
				s.replicas = append(s.replicas, newReplica(s, i))
			}
			for range 100 { // a Start later on would begin an epoch that the clients do not know of yet
				s.clock = s.clock.Add(time.Second)
				s.catchUp()
				s.sequence()
			}
			for range 400 {
				s.step()
				s.replicas[s.rng.IntN(2)].step()
			}
			s.rest()
			s.audit()
			s.judge()
			for _, r := range s.replicas {
				r.judge()
			}
		})
	}
}

// A replica is another node of the cluster, with a client that does nothing but write.
type replica struct {
	s     *sim
	name  string
	store *memory.Store
	log   *eventlog.Log
	wrote int
}

func newReplica(s *sim, i int) *replica {
	store, err := memory.New(bytes.NewReader(s.store.seed))
	if err != nil {
		s.t.Fatal(err)
	}
	r := &replica{s: s, name: fmt.Sprint("replica", i), store: store}
	r.log = eventlog.NewLog(r.store, s.set.cluster.Member(eventlog.Current), eventlog.Options{
		Feed: func([]eventlog.Outcome, []eventlog.Submission) {}, Now: s.now, Logger: slog.New(slog.DiscardHandler), Batch: 3,
		Node: r.name,
		Start: func(after uint64) (eventlog.Submission, error) {
			body := eventlog.StartBody{Node: r.name, After: after, Nonce: r.name}
			return eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Start, Body: body}}, nil
		},
	})
	return r
}

// step is one thing that happens.
func (r *replica) step() {
	if r.s.rng.IntN(5) > 0 {
		_, _ = r.log.Step()
		return
	}
	r.wrote++
	c := eventlog.Command{Kind: eventlog.Say, SenderID: r.name, Room: simRooms[r.s.rng.IntN(2)], ID: fmt.Sprint(r.wrote), Text: r.s.text(r.name)}
	if err := r.log.Submit(eventlog.Submission{Command: c}, nil); err != nil {
		r.s.t.Fatal(err)
	}
}

// catchUp applies everything that is ordered. It returns whether there was anything.
func (r *replica) catchUp() (moved bool) {
	for worked := true; worked; moved = moved || worked {
		worked, _ = r.log.Step()
	}
	return moved
}

// judge compares the store with that of the node that the clients saw.
func (r *replica) judge() {
	r.s.t.Helper()
	if a, b := eventlogtest.Hash(r.s.t, r.s.store), eventlogtest.Hash(r.s.t, r.store); a != b {
		r.s.t.Fatalf("the rows of %s have the hash %x, those of the clients' node %x", r.name, b, a)
	}
	for _, part := range []func(eventlog.Store) any{
		func(s eventlog.Store) any { return s.Position() },
		func(s eventlog.Store) any { return s.AllBounds() },
		func(s eventlog.Store) any { return s.NewestTimes() },
		func(s eventlog.Store) any { return s.Epoch() },
	} {
		if a, b := part(r.s.store), part(r.store); !reflect.DeepEqual(a, b) {
			r.s.t.Fatalf("%s has %v, the clients' node %v", r.name, b, a)
		}
	}
}

// quiet lets go well what goes wrong between the nodes.
func (s *sim) quiet() {
	if s.set.cluster != nil {
		s.set.cluster.SetTrouble(false)
	}
}

// catchUp lets the other nodes apply everything. It returns whether anything happened.
func (s *sim) catchUp() (moved bool) {
	for _, r := range s.replicas {
		moved = r.catchUp() || moved
	}
	return moved
}
