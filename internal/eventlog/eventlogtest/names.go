package eventlogtest

import (
	"slices"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/names"
)

func testNames(t *testing.T, j *tested) {
	held := func(want map[string]string) {
		t.Helper()
		for by, name := range want {
			if got := j.Name(by); got != name {
				t.Errorf("%s holds %q, want %q", by, got, name)
			}
		}
	}
	j.expect(commands(reserve("anna", "Anna"), reserve("bert", "ANNA"), reserve("bert", "Bert")), "done", "refused name_taken", "done")
	held(map[string]string{"anna": "Anna", "bert": "Bert"})

	// One name per sender: a new name frees the old one, even in the same batch. A sender can respell its own name.
	j.expect(commands(reserve("anna", "ANNA"), reserve("anna", "Queen"), reserve("bert", "anna")), "done", "done", "done")
	held(map[string]string{"anna": "Queen", "bert": "anna"})

	j.expect(commands(release("bert"), release("bert"), reserve("carl", "Anna"), restart(j)), "done", "done", "done", "done")
	held(map[string]string{"anna": "Queen", "bert": "", "carl": "Anna"})

	// A name is held for a day after its last use. Posting is a use; a use within an hour of the last one need not be
	// stored.
	j.at += 23 * hour
	j.apply(say("anna", "lobby", "a1", "x"))
	j.at += 2 * hour
	j.expect(commands(reserve("dora", "Queen"), reserve("dora", "Anna")), "refused name_taken", "done")
	held(map[string]string{"anna": "Queen", "carl": "", "dora": "Anna"})
	j.at += 22*hour - 1
	j.expect(commands(reserve("eva", "Queen")), "refused name_taken")
	j.at++
	j.expect(commands(reserve("eva", "Queen"), say("anna", "lobby", "a2", "x")), "done", "saved 2")
	held(map[string]string{"anna": "", "eva": "Queen"})
	if got := j.all("lobby"); got[0].DisplayName != "Queen" || got[1].DisplayName != "" {
		t.Errorf("the messages are from %q and %q, want Queen and nobody", got[0].DisplayName, got[1].DisplayName)
	}
}

func testBoundNames(t *testing.T, j *tested) {
	j.expect(commands(bound("anna", "Anna"), reserve("bert", "Bert")), "done", "done")
	j.at += 1000 * hour
	j.expect(commands(reserve("carl", "Anna"), reserve("carl", "Bert")), "refused name_taken", "done")
	j.expect(commands(bound("dora", "Dora"), restart(j), reserve("eva", "Anna"), reserve("eva", "Dora"), reserve("eva", "Bert")),
		"done", "done", "done", "done", "refused name_taken")
	// A restart affects the names held at that time.
	j.expect(commands(bound("fritz", "Fritz")), "done")
	j.expect(commands(reserve("fritz", "Fritz"), restart(j), reserve("gerd", "Fritz")), "done", "done", "refused name_taken")
}

