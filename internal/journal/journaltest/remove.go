package journaltest

import (
	"fmt"
	"testing"

	"ramai/internal/journal"
)

// A room that is removed leaves nothing behind but its numbers, which are not given out again.
func testRemove(t *testing.T, j *journaled) {
	j.expect(events(say("anna", "cellar", "a", "x"), once("bert", "cellar", "b", "y"), say("anna", "attic", "a", "z")), "saved 1", "saved 2", "saved 1")
	j.expect(events(remove("cellar", 1), remove("nowhere", 0), remove("cellar", 2), remove("cellar", 2)),
		"refused not_allowed", "refused not_allowed", "done", "refused not_allowed")
	j.kept("cellar", journal.Head{First: 3, Last: 2}, "none")
	j.kept("attic", journal.Head{First: 1, Last: 1}, "1-1")
	if _, there := j.Heads()["cellar"]; there || len(j.Heads()) != 1 {
		t.Errorf("there are %v", j.Heads())
	}
	// Made again, its numbers go on; the ids went with the messages.
	j.expect(events(say("anna", "cellar", "a", "other"), say("anna", "garret", "a", "x")), "saved 3", "saved 1")
	j.kept("cellar", journal.Head{First: 3, Last: 3}, "3-3")
	j.expect(events(remove("cellar", 3)), "refused not_allowed") // it begins above 1
	// Who says something just before keeps the room; who does so just after makes it anew.
	j.expect(events(say("anna", "garret", "a", "x"), remove("garret", 1)), "repeat 1", "refused not_allowed")
	j.expect(events(remove("garret", 1), say("carl", "garret", "a", "y"), say("anna", "garret", "a", "x"), say("anna", "loft", "a", "x")),
		"done", "saved 2", "saved 3", "saved 1")
	j.kept("garret", journal.Head{First: 2, Last: 3}, "2-3")
	j.expect(events(say("anna", "garret", "a", "x")), "repeat 3")
	j.kept("loft", journal.Head{First: 1, Last: 1}, "1-1")
}

// An empty room goes when its ids have gone.
func testRemoveEmpty(t *testing.T, j *journaled) {
	j.expect(events(say("anna", "cellar", "a", "x"), once("anna", "attic", "a", "x"), say("anna", "lobby", "a", "x")), "saved 1", "saved 1", "saved 1")
	j.expect(events(trim("cellar", 1), trim("attic", 1), trim("lobby", 1)), "from 2", "from 2", "from 2")
	j.expect(events(remove("cellar", 1), remove("attic", 1), remove("lobby", 1)), "refused not_allowed", "done", "refused not_allowed")
	j.expect(events(say("anna", "cellar", "a", "x")), "repeat 1")
	j.at += 31 * 24 * hour
	j.expect(events(trim("cellar", 0), remove("cellar", 1), say("anna", "cellar", "a", "x")), "from 2", "done", "saved 2")
	j.kept("cellar", journal.Head{First: 2, Last: 2}, "2-2")
}

// A large room is not removed with what was said in it.
func testRemoveLarge(t *testing.T, j *journaled) {
	for _, room := range []string{"most", "over"} {
		var all []journal.Event
		for i := range journal.MaxRemove {
			all = append(all, say("anna", room, fmt.Sprint(i), "x"))
		}
		j.apply(all...)
	}
	j.apply(say("anna", "over", "x", "x"))
	j.expect(events(remove("over", journal.MaxRemove+1), remove("most", journal.MaxRemove)), "refused not_allowed", "done")
}

// What counts as a room has messages; the lobby can always be made.
func testPlacesForRooms(t *testing.T, j *journaled) {
	j.maxRooms = 2
	j.expect(events(say("anna", "one", "a", "x"), say("anna", "two", "a", "x"), say("anna", "three", "a", "x")), "saved 1", "saved 1", "refused not_allowed")
	j.expect(events(say("anna", "lobby", "a", "x"), remove("one", 1), say("anna", "three", "a", "x")), "saved 1", "done", "refused not_allowed")
	j.expect(events(trim("two", 1), say("anna", "three", "a", "x"), say("anna", "two", "b", "x")), "from 2", "saved 1", "refused not_allowed")
	j.expect(events(remove("three", 1), say("anna", "two", "b", "x"), say("anna", "one", "a", "x")), "done", "saved 2", "refused not_allowed")
}
