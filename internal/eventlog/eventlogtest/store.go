package eventlogtest

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

func testStore(t *testing.T, fresh func(t *testing.T) Location) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, j *tested)
	}{
		{"empty", testEmpty},
		{"numbers", testNumbers},
		{"ids", testIDs},
		{"rows", testRows},
		{"time", testTime},
		{"names", testNames},
		{"connection names", testBoundNames},
		{"owned names", testRegisteredNames},
		{"clashing names", testClashingNames},
		{"rooms", testRooms},
		{"removed rooms", testRemove},
		{"large rooms", testRemoveLarge},
		{"limit of rooms", testRoomLimit},
		{"reading", testReading},
		{"long texts", testLongTexts},
		{"applied twice", testAppliedTwice},
		{"trim", testTrim},
		{"bounds of one moment", testBounds},
		{"changes", testChange},
		{"refused changes", testRefusedChange},
		{"marks", testMark},
		{"limits of marks", testMarkLimits},
		{"long tallies", testLongTally},
		{"dropped marks", testDroppedMarks},
		{"storm of marks", testStormOfMarks},
		{"replies", testReplies},
		{"settings", testSet},
		{"who may act", testWhoMayAct},
		{"rules", testRules},
		{"claims", testClaims},
		{"votes", testVotes},
		{"hidden votes", testHiddenVotes},
		{"limits of votes", testVoteLimits},
		{"refused settings", testRefusedSet},
		{"invites", testInvites},
		{"refused invites", testRefusedInvites},
		{"recovery", testRecovery},
		{"repeated invites", testInviteRepeated},
		{"most invites", testMostInvites},
		{"passwords", testPasswords},
		{"questions and polls", testAsked},
		{"pages of settings", testSettingPages},
		{"most settings", testMostSettings},
		{"settings rolled back", testSetRolledBack},
		{"ids of changes", testChangeIDs},
		{"rolled back changes", testChangeRolledBack},
		{"numbers that are not messages", testOthers},
		{"ids outlive their messages", testIDsOutliveMessages},
		{"forget by steps", testPruneSteps},
		{"expired names", testExpire},
		{"trim by steps", testTrimSteps},
		{"keep", testRetention},
		{"rolled back", testRolledBack},
		{"free", testFree},
		{"signing in", testSignIn},
		{"signing out", testSignOut},
		{"names and sessions", testSignInNames},
		{"limit of sessions", testSessionLimit},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t, fresh(t))) })
	}
	t.Run("opened again", func(t *testing.T) { testReopened(t, fresh(t)) })
	t.Run("changes, opened again", func(t *testing.T) { testChangeReopened(t, fresh(t)) })
	t.Run("settings, opened again", func(t *testing.T) { testSetReopened(t, fresh(t)) })
	t.Run("sessions, opened again", func(t *testing.T) { testSessionsReopened(t, fresh(t)) })
	t.Run("invites, opened again", func(t *testing.T) { testInvitesReopened(t, fresh(t)) })
	t.Run("starts", func(t *testing.T) { testStarts(t, fresh(t)) })
	t.Run("epochs", func(t *testing.T) { testEpochs(t, fresh(t)) })
	t.Run("epochs of removed rooms", func(t *testing.T) { testEpochsOfRemoved(t, fresh(t)) })
	t.Run("many epochs", func(t *testing.T) { testManyEpochs(t, fresh(t)) })
	t.Run("logs", func(t *testing.T) { testLogs(t, fresh) })
	t.Run("pure", func(t *testing.T) { testPure(t, fresh) })
}

func testEmpty(t *testing.T, j *tested) {
	if got := j.Position(); got != 0 {
		t.Errorf("Position() = %d", got)
	}
	if got, want := j.Bounds("lobby"), (eventlog.Bounds{First: 1}); got != want {
		t.Errorf("Head = %+v, want %+v", got, want)
	}
	if got := j.Name("anna"); got != "" {
		t.Errorf("Name = %q", got)
	}
	if after, _, err := j.Read("lobby", 0, 10); err != nil || len(after) > 0 {
		t.Errorf("Read = %v, %v", after, err)
	}
	if before, _, err := j.ReadBefore("lobby", 10, 10); err != nil || len(before) > 0 {
		t.Errorf("ReadBefore = %v, %v", before, err)
	}
	for _, position := range []uint64{0, 2, math.MaxUint64} {
		if _, err := j.Apply(&eventlog.Batch{}, position); err == nil {
			t.Errorf("Apply at position %d of an empty store was no error", position)
		}
	}
}