func testRegisteredNames(t *testing.T, j *tested) {
	canRegister := func(by, want string) {
		t.Helper()
		if got := j.CanRegister(by); got != want {
			t.Errorf("%s can register %q, want %q", by, got, want)
		}
	}
	// A sender with a key that posts under a name owns it permanently, and may hold another one meanwhile.
	canRegister("key", "")
	j.expect(commands(reserve("key", "Queen"), reserve("anna", "QUEEN")), "done", "refused name_taken")
	canRegister("key", names.Key("Queen"))
	j.apply(register("key", "Queen", "lobby", "1", "x"))
	canRegister("key", "")
	if got := j.RegisteredNames(); len(got) != 1 || got[0].Name != "Queen" || got[0].SenderID != "key" || got[0].Since == 0 {
		t.Errorf("the registrations are %+v", got)
	}
	j.expect(commands(reserve("key", "King"), reserve("anna", "Queen")), "done", "refused name_taken")
	j.at += 1000 * hour
	j.expect(commands(reserve("anna", "Queen"), reserve("anna", "King")), "refused name_taken", "done")
	j.expect(commands(reserve("key", "Queen"), release("key"), bound("bert", "Queen")), "done", "done", "refused name_taken")

	// Reserving alone does not register a name, nor does posting without a key, nor posting under another name.
	j.expect(commands(reserve("key2", "Pawn"), say("key2", "lobby", "1", "x"), register("key2", "Rook", "lobby", "2", "x")), "done", "saved 2", "saved 3")
	canRegister("key2", names.Key("Pawn"))
	j.at += 1000 * hour
	j.expect(commands(reserve("anna", "Pawn"), say("anna", "lobby", "1", "x")), "done", "saved 4")
	j.at += 1000 * hour
	j.expect(commands(reserve("key2", "Pawn")), "done")

	// The operator unregisters the name, and takes it from its holder.
	j.expect(commands(reserve("key", "Queen"), unregister("QUEEN"), unregister("Queen"), reserve("anna", "Queen")), "done", "done", "refused bad_request", "done")
	if got := j.Name("key"); got != "" {
		t.Errorf("the former owner still holds %q", got)
	}
	j.apply(reserve("key3", "Bishop"), register("key3", "Bishop", "lobby", "1", "x"), reserve("key3", "Knight"), register("key3", "Knight", "lobby", "2", "x"))
	freed := j.apply(unregister("Bishop"), unregister("Knight"))
	if len(freed[0].Renamed) != 0 || !slices.Equal(freed[1].Renamed, []string{"key3"}) || j.Name("key3") != "" {
		t.Errorf("renamed are %q and %q; the holder has %q", freed[0].Renamed, freed[1].Renamed, j.Name("key3"))
	}

	// Each sender whose name has changed is reported.
	for _, c := range []struct {
		e    eventlog.Command
		want []string
	}{
		{reserve("one", "Rhino"), []string{"one"}}, {reserve("one", "Rhino"), nil}, {reserve("one", "Hippo"), []string{"one"}},
		{reserve("two", "Hippo"), nil}, {release("one"), []string{"one"}}, {release("one"), nil}, {reserve("two", "Hippo"), []string{"two"}},
	} {
		if got := j.apply(c.e)[0].Renamed; !slices.Equal(got, c.want) {
			t.Errorf("after %+v by %s, renamed are %q, want %q", c.e.Body, c.e.SenderID, got, c.want)
		}
	}
	j.at += 1000 * hour
	if got := j.apply(reserve("one", "Hippo"))[0].Renamed; !slices.Equal(got, []string{"two", "one"}) {
		t.Errorf("when a name is taken from its holder, renamed are %q", got)
	}

	// The number of names per owner is limited.
	for i := range eventlog.MaxRegisteredNames + 1 {
		name := string(rune('a' + i))
		j.apply(reserve("greedy", name), register("greedy", name, "lobby", name, "x"))
	}
	canRegister("greedy", "")
	j.at += 1000 * hour
	last := string(rune('a' + eventlog.MaxRegisteredNames))
	j.expect(commands(reserve("bert", "a"), reserve("bert", last)), "refused name_taken", "done")
	j.expect(commands(unregister("a"), reserve("greedy", "z"), register("greedy", "z", "lobby", "z", "x"), release("greedy"), reserve("anna", "z")),
		"done", "done", "saved 16", "done", "refused name_taken")
}

// testClashingNames: a name with two keys clashes with each name that shares one of them.
func testClashingNames(t *testing.T, j *tested) {
	named := func(by, name, folded, looks string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: name, Key: folded + "\x00" + looks}}
	}
	ian := func(by string) eventlog.Command { return named(by, "Ian", "ian", "lan") }
	lan := func(by string) eventlog.Command { return named(by, "Lan", "lan", "Lan") }
	small := func(by string) eventlog.Command { return named(by, "lan", "lan", "lan") } // looks like Ian, and is Lan in lower case
	j.expect(commands(ian("anna"), lan("bert"), small("cleo")), "done", "done", "refused name_taken")
	j.expect(commands(release("anna"), small("cleo"), release("bert"), small("cleo"), ian("anna"), lan("bert")),
		"done", "refused name_taken", "done", "done", "refused name_taken", "refused name_taken")
	j.expect(commands(release("cleo"), ian("anna"), lan("bert")), "done", "done", "done")
	j.at += 1000 * hour // both have expired, and one reservation replaces both
	if got := j.apply(small("cleo"))[0].Renamed; !slices.Equal(got, []string{"bert", "anna", "cleo"}) {
		t.Errorf("when a name clashes with two, renamed are %q", got)
	}
	j.expect(commands(ian("anna"), lan("bert")), "refused name_taken", "refused name_taken")

	// The same for registered names.
	registered := say("cleo", "lobby", "1", "x")
	registered.RegisterKey = j.CanRegister("cleo")
	j.apply(registered, release("cleo"))
	j.expect(commands(ian("anna"), lan("bert"), small("cleo")), "refused name_taken", "refused name_taken", "done")
	j.expect(commands(eventlog.Command{Kind: eventlog.UnregisterName, Body: eventlog.UnregisterNameBody{Name: "LAN", Key: "lan\x00LAN"}}, ian("anna"), lan("bert")), "done", "done", "done")
}
