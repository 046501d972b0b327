package eventlogtest

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testRemove: a removed room leaves only its last number, after which its numbers continue, and its ids, which still
// recognize a retry.
func testRemove(t *testing.T, j *tested) {
	j.expect(commands(say("anna", "cellar", "a", "x"), once("bert", "cellar", "b", "y"), say("anna", "attic", "a", "z")), "saved 1", "saved 2", "saved 1")
	j.expect(commands(remove("cellar", 1), remove("nowhere", 0), remove("cellar", 2), remove("cellar", 2)),
		"refused not_allowed", "refused not_allowed", "done", "refused not_allowed")
	j.wantRoom("cellar", eventlog.Bounds{First: 3, Last: 2}, "none")
	j.wantRoom("attic", eventlog.Bounds{First: 1, Last: 1}, "1-1")
	if _, there := j.AllBounds()["cellar"]; there || len(j.AllBounds()) != 1 {
		t.Errorf("the bounds are %v", j.AllBounds())
	}
	for n, want := range map[uint64]bool{0: true, 2: true, 3: false} { // a client that received the whole room has missed nothing
		if got := j.Contains("cellar", &wire.Position{HistoryID: j.HistoryID(), N: n}); got != want {
			t.Errorf("number %d is contained: %v", n, got)
		}
	}
	j.expect(commands(say("anna", "cellar", "a", "x"), say("anna", "cellar", "c", "x"), say("anna", "garret", "a", "x")), "repeat 1", "saved 3", "saved 1")
	j.wantRoom("cellar", eventlog.Bounds{First: 3, Last: 3}, "3-3")
	// Everything in one batch: the room's messages are removed, too, and the room is created again.
	j.expect(commands(say("carl", "garret", "c", "x"), remove("garret", 2), say("carl", "garret", "c", "x"), say("carl", "garret", "d", "x"), say("anna", "loft", "a", "x")),
		"saved 2", "done", "repeat 2", "saved 3", "saved 1")
	j.wantRoom("garret", eventlog.Bounds{First: 3, Last: 3}, "3-3")
	j.wantRoom("loft", eventlog.Bounds{First: 1, Last: 1}, "1-1")
	j.expect(commands(remove("cellar", 3), say("anna", "garret", "e", "x"), say("anna", "lobby", "a", "x"), trim("lobby", 1), remove("lobby", 1)),
		"done", "saved 4", "saved 1", "from 2", "refused not_allowed")
	j.expect(commands(trim("garret", 9), remove("garret", 4)), "from 5", "done")
	j.wantRoom("garret", eventlog.Bounds{First: 5, Last: 4}, "none")
}

// A large room is not removed together with its messages.
func testRemoveLarge(t *testing.T, j *tested) {
	for _, room := range []string{"most", "over"} {
		var all []eventlog.Command
		for i := range eventlog.MaxRemove {
			all = append(all, say("anna", room, fmt.Sprint(i), "x"))
		}
		j.apply(all...)
	}
	j.apply(say("anna", "over", "x", "x"))
	j.expect(commands(remove("over", eventlog.MaxRemove+1), remove("most", eventlog.MaxRemove)), "refused not_allowed", "done")
	j.expect(commands(trim("over", 1), remove("over", eventlog.MaxRemove+1)), "from 2", "done")
}

// A room counts if it has messages; the lobby can always be created.
func testRoomLimit(t *testing.T, j *tested) {
	j.apply(limitRooms(2))
	j.expect(commands(say("anna", "one", "a", "x"), say("anna", "two", "a", "x"), say("anna", "three", "a", "x")), "saved 1", "saved 1", "refused not_allowed")
	j.expect(commands(say("anna", "lobby", "a", "x"), remove("one", 1), say("anna", "three", "a", "x")), "saved 1", "done", "refused not_allowed")
	j.expect(commands(trim("two", 1), say("anna", "three", "a", "x"), say("anna", "two", "b", "x")), "from 2", "saved 1", "refused not_allowed")
	j.expect(commands(remove("three", 1), say("anna", "two", "b", "x"), say("anna", "one", "b", "x")), "done", "saved 2", "refused not_allowed")
}
