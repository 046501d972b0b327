package eventlogtest

import (
	"errors"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

// testLevelOfOneNode: a server that runs alone raises the level when it starts, and its older version does not run with
// that data.
func testLevelOfOneNode(t *testing.T, s suite) {
	if !s.newSequencer().Exclusive() {
		t.Skip("only a server that runs alone raises the level by itself")
	}
	store := s.fresh(t).Open()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for range 2 { // the second time, the level is already that of the program
		o := newHarness(t, store, s.newSequencer(), eventlog.Options{Program: newer, Node: eventlog.LocalNode, Start: starts(eventlog.LocalNode)})
		o.submit(say("anna", "lobby", "a1", "x"), trim("lobby", 1))
		o.run()
		o.store.applied = nil
		if got := store.Level(); got != newer.Level() {
			t.Fatalf("the level is %d, want %d", got, newer.Level())
		}
	}
	if got := store.Bounds("lobby").First; got != 2 {
		t.Errorf("the new kind has no effect: the lobby begins with %d", got)
	}
	o := newHarness(t, store, s.newSequencer(), eventlog.Options{Program: older, Node: eventlog.LocalNode, Start: starts(eventlog.LocalNode)})
	o.submit(say("anna", "lobby", "a2", "x"))
	if err := o.Run(t.Context()); !errors.Is(err, eventlog.ErrLevel) || !strings.Contains(err.Error(), "install") {
		t.Errorf("the older version starts: %v", err)
	}
	o.wantFed()
}

// testLevelTooEarly: if the level is raised while one node runs an older version, that node stops with the reason instead
// of skipping what it cannot decode. With the newer version it continues, and catches up with the others.
func testLevelTooEarly(t *testing.T, fresh func(t *testing.T) Location) {
	seq := NewSequence(1)
	open := func(name string, program *eventlog.Program, store eventlog.Store) *harness {
		if store == nil {
			store = fresh(t).Open()
			t.Cleanup(func() {
				if err := store.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		return newHarness(t, store, seq.Member(program), eventlog.Options{Program: program, Node: name, Start: starts(name)})
	}
	a, b := open("a", newer, nil), open("b", older, nil)
	a.submit(trim("lobby", 1))
	a.run() // b has not started yet
	a.wantFed(" refused unavailable")
	a.submit(say("anna", "lobby", "a1", "x"))
	a.run()
	b.run()
	a.submit(raiseLevel(newer.Level()))
	a.run()
	a.submit(trim("lobby", 1), say("anna", "lobby", "a2", "x"))
	a.run()
	var err error
	for range 10 {
		if _, err = b.Step(); err != nil {
			break
		}
	}
	if !errors.Is(err, eventlog.ErrLevel) {
		t.Fatalf("the older version applies an unknown kind: %v", err)
	}
	if got := b.store.Bounds("lobby"); got != (eventlog.Bounds{First: 1, Last: 1}) {
		t.Errorf("the older version has the bounds %v", got)
	}
	b = open("b", newer, b.store.Store)
	b.run()
	a.run()
	viewOf(t, a.store).compare(t, "the upgraded node has", viewOf(t, b.store))
	if x, y := Hash(t, a.store), Hash(t, b.store); x != y || b.store.Bounds("lobby").First != 2 {
		t.Errorf("the rows have the hashes %x and %x, the bounds are %v", x, y, b.store.Bounds("lobby"))
	}
}