func testNumbers(t *testing.T, j *tested) {
	j.expect(commands(say("anna", "lobby", "a1", "x"), say("bert", "lobby", "b1", "x"), say("anna", "cellar", "a1", "x")),
		"saved 1", "saved 2", "saved 1")
	j.expect(commands(say("bert", "cellar", "b1", "x"), say("anna", "lobby", "a2", "x"), once("anna", "lobby", "a3", "x")),
		"saved 2", "saved 3", "saved 4")
	for room, last := range map[string]uint64{"lobby": 4, "cellar": 2, "attic": 0} {
		if got, want := j.Bounds(room), (eventlog.Bounds{First: 1, Last: last}); got != want {
			t.Errorf("Bounds(%s) = %+v, want %+v", room, got, want)
		}
	}
	heads := j.AllBounds()
	if want := (map[string]eventlog.Bounds{"lobby": {First: 1, Last: 4}, "cellar": {First: 1, Last: 2}}); !reflect.DeepEqual(heads, want) {
		t.Errorf("AllBounds() = %v, want %v", heads, want)
	}
	clear(heads)
	if got := j.Bounds("lobby").Last; got != 4 {
		t.Errorf("after the returned map was cleared, the lobby is at %d", got)
	}
	if j.Position() != 2 {
		t.Errorf("Position() = %d after two batches", j.Position())
	}
}

func testIDs(t *testing.T, j *tested) {
	first := say("anna", "lobby", "a1", "hello")
	j.expect(commands(first), "saved 1")
	j.at += 1000
	outcomes := j.apply(first)
	if o := outcomes[0]; o.Status != eventlog.Repeat || o.N != 1 || o.At != start {
		t.Errorf("the repeat is %+v, want number 1 at %v", o, start)
	}
	j.expect(commands(
		say("anna", "lobby", "a1", "goodbye"), // another text
		say("anna", "lobby", "a2", "hello"),
		say("anna", "lobby", "a2", "hello"), // in the same batch
		say("anna", "lobby", "a2", "again"),
		say("bert", "lobby", "a1", "goodbye"),  // another sender's id
		say("anna", "cellar", "a1", "goodbye"), // another room's
		once("anna", "lobby", "a1", "hello"),   // never compared
		first,
	), "refused id_reused", "saved 2", "repeat 2", "refused id_reused", "saved 3", "saved 1", "saved 4", "repeat 1")
	if got := len(j.all("lobby")); got != 4 {
		t.Errorf("the lobby has %d messages, want 4", got)
	}
}

func testRows(t *testing.T, j *tested) {
	j.apply(reserve("anna", "Anna"), say("anna", "lobby", "a1", "one\ntwo\tthree ü 👩"), say("bert", "lobby", "b1", ""))
	j.at += 5
	outcomes := j.apply(once("anna", "lobby", "a2", "x"), reserve("bert", "Bert"), say("bert", "lobby", "b2", "x"))
	var want []eventlog.Record
	for _, m := range []wire.Message{
		{Room: "lobby", N: 1, At: start, SenderID: "anna", DisplayName: "Anna", ID: "a1", Text: "one\ntwo\tthree ü 👩"},
		{Room: "lobby", N: 2, At: start, SenderID: "bert", ID: "b1"},
		{Room: "lobby", N: 3, At: start + 5, SenderID: "anna", DisplayName: "Anna", ID: "a2", Text: "x"},
		{Room: "lobby", N: 4, At: start + 5, SenderID: "bert", DisplayName: "Bert", ID: "b2", Text: "x"},
	} {
		want = append(want, eventlog.MessageRecord(&m))
	}
	if got := j.all("lobby"); !reflect.DeepEqual(got, want) {
		t.Errorf("the rows are\n%+v, want\n%+v", got, want)
	}
	if got := outcomes[2].Record(); got != want[3] {
		t.Errorf("the outcome has the row\n%+v, want\n%+v", got, want[3])
	}
}

