package eventlogtest

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// startEpoch returns a start of a server that begins an epoch.
func startEpoch(epoch string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, Nonce: epoch}} // apply sets After
}

// contains compares the store's answers about positions with want: "lobby 3 two" is position 3 of the lobby in epoch two;
// "-" is no epoch.
func (j *tested) contains(want map[string]bool) {
	j.t.Helper()
	for s, want := range want {
		var room string
		p := wire.Position{HistoryID: j.HistoryID()}
		if _, err := fmt.Sscan(s, &room, &p.N, &p.Epoch); err != nil {
			j.t.Fatalf("%q: %v", s, err)
		}
		if p.Epoch == "-" {
			p.Epoch = ""
		}
		if got := j.Contains(room, &p); got != want {
			j.t.Fatalf("%s: known %t, want %t", s, got, want)
		}
	}
}

func testEpochs(t *testing.T, location Location) {
	j := open(t, location)
	if j.Epoch() != (eventlog.Epoch{}) {
		t.Fatalf("a new store is in %+v", j.Epoch())
	}
	// Messages that a server of an earlier version stored before there were epochs are part of every epoch.
	j.apply(once("anna", "lobby", "a", "x"), once("anna", "lobby", "b", "x"))
	j.contains(map[string]bool{"lobby 2 -": true, "lobby 3 -": false, "lobby 2 one": false, "lobby 0 one": true})
	j.expect(commands(startEpoch("one")), "done")
	j.expect(commands(once("anna", "lobby", "c", "x"), once("anna", "den", "a", "x")), "saved 3", "saved 1")
	j.expect(commands(once("anna", "lobby", "d", "x")), "saved 4")
	j.expect(commands(startEpoch("two")), "done") // the epoch contains no message
	j.expect(commands(startEpoch("three")), "done")
	j.expect(commands(once("anna", "lobby", "e", "x")), "saved 5")
	j.expect(commands(startEpoch("four")), "done")
	j.expect(commands(once("anna", "lobby", "f", "x"), once("anna", "lobby", "g", "x")), "saved 6", "saved 7")
	j.expect(commands(startEpoch("two")), "refused internal") // a start must not reuse a name
	want := map[string]bool{
		"lobby 2 one": true, "lobby 4 one": true, "lobby 5 one": false, "lobby 7 one": false, "lobby 8 one": false,
		"lobby 4 two": true, "lobby 5 two": false, "lobby 5 three": true, "lobby 6 three": false, "lobby 7 four": true, "lobby 8 four": false,
		"lobby 4 other": false, "lobby 0 other": true, "lobby 1 other": false, "lobby 7 -": true, "lobby 8 -": false,
		"den 1 one": true, "den 1 four": true, "den 2 one": false, "den 0 two": true, "nowhere 0 one": true, "nowhere 1 one": false,
	}
	j.contains(want)
	if p := (wire.Position{HistoryID: "another", Epoch: "four", N: 1}); j.Contains("lobby", &p) {
		t.Error("a position of another log is known")
	}
	// Messages deleted by retention still belong to their epoch.
	j.apply(trim("lobby", 6))
	j.contains(want)
	if e := j.Epoch(); e != (eventlog.Epoch{Number: 4, Name: "four"}) {
		t.Errorf("the epoch is %+v", e)
	}
	if !location.Persistent {
		return
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Store = location.Open()
	j.contains(want)
	if e := j.Epoch(); e != (eventlog.Epoch{Number: 4, Name: "four"}) {
		t.Errorf("opened again, the epoch is %+v", e)
	}
}

// testEpochsOfRemoved: when a room is removed, the epochs of its messages are removed, too. A client with a position in an
// earlier epoch may have received other messages under the same numbers, on a machine that was reset.
func testEpochsOfRemoved(t *testing.T, location Location) {
	j := open(t, location)
	j.apply(startEpoch("one"))
	j.apply(once("anna", "den", "a", "x"), once("anna", "den", "b", "x"), once("anna", "lobby", "a", "x"))
	j.apply(startEpoch("two"))
	j.apply(once("anna", "den", "c", "x"))
	j.contains(map[string]bool{"den 2 one": true, "den 3 one": false, "den 3 two": true})
	j.expect(commands(remove("den", 3)), "done")
	want := map[string]bool{"den 0 one": true, "den 2 one": false, "den 3 two": true, "den 4 two": false, "den 3 -": true, "lobby 1 one": true}
	j.contains(want)
	j.expect(commands(once("anna", "den", "d", "x")), "saved 4")
	want["den 4 one"], want["den 4 two"] = false, true
	j.contains(want)
	j.expect(commands(startEpoch("three")), "done")
	j.expect(commands(once("anna", "den", "e", "x"), remove("den", 5), once("anna", "den", "f", "x")), "saved 5", "done", "saved 6")
	want["den 3 two"], want["den 4 two"], want["den 6 three"] = false, false, true
	j.contains(want)
	j.expect(commands(startEpoch("four")), "done")
	j.expect(commands(remove("den", 6)), "done")
	want["den 6 three"], want["den 6 four"] = false, true
	j.contains(want)
	if !location.Persistent {
		return
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Store = location.Open()
	j.contains(want)
}

// testManyEpochs: the number of stored epochs is limited, and a forgotten epoch counts as unknown.
func testManyEpochs(t *testing.T, location Location) {
	j := open(t, location)
	// More epochs than a room stores: the spans of the oldest are forgotten.
	const more = 10
	const last = eventlog.MaxSpans + more
	for i := range last {
		j.apply(startEpoch(fmt.Sprint("e", i+1)))
		j.apply(once("anna", "lobby", fmt.Sprint(i), "x"))
	}
	j.apply(once("anna", "den", "a", "x"))
	want := map[string]bool{
		fmt.Sprintf("lobby %d e%d", last, last): true, fmt.Sprintf("lobby %d e%d", last, last-1): false,
		fmt.Sprintf("lobby %d e%d", more+1, more+1): true, fmt.Sprintf("lobby %d e%d", more+2, more+1): false,
		fmt.Sprintf("lobby %d e%d", more, more): false, "lobby 1 e1": false, // reported as unknown, because it may be unknown
		fmt.Sprintf("lobby 1 e%d", more+1): true, "den 0 e1": true, "den 1 e1": false,
	}
	j.contains(want)
	// More than a history stores.
	for i := last; i < eventlog.MaxEpochs+more; i++ {
		j.apply(startEpoch(fmt.Sprint("e", i+1)))
	}
	want = map[string]bool{
		fmt.Sprintf("lobby 1 e%d", more): false, fmt.Sprintf("lobby %d e%d", more+1, more+1): true, fmt.Sprintf("lobby %d e%d", last, last): true,
		fmt.Sprintf("den 1 e%d", eventlog.MaxEpochs+more): true, "den 1 e1": false, "den 0 e1": true,
	}
	j.contains(want)
	if location.Persistent {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j.Store = location.Open()
		j.contains(want)
	}
	j.apply(startEpoch("e1")) // a forgotten name can be reused
	j.apply(once("anna", "lobby", "z", "x"))
	j.contains(map[string]bool{fmt.Sprintf("lobby %d e1", last+1): true, fmt.Sprintf("lobby %d e%d", more+1, more+1): false})
}
