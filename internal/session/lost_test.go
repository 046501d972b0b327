package session

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/store/memory"
	"ramai/wire"
)

// A node of a cluster gets a snapshot that has the batch in flight, so its outcomes are lost. The connections that wait for
// them are closed, others are not. The client repeats what was not answered, and hears that it is saved, once.
func TestLostOutcomes(t *testing.T) {
	seq := eventlogtest.NewSequence(1)
	st := newHarness(t, setting{cluster: seq, node: 1})
	step := func(until func() bool) {
		t.Helper()
		for range 100 {
			if until() {
				return
			}
			st.clock = st.clock.Add(time.Second)
			st.stepLog()
		}
		t.Fatal("the log does not get there")
	}
	other := st.v1()
	secret, err := wire.NewSession(st.random)
	if err != nil {
		t.Fatal(err)
	}
	connect := func() *link {
		l := st.connect(Client{Protocol: chat.V1})
		l.send(wire.Hello{Session: secret})
		l.expect("welcome", "welcome")
		return l
	}
	l := connect()
	st.logPaused = true
	var say wire.Say
	for k := 0; ; k++ { // until something is ordered and not applied at once
		if k == 100 {
			t.Fatal("all that is ordered is applied at once")
		}
		say = wire.Say{Room: wire.Lobby, ID: fmt.Sprint("a", k), Text: "x"}
		before := seq.Last()
		seq.SetFaults(true)
		l.send(say)
		st.settle()
		step(func() bool { return seq.Last() > before })
		seq.SetFaults(false)
		if st.store.Position() < seq.Last() {
			break
		}
		step(func() bool {
			return slices.ContainsFunc(l.heard(), func(s string) bool { return strings.HasPrefix(s, "saved") })
		})
	}
	snapshot, err := memory.New(bytes.NewReader(st.store.seed))
	if err != nil {
		t.Fatal(err)
	}
	if err := seq.Restore(snapshot, eventlog.Current); err != nil {
		t.Fatal(err)
	}
	st.store.Store = snapshot
	step(func() bool { st.settle(); return l.closed })
	for _, heard := range l.heard() {
		if strings.HasPrefix(heard, "saved") || strings.HasPrefix(heard, "refused") {
			t.Errorf("the client hears %q of what is lost", heard)
		}
	}
	if l.code != wire.CloseRestart || other.closed {
		t.Errorf("the connection is closed with %d, want %d; that of another client is closed: %v", l.code, wire.CloseRestart, other.closed)
	}
	st.crash() // its rooms do not know what the snapshot has
	again := connect()
	again.send(say)
	var heard []string
	st.logPaused = false
	step(func() bool { heard = append(heard, again.heard()...); return len(heard) > 0 })
	last := st.store.Bounds(wire.Lobby).Last
	again.compare(heard, []string{fmt.Sprintf("saved lobby %s %d", say.ID, last)})
	if records, _, err := st.store.Read(wire.Lobby, 0, 500); err != nil || len(records) != int(last) || records[last-1].ID != say.ID || last > 1 && records[last-2].ID == say.ID {
		t.Errorf("the room has %+v, %v", records, err)
	}
}