func testTime(t *testing.T, j *tested) {
	var got []wire.Time
	for i, at := range []wire.Time{start, start - 5000, start + 1, start} {
		j.at = at
		got = append(got, j.apply(say("anna", "lobby", fmt.Sprint(i), "x"))[0].At)
	}
	if want := []wire.Time{start, start, start + 1, start + 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("the times are %v, want %v", got, want)
	}
	// A clock that was ahead once affects that room only.
	j.at = start + 1000*hour
	j.apply(say("anna", "ahead", "1", "x"), reserve("anna", "Anna"))
	j.at = start + 5
	said := j.apply(say("bert", "lobby", "5", "x"), say("bert", "ahead", "2", "x"), say("bert", "new", "1", "x"), reserve("bert", "Bert"))
	for i, want := range []wire.Time{start + 5, start + 1000*hour, start + 5, start + 5} {
		if said[i].At != want {
			t.Errorf("after the clock was ahead, message %d has the time %v, want %v", i, said[i].At, want)
		}
	}
	// A room does not lose its time when its messages are deleted.
	j.apply(trim("ahead", 2))
	if got := j.apply(say("bert", "ahead", "3", "x"))[0].At; got != start+1000*hour {
		t.Errorf("the time in the emptied room is %v", got)
	}
	if got, want := j.NewestTimes(), map[string]wire.Time{"lobby": start + 5, "ahead": start + 1000*hour, "new": start + 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("the times of the rooms are %v, want %v", got, want)
	}
}

const hour = wire.Time(time.Hour / time.Millisecond)

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

func testRooms(t *testing.T, j *tested) {
	j.apply(limitRooms(2))
	j.expect(commands(say("anna", "one", "a1", "x"), say("anna", "two", "a1", "x"), say("anna", "three", "a1", "x"), say("anna", "one", "a2", "x")),
		"saved 1", "saved 1", "refused not_allowed", "saved 2")
	j.expect(commands(say("anna", "three", "a1", "x"), say("anna", "two", "a2", "x")), "refused not_allowed", "saved 2")
	j.apply(limitRooms(3))
	j.expect(commands(say("anna", "three", "a1", "x"), say("anna", "four", "a1", "x")), "saved 1", "refused not_allowed")
	if got, want := j.Bounds("four"), (eventlog.Bounds{First: 1}); got != want {
		t.Errorf("Bounds of a room that was refused = %+v", got)
	}
}

func testReading(t *testing.T, j *tested) {
	const last = 2*eventlog.MaxRead + 7
	var batch []eventlog.Command
	for i := range last {
		batch = append(batch, once("anna", "lobby", fmt.Sprint(i), "x"))
	}
	j.apply(say("anna", "cellar", "a1", "x"))
	j.apply(batch...)
	j.apply(say("anna", "attic", "a1", "x"))
	for _, test := range []struct {
		back       bool
		n          uint64
		limit      int
		from, upto uint64 // of the result; upto 0: empty
	}{
		{false, 0, 3, 1, 3},
		{false, 5, 1, 6, 6},
		{false, 5, 0, 6, 6},
		{false, 5, -1, 6, 6},
		{false, 5, math.MinInt, 6, 6},
		{false, 7, eventlog.MaxRead, 8, 7 + eventlog.MaxRead},
		{false, 7, eventlog.MaxRead + 1, 8, 7 + eventlog.MaxRead},
		{false, 7, math.MaxInt, 8, 7 + eventlog.MaxRead},
		{false, last - 2, 10, last - 1, last},
		{false, last, 10, 0, 0},
		{false, last + 1, 10, 0, 0},
		{false, math.MaxInt64, 10, 0, 0},
		{false, math.MaxInt64 + 1, 10, 0, 0},
		{false, math.MaxUint64, 10, 0, 0},
		{true, 0, 10, 0, 0},
		{true, 1, 10, 0, 0},
		{true, 2, 10, 1, 1},
		{true, 9, 3, 6, 8},
		{true, 9, 0, 8, 8},
		{true, last, math.MaxInt, last - eventlog.MaxRead, last - 1},
		{true, last + 1, 2, last - 1, last},
		{true, math.MaxInt64, 2, last - 1, last},
		{true, math.MaxInt64 + 1, 2, last - 1, last},
		{true, math.MaxUint64, 2, last - 1, last},
	} {
		read, name := j.Read, "Read"
		if test.back {
			read, name = j.ReadBefore, "ReadBefore"
		}
		var want []uint64
		for n := test.from; n <= test.upto && test.upto > 0; n++ {
			want = append(want, n)
		}
		got, _, err := read("lobby", test.n, test.limit)
		if err != nil || !reflect.DeepEqual(numbers(got), want) {
			t.Errorf("%s(%d, %d) = %v, %v, want %v", name, test.n, test.limit, numbers(got), err, want)
		}
	}
}

