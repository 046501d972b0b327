package eventlogtest

import (
	"reflect"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

func testReopened(t *testing.T, location Location) {
	if !location.Persistent {
		t.Skip("this store is not persistent")
	}
	j := open(t, location)
	historyID := j.HistoryID()
	j.apply(reserve("anna", "Anna"), bound("bert", "Bert"), say("anna", "lobby", "a1", "x"), say("anna", "cellar", "a1", "x"))
	j.apply(once("anna", "lobby", "a2", "x"), say("anna", "shed", "s1", "x"))
	j.apply(reserve("key", "Queen"), register("key", "Queen", "hall", "k1", "x"), release("key"), remove("shed", 1))
	lobby := j.all("lobby")
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Apply(&eventlog.Batch{}, 4); err == nil {
		t.Error("Apply after Close was no error")
	}
	if _, _, err := j.Read("lobby", 0, 1); err == nil {
		t.Error("Read after Close was no error")
	}

	j = open(t, location)
	if j.HistoryID() != historyID || j.Position() != 3 || j.Name("anna") != "Anna" || j.Name("bert") != "Bert" {
		t.Errorf("opened again: log %q, was %q; position %d; names %q, %q", j.HistoryID(), historyID, j.Position(), j.Name("anna"), j.Name("bert"))
	}
	if got := j.all("lobby"); !reflect.DeepEqual(got, lobby) {
		t.Errorf("opened again, the lobby is\n%+v\nwant\n%+v", got, lobby)
	}
	j.wantRoom("shed", eventlog.Bounds{First: 2, Last: 1}, "none")
	if _, err := j.Apply(&eventlog.Batch{}, 3); err == nil {
		t.Error("the outcomes of a batch of an earlier process were reported")
	}
	j.at -= hour
	j.expect(commands(
		say("anna", "lobby", "a1", "x"), say("anna", "lobby", "a1", "y"), say("anna", "lobby", "a3", "x"), say("anna", "cellar", "a2", "x"),
		reserve("carl", "Bert"), restart(j), reserve("carl", "Bert"), say("carl", "attic", "c1", "x"), reserve("carl", "Queen"), reserve("key", "Queen"),
	), "repeat 1", "refused id_reused", "saved 3", "saved 2", "refused name_taken", "done", "done", "saved 1", "refused name_taken", "done")
	if got := j.all("lobby")[2].At; got != start {
		t.Errorf("after a restart with an earlier clock, the time is %v, want %v", got, start)
	}
}

func testLogs(t *testing.T, fresh func(t *testing.T) Location) {
	a, b := open(t, fresh(t)).HistoryID(), open(t, fresh(t)).HistoryID()
	if a == b || len(a) != 22 || strings.Contains(a, ":") {
		t.Errorf("two logs are %q and %q; want two that differ, of 22 characters without a colon", a, b)
	}
}
