package sqlite

import (
	"fmt"
	"maps"
	"testing"

	"ramai/internal/eventlog"
)

// Ids of removed rooms are used again, the lowest first, whether or not the file was reopened meanwhile: ids have 23
// bits.
func TestRoomIDsReused(t *testing.T) {
	for _, again := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, dir, quiet)
		apply := func(commands ...eventlog.Command) {
			t.Helper()
			if again {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, dir, quiet)
			}
			if _, err := s.Apply(batch(commands...), s.Position()+1); err != nil {
				t.Fatal(err)
			}
		}
		remove := func(room string) eventlog.Command {
			return eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: 1}}
		}
		apply(say("a", "1"), say("b", "1"), say("c", "1"), say("d", "1"))
		apply(remove("b"), say("e", "1"), remove("d"), say("f", "1"), remove("f"))
		apply(say("g", "1"), say("h", "1"), say("i", "1"), say("j", "1"))
		want := map[string]int64{"a": 1, "g": 2, "c": 3, "h": 4, "e": 5, "i": 6, "j": 7}
		if !maps.Equal(s.roomIDs, want) {
			t.Errorf("opened again %v: the ids are %v, want %v", again, s.roomIDs, want)
		}
		for room := range want {
			if got, _, err := s.Read(room, 0, 10); err != nil || len(got) != 1 {
				t.Errorf("room %s has %v, %v", room, fmt.Sprint(got), err)
			}
		}
	}
}