func numbers(messages []eventlog.Record) (n []uint64) {
	for _, m := range messages {
		n = append(n, m.N)
	}
	return n
}

func testLongTexts(t *testing.T, j *tested) {
	// The fourth alone exceeds the limit of one read; the bodies of the first three match it exactly.
	empty := eventlog.MessageRecord(&wire.Message{})
	third := strings.Repeat("x", eventlog.ReadBytes/3-len(empty.Body))
	j.apply(
		say("anna", "lobby", "a1", third), say("anna", "lobby", "a2", third), say("anna", "lobby", "a3", third+strings.Repeat("x", eventlog.ReadBytes%3)),
		say("anna", "lobby", "a4", strings.Repeat("y", eventlog.ReadBytes+1)), say("anna", "lobby", "a5", "x"),
	)
	for _, test := range []struct {
		back bool
		n    uint64
		want []uint64
	}{
		{false, 0, []uint64{1, 2, 3}},
		{false, 2, []uint64{3}},
		{false, 3, []uint64{4}},
		{false, 4, []uint64{5}},
		{true, 6, []uint64{5}},
		{true, 5, []uint64{4}},
		{true, 4, []uint64{1, 2, 3}},
	} {
		read := j.Read
		if test.back {
			read = j.ReadBefore
		}
		if got, _, err := read("lobby", test.n, 10); err != nil || !reflect.DeepEqual(numbers(got), test.want) {
			t.Errorf("back=%v from %d: %v, %v, want %v", test.back, test.n, numbers(got), err, test.want)
		}
	}
}

func testAppliedTwice(t *testing.T, j *tested) {
	batch := &eventlog.Batch{At: start, Commands: commands(
		reserve("anna", "Anna"), say("anna", "lobby", "a1", "x"), say("anna", "lobby", "a1", "x"),
		once("anna", "lobby", "a2", "x"), say("anna", "lobby", "a1", "y"), say("anna", "cellar", "a1", "x"),
	)}
	first, err := j.Apply(batch, 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.Apply(batch, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("applied again, the outcomes are\n%s\nwant\n%s", summarize(second), summarize(first))
	}
	if got := numbers(j.all("lobby")); !reflect.DeepEqual(got, []uint64{1, 2}) || j.Position() != 1 {
		t.Errorf("then the numbers are %v at position %d, want 1 and 2 at 1", got, j.Position())
	}
	if err := j.Reopen(); err != nil {
		t.Fatalf("Reopen with nothing in doubt: %v", err)
	}
	j.expect(commands(say("anna", "lobby", "a3", "x")), "saved 3")
}

func testRolledBack(t *testing.T, j *tested) {
	j.apply(reserve("anna", "Anna"), say("anna", "lobby", "a1", "x"))
	_, err := j.Apply(&eventlog.Batch{At: start + 9, Commands: commands(
		release("anna"), say("anna", "lobby", "a2", "x"), say("anna", "cellar", "a1", "x"), eventlog.Command{Kind: eventlog.Trim, Room: "lobby"}, // without a body
	)}, 2)
	if !errors.Is(err, eventlog.ErrRolledBack) {
		t.Fatalf("Apply of a batch that cannot be decided: %v, want ErrRolledBack", err)
	}
	if j.Position() != 1 || j.Name("anna") != "Anna" || j.Bounds("cellar").Last != 0 || len(j.all("lobby")) != 1 {
		t.Errorf("a part of it is stored: position %d, name %q", j.Position(), j.Name("anna"))
	}
	o := j.apply(say("anna", "lobby", "a2", "other"))[0]
	if o.Status != eventlog.Saved || o.N != 2 || o.At != start || o.DisplayName != "Anna" {
		t.Errorf("the next outcome is %+v", o)
	}
}

func testFree(t *testing.T, j *tested) {
	if n, err := j.Free(); err != nil || n == 0 {
		t.Errorf("Free() = %d, %v", n, err)
	}
}

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
